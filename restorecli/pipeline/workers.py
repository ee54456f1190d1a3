"""Threads that work in the background, any of which may be given up when it hangs.

The ones of `concurrent.futures` are waited for when the process ends; a decoder that hangs would keep it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any, Generic, TypeVar

from restorecli.engine.order import Cancelled
from restorecli.errors import TimedOutError

T = TypeVar("T")

GLANCE = 0.1  # seconds between looks at whether the run was cancelled


class Job(Generic[T]):
    """Work handed to a thread.

    Attributes:
        began: when a thread took it up; None before, and while it waits for something that is no fault of its
            own.
        seconds: that it took, waiting not counted.
    """

    def __init__(self, work: Callable[..., T], *arguments: Any) -> None:
        self.began: float | None = None
        self.seconds = 0.0
        self._work = work
        self._arguments = arguments
        self._future: Future[T] = Future()

    @property
    def done(self) -> bool:
        """Whether it is finished, well or not."""
        return self._future.done()

    def wait(self, seconds: float) -> bool:
        """Wait so long for it, and tell whether it is finished."""
        return bool(wait([self._future], seconds).done)

    def takes_longer_than(self, limit: float) -> bool:
        """Whether it goes on for more seconds than that."""
        began = self.began  # another thread may change it
        return began is not None and time.monotonic() - began > limit

    def run(self) -> None:
        """Do it in this thread."""
        self.began = time.monotonic()
        arguments, self._arguments = self._arguments, ()  # which are not to be held longer than needed
        try:
            result = self._work(self, *arguments)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the result
            self._finish()
            self._future.set_exception(error)
        else:
            self._finish()
            self._future.set_result(result)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Stop the clock while the work waits for other photos."""
        self._finish()
        self.began = None
        yield
        self.began = time.monotonic()

    def _finish(self) -> None:
        if self.began is not None:
            self.seconds += time.monotonic() - self.began

    def result(
        self, limit: float | None = None, cancelled: Flag | None = None, what: tuple[str, str] = ("", "")
    ) -> T:
        """Wait for it.

        Args:
            limit: seconds that it may take from when it began; None for any time.
            cancelled: when set, waiting ends.
            what: message and hint where it takes longer.

        Raises:
            TimedOutError: it took longer.
            Cancelled: ``cancelled`` was set before it was done.
        """
        while not self._future.done():
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            if limit is not None and self.takes_longer_than(limit):
                raise TimedOutError(*what)
            try:
                return self._future.result(GLANCE)
            except TimeoutError:
                continue
        return self._future.result()

    def forget(self) -> None:
        """Let go of the result, which its receiver holds by now."""
        self._future = Future()
        self._future.cancel()


class Workers:
    """A number of threads that take jobs in the order they come in.

    Where the system gives no thread at all, jobs are done at once by whoever hands them over.
    """

    def __init__(self, count: int, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._count = sum(self._start() for _ in range(count))

    def _start(self) -> bool:
        thread = threading.Thread(target=self._labour, name=f"photo-{self._name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread": a limit of the system
            return False
        return True

    def _labour(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    def submit(self, work: Callable[..., T], *arguments: Any) -> Job[T]:
        """Have ``work(job, *arguments)`` done, where ``job`` is what is returned."""
        job = Job(work, *arguments)
        if self._count:
            self._jobs.put(job)
        else:
            job.run()
        return job

    def replace_one(self) -> None:
        """Give up a thread that hangs: another one takes its place."""
        self._count -= 1
        self._count += self._start()

    def close(self) -> None:
        """Let the threads end when they are idle; jobs not yet begun are dropped."""
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in range(self._count):
            self._jobs.put(None)
