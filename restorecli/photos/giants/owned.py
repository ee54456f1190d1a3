"""A file that one process writes to at a time, however often the same command runs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO


def own(path: Path) -> BinaryIO | None:
    """Open a file to read and append, made if it is missing, and keep other processes from doing so.

    Returns:
        The file at its beginning, which lets go when it is closed; None where another process, or this one,
        has it.

    Raises:
        OSError: the folder or the disk refuses.
    """
    while True:
        stream = path.open("a+b")
        try:
            if not _held(stream.fileno()):
                stream.close()
                return None
            here = os.fstat(stream.fileno())
            with contextlib.suppress(FileNotFoundError):
                named = path.stat()
                if (named.st_dev, named.st_ino) == (here.st_dev, here.st_ino):
                    stream.seek(0)
                    return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # who had it has deleted it meanwhile


def _held(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has none
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems lock nothing
        return True
    return True
