"""The process around a command: its streams, its signals, and how it ends.

Installed before anything heavy is imported, so that a signal is never met unprepared.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from restorecli.errors import ExitCode
from restorecli.report import streams

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a run."""

interrupted = threading.Event()
"""Set by the first of them."""

WORKERS = "photo-"
"""What the names of threads begin with that may be given up."""

_MOMENT = 0.2  # seconds for an idle thread to end

Stop = Callable[[], None]


def _end_now() -> None:
    raise KeyboardInterrupt


def guarded(work: Callable[[], None]) -> None:
    """Run ``work`` and leave the process by its exit code, 130 where a signal ended it at whatever moment."""
    streams.install()
    interrupted.clear()
    with stopped_by(_end_now):
        code = _code_of(work)
        with suppress(KeyboardInterrupt):
            lost = streams.finish()
            if lost:
                sys.stderr.write(f"error: standard output could not be written: {lost}\n")
                code = code or ExitCode.SOME_FAILED
    _leave(code)


def _code_of(work: Callable[[], None]) -> int:
    try:
        work()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        code = end.code if isinstance(end.code, int) else ExitCode(bool(end.code))
        # Libraries on the way make other codes of an interrupt.
        return ExitCode.INTERRUPTED if code and interrupted.is_set() else code
    except KeyboardInterrupt:
        interrupted.set()
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def _leave(code: int) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(WORKERS):
            thread.join(_MOMENT)
    stuck = any(thread.name.startswith(WORKERS) for thread in threading.enumerate())
    # A reader that hangs cannot be ended, and Python must not wait for it. Inside another program it is left.
    if stuck and streams.are_own():
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _is_ignored_hang_up(number: int) -> bool:
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Have the first signal set `interrupted` and call ``stop``, in the main thread; the second one ends all.

    A hang-up that the caller has ignored (``nohup``) stays ignored.
    """

    def handle(_number: int, _frame: object) -> None:
        if interrupted.is_set():
            os._exit(ExitCode.INTERRUPTED)
        interrupted.set()
        stop()

    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
        heard = [number for number in numbers if not _is_ignored_hang_up(number)]
        before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
