"""Names of files that are being written, and what becomes of those that a dead process has left.

A name tells the process, and the machine (or container) that its number counts on: other nodes of a cluster
may write into the same folder.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

PREFIX = ".restore-"
SUFFIX = ".part"
STRIPS, PROGRESS = ".restore-strips", ".restore-progress"
"""What the names of the files end in that hold a large result while it is made, see `giants.spool`."""
CLAIMS = ".claims"
"""What the names of files end in that say what a run is about to make, see `cluster.claims`."""
_NAME = re.compile(r"\.restore-(\d+)(?:-([0-9a-f]{8}))?-[^-]*\.(?:part|claims)")
_FOREIGN_AGE = 7 * 86400.0  # seconds after which a file of another machine is nobody's any more
_CLOCKS = 2.0  # seconds by which a process may seem to have begun after its own file


@functools.cache
def machine() -> str:
    """Eight hexadecimal digits for the machine and the numbering of processes on it."""
    space = ""
    with contextlib.suppress(OSError, AttributeError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=4).hexdigest()


def beside(target: Path) -> Path:
    """A new name for what is to become ``target``, in the same folder."""
    return target.parent / f"{PREFIX}{os.getpid()}-{machine()}-{secrets.token_hex(6)}{SUFFIX}"


def remove_leftovers(folders: Iterable[Path]) -> list[Path]:
    """Delete what dead processes have left in ``folders``; return what was deleted."""
    removed = []
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if entry.is_file(follow_symlinks=False) and _is_left_over(entry):
                    with contextlib.suppress(OSError):
                        Path(entry.path).unlink()
                        removed.append(Path(entry.path))
    return removed


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    match = _NAME.fullmatch(entry.name)
    if match is not None:
        return _is_dead(int(match[1]), match[2], entry.stat(follow_symlinks=False).st_mtime)
    for suffix in (STRIPS, PROGRESS):
        # Of a result that came after them: its run ended before it removed them.
        if entry.name.endswith(suffix):
            with contextlib.suppress(OSError):
                result = Path(entry.path.removesuffix(suffix)).stat()
                return result.st_ctime_ns > entry.stat(follow_symlinks=False).st_mtime_ns
    return False


def _is_dead(process: int, host: str | None, changed: float) -> bool:
    """Whether nobody writes to a file any more that was last changed at ``changed``."""
    if host not in (None, machine()):
        return time.time() - changed > _FOREIGN_AGE
    try:
        # A number that was reused belongs to a process younger than the file.
        return process != os.getpid() and psutil.Process(process).create_time() > changed + _CLOCKS
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OverflowError, ValueError):
        return False
