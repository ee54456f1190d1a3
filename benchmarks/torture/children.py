"""Work in processes of its own, forked from this one where everything is imported already."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import restorecli.cli.app
import restorecli.pipeline.threads  # noqa: F401 - here, or each child would

TOO_LONG = 120.0  # seconds; nothing here takes a tenth of it


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; minus the signal's number where one killed it.
        hung: whether it had to be killed for taking too long.
        peak: its largest resident size in bytes.
        seconds: that it ran.
    """

    code: int
    hung: bool
    peak: int
    seconds: float


class Child:
    """A forked process that runs ``work`` and ends with its exit code."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.began = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run(work)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = TOO_LONG) -> Ended:
        """Wait for its end; kill it after ``seconds``."""
        hung = False
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return Ended(code, hung, used.ru_maxrss * 1024, time.monotonic() - self.began)
            if time.monotonic() - self.began > seconds:
                hung = True
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.005)


def _run(work: Callable[[], object]) -> None:
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        torch.set_num_threads(1)  # threads of the parent do not exist here
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - the child's end, whatever it is
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)


def told(beside: Path, work: Callable[[], str], seconds: float) -> tuple[str, Ended]:
    """Return what ``work`` gives back in a child, "" where it does not come to that, and how the child ended.

    For so long it stands in a file beside ``beside``. The child may take ``seconds``.
    """
    file = beside.with_suffix(".told")
    ended = Child(lambda: file.write_text(work())).wait(seconds)
    text = file.read_text() if file.exists() else ""
    file.unlink(missing_ok=True)
    return text, ended


def command(
    arguments: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    streams: Mapping[int, Path | None] | None = None,
    folder: Path | None = None,
    before: Callable[[], object] = lambda: None,
) -> Child:
    """Run ``restore ARGUMENTS…`` in a child.

    Args:
        arguments: of the command.
        environment: added to this process's.
        streams: descriptor → file to write to (or read from, for 0), None to have it closed; what is not
            named goes to the null device.
        folder: to run in.
        before: called in the child first.
    """

    def work() -> None:
        os.environ.update(environment or {})
        if folder is not None:
            os.chdir(folder)
        _redirect(streams or {})
        sys.argv = ["restore", *map(str, arguments)]
        before()
        from restorecli.__main__ import main

        main()

    return Child(work)


def _redirect(streams: Mapping[int, Path | None]) -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        path = streams.get(number, Path(os.devnull))
        if path is None:
            os.close(number)
            own = None
        else:
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            opened = os.open(path, flags, 0o666)
            os.dup2(opened, number)
            os.close(opened)
            own = open(number, "r" if number == 0 else "w", closefd=False)  # noqa: SIM115
        setattr(sys, name, own)
        setattr(sys, f"__{name}__", own)
