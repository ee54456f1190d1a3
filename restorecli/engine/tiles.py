"""Where tiles lie: equal, overlapping, inside an image padded to the network's multiple. No torch, no pixels.

All numbers are input pixels. An axis is planned by itself, and a grid is the product of two axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm


@dataclass(frozen=True)
class Axis:
    """The tiles along one side of an image.

    Attributes:
        length: the image's own side.
        padded: the side rounded up to the multiple; tiles cover 0 … padded exactly.
        tile: side of every tile.
        starts: where each tile starts, ascending; the first is 0, the last ends at ``padded``.
    """

    length: int
    padded: int
    tile: int
    starts: tuple[int, ...]

    @property
    def overlaps(self) -> tuple[int, ...]:
        """Pixels shared by each pair of neighbours."""
        return tuple(a + self.tile - b for a, b in zip(self.starts, self.starts[1:], strict=False))


@dataclass(frozen=True)
class Box:
    """One tile: its place in the two axes and its first row and column."""

    row: int
    column: int
    top: int
    left: int


@dataclass(frozen=True)
class Grid:
    """The tiles of an image, row by row."""

    rows: Axis
    columns: Axis

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of every tile."""
        return self.rows.tile, self.columns.tile

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.rows.starts) * len(self.columns.starts)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The tiles in the order they are worked on."""
        return tuple(
            Box(row, column, top, left)
            for row, top in enumerate(self.rows.starts)
            for column, left in enumerate(self.columns.starts)
        )


def plan_axis(
    length: int, tile: int, overlap: int, multiple: int = 1, alignment: int = 1, rounding: int = 1
) -> Axis:
    """Cut one side into as few equal tiles as keep to ``tile`` and ``overlap``.

    Args:
        length: pixels of the side, 1 or more.
        tile: largest side of a tile (rounded down to a multiple, at least one); 0 for one tile over all.
        overlap: least number of pixels two neighbours share. It is lowered only where it would leave a
            tile nothing of its own.
        multiple: the network's side multiple: tile sides and starts are multiples of it, so that windows lie
            as in the whole image.
        alignment: starts are multiples of it too.
        rounding: sides are rounded up to multiples of it, as far as ``tile`` allows, so that images of many
            sizes need few; a tile over all of a smaller image then reaches beyond it.

    Returns:
        The tiles; with n of them, the side is ⌈(length + (n − 1)·overlap) / n⌉ rounded up to the step and to
        ``rounding``, so none is thinner than the others.
    """
    step = lcm(multiple, alignment)
    units = -(-length // step)
    largest = max(1, tile // step) if tile else units
    coarse = lcm(step, rounding) // step if tile else 1
    if units <= largest:
        side = _rounded_up(units, coarse, largest)
        return Axis(length, side * step, side * step, (0,))
    shared = min(-(-overlap // step), largest - 1)
    count = -(-(units - shared) // (largest - shared))
    side = _rounded_up(-(-(units + (count - 1) * shared) // count), coarse, largest)
    free = units - side
    # ⌊i·free / (n−1)⌋ moves on by at most ⌈free / (n−1)⌉ ≤ side − shared, so every overlap is kept.
    starts = tuple(index * free // (count - 1) * step for index in range(count))
    return Axis(length, units * step, side * step, starts)


def _rounded_up(side: int, coarse: int, largest: int) -> int:
    """Return ``side`` rounded up to a multiple of ``coarse``, or itself where that is beyond ``largest``."""
    rounded = -(-side // coarse) * coarse
    return rounded if rounded <= largest else side


def plan_grid(
    height: int,
    width: int,
    tile: int,
    overlap: int,
    multiple: int = 1,
    alignment: int = 1,
    rounding: int = 1,
) -> Grid:
    """Cut an image of ``height``×``width`` into equal tiles; see `plan_axis`."""
    return Grid(
        plan_axis(height, tile, overlap, multiple, alignment, rounding),
        plan_axis(width, tile, overlap, multiple, alignment, rounding),
    )


def ramps(axis: Axis, scale: int = 1) -> tuple[tuple[float, float], ...]:
    """Return (centre, width) of the ramp between each pair of neighbours, in output pixels.

    The ramp lies in the middle quarter of the narrowest overlap. What is left of an overlap on either side,
    three eighths of it, is context: seen by the network, its output not used. A network whose
    receptive field reaches no further than that gives the same picture tiled and whole.
    """
    if len(axis.starts) < 2:
        return ()
    stride = min(b - a for a, b in zip(axis.starts, axis.starts[1:], strict=False))
    # All ramps of an axis are equally wide and no wider than a stride, so they cannot cross each other.
    width = min(min(axis.overlaps) / 4, stride) * scale
    ends = (start + axis.tile for start in axis.starts)
    return tuple(
        ((start + end) / 2 * scale, width) for start, end in zip(axis.starts[1:], ends, strict=False)
    )
