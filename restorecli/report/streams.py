"""Standard input, output and error that may be closed, full or of any encoding, without ending a run.

What cannot be written is noted and the run goes on; `finish` says so at the end. Pictures are another matter:
`binary_output` fails where it cannot write.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import Any, BinaryIO, TextIO, cast

_ERRORS = "restorecli"
_NAMES = ("stdin", "stdout", "stderr")


class Steady(io.FileIO):
    """A standard stream whose failures are noted, not raised.

    Attributes:
        failure: the first one; None as long as all went well.
        shut: whether the stream was closed when the process began.
    """

    def __init__(self, descriptor: int, *, shut: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.shut = shut
        self.failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write what can be written, and claim that it was all."""
        try:
            self.write_strictly(data)
        except OSError as error:
            self.failure = self.failure or error
        return len(data)

    def write_strictly(self, data: Any) -> None:
        """Write all of `data`. Raises `OSError`."""
        if self.shut:
            raise OSError(errno.EBADF, "it is closed")
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self.fileno(), left) :]
            except BlockingIOError:  # somebody has made the pipe non-blocking
                select.select([], [self.fileno()], [])


class _Strict(io.RawIOBase):
    """The same stream, for what must not be lost."""

    def __init__(self, stream: Steady) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any, /) -> int:
        """Write all of `data`. Raises `OSError`."""
        self._stream.write_strictly(data)
        return len(data)


def install() -> None:
    """Put steady streams in the places of the process's own; what a caller has put there stays."""
    codecs.register_error(_ERRORS, _unencodable)
    shut = [descriptor for descriptor in range(3) if not _is_open(descriptor)]
    for _ in shut:  # else the next file to be opened would become standard output
        os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole process
    for descriptor in (1, 2):
        name = _NAMES[descriptor]
        current, own = getattr(sys, name), getattr(sys, f"__{name}__")
        if current is None or (current is own and not isinstance(_raw(current), Steady)):
            setattr(sys, name, _steady(descriptor, current, shut=descriptor in shut))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _steady(descriptor: int, current: TextIO | None, *, shut: bool) -> TextIO:
    if current is not None:
        current.flush()
    # Native decoders write to descriptor 2 as well, and are heard there (`photos.overheard`).
    raw = Steady(descriptor if descriptor == 1 else os.dup(descriptor), shut=shut)
    lines = descriptor == 2 or raw.isatty()
    encoding = "utf-8" if current is None else current.encoding
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _ERRORS, line_buffering=lines)


def _raw(stream: TextIO) -> object:
    return getattr(getattr(stream, "buffer", None), "raw", None)


def _unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a file's name as they are; other characters that an encoding lacks as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = [ord(character) for character in error.object[error.start : error.end]]
    if all(0xDC80 <= code <= 0xDCFF for code in codes):
        return bytes(code - 0xDC00 for code in codes), error.end
    escapes = (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in codes)
    return "".join(escapes), error.end


def are_own() -> bool:
    """Whether this process is the command, and no test or program around it that gave it other streams."""
    return isinstance(_raw(sys.stdout), Steady)


def binary_output() -> BinaryIO:
    """Standard output for a picture, which raises `OSError` where it cannot be written."""
    raw = _raw(sys.stdout)
    return cast(BinaryIO, _Strict(raw)) if isinstance(raw, Steady) else sys.stdout.buffer


def finish() -> str:
    """Flush both streams; return why standard output could not take all that was written to it, or ""."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(_raw(stream), Steady):
            stream.flush()
    raw = _raw(sys.stdout)
    if not isinstance(raw, Steady) or raw.failure is None:
        return ""
    return raw.failure.strerror or str(raw.failure)
