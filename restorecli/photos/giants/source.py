"""What gives a file's rows a block at a time, and why some files cannot."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import numpy as np

from restorecli.errors import UnreadableError
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples

LEAST_ROWS = 64  # of a block, where the file's own strips or tiles are lower
LEAST_BYTES = 1 << 20  # of a block: fewer rows of a wide picture have them
MOST_BYTES = 256 << 20  # of a block; a file whose blocks are larger gains nothing


def rows_at_once(row_bytes: int) -> int:
    """Return the rows of a block where the file leaves the choice."""
    return max(1, min(LEAST_ROWS, LEAST_BYTES // row_bytes))


class HeldWhole(Exception):  # noqa: N818 - no error: the file is read as usual
    """The file cannot be read a few rows at a time; says why."""


class Source(ABC):
    """A picture in a file.

    Attributes:
        kind: of the file, as messages call it.
        name: of the file, as messages call it.
        height: rows, as stored.
        width: columns.
        step: rows of a block.
    """

    kind: str
    name: str
    height: int
    width: int
    step: int

    def block(self, index: int) -> Samples:
        """Return block ``index`` as stored, rows×W×C: rows from ``index · step`` on, fewer in the last.

        Raises:
            UnreadableError: it is damaged.
        """
        return self.blocks(range(index, index + 1))[0]

    def blocks(self, indices: range) -> list[Samples]:
        """Return blocks that follow each other, as `block` does."""
        try:
            return self._blocks(indices)
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{self.name}: damaged {self.kind}: {error}") from error

    @abstractmethod
    def _blocks(self, indices: range) -> list[Samples]: ...

    @abstractmethod
    def raster(self, samples: Samples) -> Raster:
        """Return a part of the picture, in the file's own samples, as what it means."""

    @abstractmethod
    def header(self, samples: Samples) -> Raster:
        """Return the same with all that the file says beside its pixels."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


class Window:
    """The rows of a picture that are needed now, in the file's samples; several threads may read.

    Args:
        source: where blocks come from.
        bottom_up: the picture's last row comes first.
    """

    def __init__(self, source: Source, *, bottom_up: bool = False) -> None:
        self._source = source
        self._bottom_up = bottom_up
        self._blocks: dict[int, Samples] = {}
        self._lock = threading.Lock()

    def take(self, top: int, bottom: int, left: int, right: int) -> Samples:
        """Return rows ``top`` … ``bottom`` − 1 of columns ``left`` … ``right`` − 1."""
        first, end = top, bottom
        if self._bottom_up:
            first, end = self._source.height - bottom, self._source.height - top
        step = self._source.step
        parts = []
        with self._lock:
            needed = range(first // step, -(-end // step))
            missing = [index for index in needed if index not in self._blocks]
            if missing:
                loaded = range(missing[0], missing[-1] + 1)
                self._blocks |= zip(loaded, self._source.blocks(loaded), strict=True)
            for index in needed:
                start = index * step
                parts.append(self._blocks[index][max(0, first - start) : end - start, left:right])
        samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return samples[::-1] if self._bottom_up else samples

    def release(self, row: int) -> None:
        """Let go of the rows above ``row``, which are not needed any more."""
        step, height = self._source.step, self._source.height
        with self._lock:
            for index in list(self._blocks):
                gone = index * step >= height - row if self._bottom_up else (index + 1) * step <= row
                if gone:
                    del self._blocks[index]
