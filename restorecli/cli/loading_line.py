"""The wait for torch: a line on the terminal, and threads that wait asleep."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Variables of the OpenMP runtimes (OpenMP 5.2, section 21.2.8; LLVM and Intel): threads that wait give the
processor up. Else they spin for milliseconds after every parallel loop, at the cost of all that also runs."""


@contextmanager
def loading(*, quiet: bool = False) -> Iterator[None]:
    """Do what takes seconds in here: a terminal shows at once that something happens."""
    line = "" if quiet or not sys.stderr.isatty() else "loading…"
    sys.stderr.write(line)
    sys.stderr.flush()
    try:
        yield
    finally:
        if line:
            sys.stderr.write(f"\r{' ' * len(line)}\r")


def wait_passively() -> None:
    """Have torch's threads wait asleep, unless the environment says how; only works before its import."""
    if not WAITING.keys() & os.environ.keys():
        os.environ.update(WAITING)
