"""A large result on its way to its file: encoded strips in a file beside it, which outlives a killed run.

Two files are named after the result: NAME.restore-strips holds the strips as they will stand in the result,
one behind the other; NAME.restore-progress says in lines of JSON for which run they are, and how many are
whole. A strip counts once its line is there, which is written after the strip has reached the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restorecli.errors import WriteError
from restorecli.photo import Depth, Photo
from restorecli.photos import temporary
from restorecli.photos.formats.packing import png_write, tiff_write
from restorecli.photos.formats.page import SAMPLE_TYPES, quantized
from restorecli.photos.giants.owned import own
from restorecli.photos.raster import Samples
from restorecli.photos.rounding import Rounding
from restorecli.photos.temporary import PROGRESS, STRIPS

STREAMED = ("tiff", "png")
"""Formats that can be written strip by strip."""
_MULTIPLE = 24
"""Rows of a strip are a multiple of it, so that a strip is whole rows of the photo at any scale."""
_STRIP_BYTES = 1 << 20


@dataclass(frozen=True)
class Shape:
    """What the strips of a result are.

    Attributes:
        format: "tiff" or "png".
        depth: 8 or 16 bits.
        height: rows.
        width: columns.
        channels: 1 or 3.
        big_endian: whether samples of 16 bits begin with the greater byte.
    """

    format: str
    depth: Depth
    height: int
    width: int
    channels: int
    big_endian: bool = False

    @property
    def rows(self) -> int:
        """Rows of a strip."""
        row = self.width * self.channels * (1 if self.depth is Depth.UINT8 else 2)
        return max(1, _STRIP_BYTES // row // _MULTIPLE) * _MULTIPLE


class Spool:
    """The strips of one result.

    Where another process makes the same result, the files have names of this one's own, and do not outlive
    it.

    Args:
        target: the result's file.
        shape: of the result.
        run: everything that the result depends on; strips of another run are dropped.

    Raises:
        WriteError: the folder or the disk refuses.
    """

    def __init__(self, target: Path, shape: Shape, run: Mapping[str, str]) -> None:
        self.shape = shape
        self._target = target
        described = json.dumps([repr(shape), sorted(run.items())])
        head = {"restore": 1, "run": hashlib.blake2b(described.encode(), digest_size=16).hexdigest()}
        with self._failures_named():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._strips, self._progress, self._lines = _opened(target)
            self._packed = self._strips.open("a+b")  # kept open: who deletes the name takes nothing away
            self._found = self._left(f"{json.dumps(head)}\n".encode())
            self._packed.truncate(sum(length for length, _ in self._found))
        self.done_rows = min(shape.height, len(self._found) * shape.rows)
        self._rest: Samples | None = None

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            text = f"{self._target}: cannot be written: {error.strerror or error}"
            raise WriteError(text, "the same command goes on with it where it was") from error

    @property
    def rows(self) -> int:
        """Rows of a strip."""
        return self.shape.rows

    @property
    def big_endian(self) -> bool:
        """Whether samples of 16 bits begin with the greater byte."""
        return self.shape.big_endian

    @property
    def check(self) -> int:
        """Adler-32 of what all strips of a PNG inflate to."""
        return self._found[-1][1] if self._found else 1

    def _left(self, head: bytes) -> list[tuple[int, int]]:
        """Return length, and check sum up to there, of the strips that such a run has left whole.

        The file of progress holds no more than them afterwards.
        """
        found: list[tuple[int, int]] = []
        held = self._packed.seek(0, os.SEEK_END)
        good = 0
        rows = self._lines.read().splitlines(keepends=True)
        if rows and rows[0] == head:
            good = len(head)
            for row in rows[1:]:
                strip = _said(row)
                if strip is None or strip[0] > held:
                    break
                found.append(strip)
                held -= strip[0]
                good += len(row)
        self._lines.truncate(good)
        if not good:
            self._lines.write(head)
            self._lines.flush()
        return found

    def add(self, samples: Samples) -> None:
        """Take the next rows, rows×W×C; whole strips of them are encoded and kept.

        Raises:
            WriteError: the disk refuses.
        """
        rows = samples if self._rest is None else np.concatenate([self._rest, samples])
        last = self.done_rows + len(rows) >= self.shape.height
        step, at = self.shape.rows, 0
        while len(rows) - at >= step or (last and at < len(rows)):
            self._keep(rows[at : at + step])
            at += step
        self._rest = rows[at:].copy() if at < len(rows) else None

    def _keep(self, samples: Samples) -> None:
        check = self.check
        if self.shape.format == "png":
            filtered, encoded = png_write.strip(samples)
            check = zlib.adler32(filtered.data, check)
        else:
            encoded = tiff_write.strip(samples, big_endian=self.shape.big_endian)
        with self._failures_named():
            self._packed.write(encoded)
            self._packed.flush()
            os.fsync(self._packed.fileno())
            self._lines.write(json.dumps({"bytes": len(encoded), "check": check}).encode() + b"\n")
            self._lines.flush()
        self._found.append((len(encoded), check))
        self.done_rows = min(self.shape.height, self.done_rows + self.shape.rows)

    def strips(self) -> Iterator[bytes]:
        """Yield the strips, one at a time."""
        at = 0
        for length, _ in self._found:
            self._packed.seek(at)
            yield self._packed.read(length)
            at += length

    def close(self) -> None:
        """Let go of the files: another run may go on with them."""
        if self._progress.name.endswith(PROGRESS):
            _close(self._packed, self._lines)
        else:
            self.remove()

    def remove(self) -> None:
        """Delete both files."""
        _close(self._packed)
        for path in (self._strips, self._progress):  # the latter last: who has it has both
            with contextlib.suppress(OSError):
                path.unlink()
        _close(self._lines)


def _close(*streams: BinaryIO) -> None:
    for stream in streams:
        with contextlib.suppress(OSError):  # of what a full disk did not take, which has been told
            stream.close()


def _opened(target: Path) -> tuple[Path, Path, BinaryIO]:
    """Return the places of a result's strips and progress, and the latter opened, which is this process's."""
    progress = target.with_name(target.name + PROGRESS)
    lines = own(progress)
    if lines is not None:
        return target.with_name(target.name + STRIPS), progress, lines
    progress = temporary.beside(target)
    return temporary.beside(target), progress, progress.open("a+b")


def _said(row: bytes) -> tuple[int, int] | None:
    """Return what a line of progress says; None for one that was cut short."""
    try:
        line = json.loads(row)
        return (int(line["bytes"]), int(line["check"])) if row.endswith(b"\n") else None
    except (ValueError, LookupError, TypeError):
        return None


class SpoolRounding(Rounding):
    """Rounds a large result for its file, and hands it to a spool.

    Args:
        spool: gets the rows.
    """

    def __init__(self, spool: Spool) -> None:
        shape = spool.shape
        none = np.zeros(1, SAMPLE_TYPES[shape.depth])
        whole = np.broadcast_to(none, (shape.height, shape.width, shape.channels))
        super().__init__(shape.format, shape.depth, whole)
        self._spool = spool
        self.done_rows = spool.done_rows

    def put_samples(self, top: int, samples: Samples) -> None:
        """Take a band, rows×W×C, that is rounded already."""
        self._spool.add(samples.view(self._samples.dtype))

    def put(self, top: int, rows: Photo) -> None:
        """Round a band of the picture."""
        self._spool.add(quantized(self._coloured(rows).pixels, self._rounded.depth))

    def give_up(self) -> None:
        """Let go of the strips, for a later run to go on with."""
        self._spool.close()

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """The whole picture's shape, with the metadata of ``like``; its samples are in the spool."""
        made = super().photo(like, warnings)
        assert made.rounded is not None
        return replace(made, parts=None, rounded=replace(made.rounded, spooled=self._spool))
