"""What decoders would print on standard error, heard by the tool and told as a photo's warnings.

imagecodecs logs what libpng says, Pillow warns as Python modules do: both are heard by thread. LibRaw (in
rawpy) writes to descriptor 2 itself, which leads to a temporary file while it works; Python's own messages go
another way (`report.streams`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for another LibRaw to end; one that hangs must not stop the others."""

_PREFIX = re.compile(r"(?:lib)?PNG (?:warning|error): ", re.IGNORECASE)
_OF_LIBRAW = re.compile(rb"unknown file: (.*)")

_thread = threading.local()
_descriptor = threading.Lock()


def heard(decode: Callable[[], T], *, libraw: bool = False) -> tuple[T, tuple[str, ...]]:
    """Return what ``decode`` returns, and what libraries said of the file meanwhile, each sentence once.

    Safe to call from several threads; with ``libraw`` one after another.
    """
    said: list[str] = []
    before, _thread.said = getattr(_thread, "said", None), said
    try:
        with _diverted(said) if libraw else contextlib.nullcontext():
            result = decode()
    finally:
        _thread.said = before
    return result, tuple(dict.fromkeys(said))


def _say(library: str, text: str) -> bool:
    """Note a sentence for the file that this thread decodes; False where it decodes none."""
    said: list[str] | None = getattr(_thread, "said", None)
    if said is None:
        return False
    said.append(f"{library} says of the file: {text.strip()}")
    return True


class _Log(logging.Handler):
    """Takes what imagecodecs logs."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        _say("libpng" if _PREFIX.match(text) else "imagecodecs", _PREFIX.sub("", text))


_shown_before = warnings.showwarning


def show_warning(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
    """Take Python's warnings about the file that this thread decodes; others are shown as before."""
    if not (issubclass(category, UserWarning) and _say("Pillow", str(message))):
        _shown_before(message, category, *more, **named)


logging.getLogger("imagecodecs").addHandler(_Log())
warnings.showwarning = show_warning
# For every file anew, unless the process has filters of its own.
warnings.filterwarnings("always", category=UserWarning, module=r"PIL\.", append=True)


@contextlib.contextmanager
def _diverted(said: list[str]) -> Iterator[None]:
    """Lead descriptor 2 to a file; what is no complaint of LibRaw's is passed on in the end."""
    if not _descriptor.acquire(timeout=PATIENCE):
        yield
        return
    try:
        with contextlib.ExitStack() as opened:
            with contextlib.suppress(OSError):  # it is closed, or no file can be made
                original = os.dup(2)  # not before: it may have led to another's file
                opened.callback(os.close, original)
                file = opened.enter_context(tempfile.TemporaryFile(buffering=0))
                opened.callback(_give_back, original, file, said)
                os.dup2(file.fileno(), 2)
            yield
    finally:
        _descriptor.release()


def _give_back(original: int, file: IO[bytes], said: list[str]) -> None:
    os.dup2(original, 2)
    file.seek(0)
    _sort(file.read().splitlines(keepends=True), said)


def _sort(lines: Sequence[bytes], said: list[str]) -> None:
    for line in lines:
        complaint = _OF_LIBRAW.match(line)
        if complaint:
            said.append(f"LibRaw says of the file: {complaint[1].decode(errors='replace')}")
        else:
            with contextlib.suppress(OSError):
                os.write(2, line)
