"""A photo and its result, brought to one size, and how much they differ where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorecli.comparison.display import Bytes, Shown
from restorecli.errors import UnsupportedError
from restorecli.imaging.resample import resample_taps

BLOCK = 16  # pixels a side
_BAND = 1 << 22  # samples worked on at once

Map = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A rectangle of the result's pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Pair:
    """A photo and its result.

    Raises:
        UnsupportedError: their sides are not in the same proportion.
    """

    before: Shown
    after: Shown

    def __post_init__(self) -> None:
        across, down = self.after.width / self.before.width, self.after.height / self.before.height
        # Sides are rounded to whole pixels, perhaps several times.
        slack = 2 * max(1.0, across, down)
        if abs(self.before.width * down - self.after.width) > slack:
            sizes = " and ".join(f"{one.width}×{one.height}" for one in (self.before, self.after))
            raise UnsupportedError(f"{sizes} pixels cannot be laid over each other")

    @property
    def scale(self) -> float:
        """The result's width ÷ the photo's."""
        return self.after.width / self.before.width

    @property
    def same_size(self) -> bool:
        """Whether the photo is shown as it is."""
        return self.before.pixels.shape == self.after.pixels.shape

    @property
    def fitted(self) -> str:
        """How the photo is brought to the result's size; empty where it has it."""
        if self.same_size:
            return ""
        factor = f"×{self.scale:.3g}"
        return f"enlarged {factor}, bicubic" if self.scale > 1 else f"reduced {factor}, bicubic"

    def after_in(self, box: Box) -> Bytes:
        """Return the result in ``box``, box.height×box.width×3."""
        return self.after.pixels[box.top : box.top + box.height, box.left : box.left + box.width]

    def before_in(self, box: Box) -> Bytes:
        """Return the photo in ``box``, at the result's size."""
        if self.same_size:
            return self.before.pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        rows = _along(self.before.pixels, 0, self.after.height, box.top, box.height)
        return np.rint(np.clip(_along(rows, 1, self.after.width, box.left, box.width), 0, 255)).astype(
            np.uint8
        )


def _along(pixels: NDArray[Any], axis: int, length: int, start: int, count: int) -> NDArray[np.float32]:
    """Resample an axis to ``length`` samples; return ``count`` from ``start`` (see `imaging.resample`)."""
    own = pixels.shape[axis]
    if own == length:
        return pixels.take(range(start, start + count), axis=axis).astype(np.float32)
    indices, weights = resample_taps(own, length, length / own)
    indices, weights = indices[start : start + count], weights[start : start + count]
    shape = [1, 1, 1]
    shape[axis] = count
    result = np.zeros(
        [count if index == axis else side for index, side in enumerate(pixels.shape)], np.float32
    )
    for tap in range(indices.shape[1]):
        result += pixels.take(indices[:, tap], axis=axis) * weights[:, tap].reshape(shape).astype(np.float32)
    return result


@dataclass(frozen=True, eq=False)
class Difference:
    """What differs, in blocks of `BLOCK` × `BLOCK` pixels of the result (those at the edge may be smaller).

    Attributes:
        change: per block, the sum of the absolute differences in steps of 0–255, mean of R, G and B.
        detail: per block, the sum of the absolute differences between neighbours in the result.
        mean: the mean absolute difference of all samples, in steps of 0–255.
    """

    change: Map
    detail: Map
    mean: float


def differ(pair: Pair) -> Difference:
    """Compare a photo with its result, a band of rows at a time."""
    height, width = pair.after.height, pair.after.width
    blocks = (-(-height // BLOCK), -(-width // BLOCK))
    change, detail = np.zeros(blocks), np.zeros(blocks)
    for band in _bands(height, width):
        after = pair.after_in(band).astype(np.int16)
        before = pair.before_in(band).astype(np.int16)
        rows = slice(band.top // BLOCK, band.top // BLOCK + -(-band.height // BLOCK))
        change[rows] = _summed(np.abs(after - before).mean(axis=2, dtype=np.float32))
        green = after[..., 1]
        steps = np.abs(np.diff(green, axis=1, append=green[:, -1:]))
        steps += np.abs(np.diff(green, axis=0, append=green[-1:]))
        detail[rows] = _summed(steps)
    return Difference(change, detail, float(change.sum()) / (height * width))


def _bands(height: int, width: int) -> Iterator[Box]:
    rows = max(1, _BAND // (3 * width * BLOCK)) * BLOCK
    for top in range(0, height, rows):
        yield Box(top, 0, min(rows, height - top), width)


def _summed(values: NDArray[Any]) -> Map:
    """Add up blocks of rows and columns."""
    by_rows = np.add.reduceat(values, range(0, values.shape[0], BLOCK), axis=0, dtype=np.float64)
    summed: Map = np.add.reduceat(by_rows, range(0, values.shape[1], BLOCK), axis=1)
    return summed
