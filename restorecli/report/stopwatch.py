"""Where the time of a run goes, added up over its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds of work by kind; several threads may use one at once.

    Attributes:
        seconds: kind of work → seconds so far, of all threads together.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, seconds: float) -> None:
        """Add to a kind of work."""
        with self._lock:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Add what runs inside to a kind of work, also if it fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(kind, time.perf_counter() - began)
