"""Run the tool: as ``restore``, or as ``python -m restorecli``."""

import os
import signal
from types import FrameType

_INTERRUPTED = 130


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def _listen() -> None:
    """Before anything is imported that takes time: until the command begins, a signal has nothing to undo."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
            signal.signal(number, _end_at_once)


def main() -> None:
    """Run the command line, guarded from the first moment on."""
    from restorecli.cli.process import guarded

    guarded(_command)


def _command() -> None:
    from restorecli.cli.app import run  # takes a while

    run()


_listen()

if __name__ == "__main__":
    main()
