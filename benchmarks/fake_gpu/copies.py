"""Copies that arrive late, and the events that wait for them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.fake_gpu.record import Record, site

UNARRIVED = -12345.0
"""What a target holds until its copy has arrived."""


class Stream:
    """Things done one after another in a thread of their own, each ``delay`` seconds late.

    Args:
        record: gets the races.
        delay: seconds between asking for a copy and its end.
    """

    def __init__(self, record: Record, delay: float) -> None:
        self.delay = delay
        self.last: threading.Event | None = None
        self._record = record
        self._jobs: queue.SimpleQueue[tuple[float, Callable[[], None], threading.Event] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="make-believe copies", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Do what was asked for, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def add(self, job: Callable[[], None], delay: float = 0.0) -> threading.Event:
        """Have ``job`` done after all before it; the event is set when it is."""
        self.last = threading.Event()
        self._jobs.put((time.monotonic() + delay, job, self.last))
        return self.last

    def download(self, target: Tensor, numbers: Tensor) -> None:
        """Copy to pinned memory, late."""
        target.fill_(UNARRIVED if target.is_floating_point() else 0)
        self.add(lambda: target.copy_(numbers), self.delay)

    def upload(self, source: Tensor) -> None:
        """Note where ``source``, pinned, is changed before a copy from it can have ended."""
        before, line = source.clone(), site()

        def check() -> None:
            if not torch.equal(before, source):
                self._record.races.append(f"pinned memory was changed before its copy was done: {line}")

        self.add(check, self.delay)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            due, action, done = job
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(Exception), torch.inference_mode():
                action()
            done.set()


class Pinned:
    """Which storages are pinned."""

    def __init__(self) -> None:
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def pin(self, tensor: Tensor) -> Tensor:
        """Make ``tensor``'s memory count as pinned, and return it."""
        storage = tensor.untyped_storage()
        self._known[storage.data_ptr()] = weakref.ref(storage)
        return tensor

    def __contains__(self, tensor: Tensor) -> bool:
        storage = tensor.untyped_storage()
        known = self._known.get(storage.data_ptr())
        return known is not None and known() is storage
