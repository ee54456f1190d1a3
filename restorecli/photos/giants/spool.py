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

import numpy as np

from restorecli.photo import Depth, Photo
from restorecli.photos.formats import png_write, tiff_write
from restorecli.photos.formats.page import SAMPLE_TYPES, quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import colours
from restorecli.photos.raster import Samples
from restorecli.photos.rounding import Rounding

STRIPS, PROGRESS = ".restore-strips", ".restore-progress"
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

    Args:
        target: the result's file.
        shape: of the result.
        run: everything that the result depends on; strips of another run are dropped.
    """

    def __init__(self, target: Path, shape: Shape, run: Mapping[str, str]) -> None:
        self.shape = shape
        self._strips = target.with_name(target.name + STRIPS)
        self._progress = target.with_name(target.name + PROGRESS)
        described = json.dumps([repr(shape), sorted(run.items())])
        self._head = {"restore": 1, "run": hashlib.blake2b(described.encode(), digest_size=16).hexdigest()}
        target.parent.mkdir(parents=True, exist_ok=True)
        found = self._found()
        self.done_rows = min(shape.height, len(found) * shape.rows)
        self._check = found[-1][1] if found else 1
        with self._strips.open("ab") as stream:
            stream.truncate(sum(length for length, _ in found))
        lines = [self._head, *({"bytes": length, "check": check} for length, check in found)]
        self._progress.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        self._rest: Samples | None = None

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
        return self._check

    def _found(self) -> list[tuple[int, int]]:
        """Return length, and check sum up to there, of the strips that such a run has left whole."""
        try:
            lines = self._progress.read_text(encoding="utf-8").split("\n")
            if json.loads(lines[0]) != self._head:
                return []
            # What follows the last line break is a line that was cut short.
            read = (json.loads(line) for line in lines[1:-1])
            found = [(int(line["bytes"]), int(line["check"])) for line in read]
            size = self._strips.stat().st_size
        except (OSError, ValueError, LookupError, TypeError):
            return []
        while sum(length for length, _ in found) > size:
            found.pop()
        return found

    def add(self, samples: Samples) -> None:
        """Take the next rows, rows×W×C; whole strips of them are encoded and kept."""
        rows = samples if self._rest is None else np.concatenate([self._rest, samples])
        last = self.done_rows + len(rows) >= self.shape.height
        step, at = self.shape.rows, 0
        while len(rows) - at >= step or (last and at < len(rows)):
            self._keep(rows[at : at + step])
            at += step
        self._rest = rows[at:].copy() if at < len(rows) else None

    def _keep(self, samples: Samples) -> None:
        if self.shape.format == "png":
            filtered, encoded = png_write.strip(samples)
            self._check = zlib.adler32(filtered.data, self._check)
        else:
            encoded = tiff_write.strip(samples, big_endian=self.shape.big_endian)
        with self._strips.open("ab") as stream:
            stream.write(encoded)
            stream.flush()
            os.fsync(stream.fileno())
        with self._progress.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"bytes": len(encoded), "check": self._check}) + "\n")
        self.done_rows = min(self.shape.height, self.done_rows + self.shape.rows)

    def strips(self) -> Iterator[bytes]:
        """Yield the strips, one at a time."""
        with self._strips.open("rb") as stream:
            for length, _ in self._found():
                yield stream.read(length)

    def remove(self) -> None:
        """Delete both files."""
        for path in (self._progress, self._strips):
            with contextlib.suppress(OSError):
                path.unlink()


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
        name, depth = self._rounded.format, self._rounded.depth
        coloured = colours.from_working(rows, FORMATS[name].metadata, depth)
        self._note(coloured)
        self._spool.add(quantized(coloured.pixels, depth))

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """The whole picture's shape, with the metadata of ``like``; its samples are in the spool."""
        made = super().photo(like, warnings)
        assert made.rounded is not None
        return replace(made, parts=None, rounded=replace(made.rounded, spooled=self._spool))
