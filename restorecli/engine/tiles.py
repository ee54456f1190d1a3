"""Where tiles lie: equal, overlapping, inside an image padded to the network's multiple. No torch, no pixels.

All numbers are input pixels. An axis is planned by itself, and a grid is the product of two axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import lcm, sqrt

THINNEST = 64
"""No tile of a plan by cost is thinner, unless the image is: its neighbours' context would be most of it."""
SOFT = 6
"""Pixels that a ramp between neighbours takes at least, where they share so many."""
AS_GOOD = 1.03
"""A plan may cost so much more than the cheapest where it has fewer tiles: attention sees more in each."""


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
    return _equal(length, count, side, step)


def _equal(length: int, count: int, side: int, step: int) -> Axis:
    """Return ``count`` tiles of ``side`` steps of pixels, evenly along ``length`` pixels."""
    units = -(-length // step)
    free = units - side
    # ⌊i·free / (n−1)⌋ moves on by at most ⌈free / (n−1)⌉ ≤ side − shared, so every overlap is kept.
    starts = tuple(index * free // max(1, count - 1) * step for index in range(count))
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


@dataclass(frozen=True)
class Pace:
    """How long a network takes per pixel of a tile, relative to other sizes of tiles.

    Attributes:
        sides: of the square tiles that were measured, ascending.
        times: per pixel, in any unit.
    """

    sides: tuple[int, ...]
    times: tuple[float, ...]

    def at(self, pixels: int) -> float:
        """Return the time per pixel of a tile of ``pixels``, between those that were measured."""
        side = sqrt(pixels)
        if side <= self.sides[0]:
            return self.times[0]
        for index, (below, above) in enumerate(zip(self.sides, self.sides[1:], strict=False)):
            if side <= above:
                part = (side - below) / (above - below)
                return self.times[index] + part * (self.times[index + 1] - self.times[index])
        return self.times[-1]


@lru_cache(maxsize=256)
def plan_cheapest(
    height: int,
    width: int,
    most: int,
    overlap: int,
    pace: Pace,
    multiple: int = 1,
    alignment: int = 1,
    tallest: int = 0,
) -> Grid:
    """Cut an image into the equal tiles that take the least time, by ``pace``, of ``most`` pixels or fewer.

    Among plans that cost nearly the same (`AS_GOOD`), the one with the fewest tiles is taken; the whole image
    is one of them.

    Args:
        height: of the image.
        width: of the image.
        most: pixels a tile may have, by memory and by what was measured.
        overlap: least number of pixels two neighbours share, as for `plan_axis`.
        pace: of the network.
        multiple: as for `plan_axis`.
        alignment: as for `plan_axis`.
        tallest: rows a tile may have; 0 for any number.
    """
    step = lcm(multiple, alignment)
    rows, columns = (tuple(_cuts(length, overlap, step)) for length in (height, width))
    plans = []
    for down, tall in rows:
        if tallest and tall * step > tallest:
            continue
        for across, wide in columns:
            pixels = tall * wide * step**2
            if pixels <= most:
                plans.append((down * across * pixels * pace.at(pixels), down * across, down, tall, wide))
    if not plans:  # less than the smallest tile may be had: as small as it must be
        return plan_grid(height, width, max(step, int(sqrt(most))), overlap, multiple, alignment)
    bound = AS_GOOD * min(plans)[0]
    _, count, down, tall, wide = min(
        (plan for plan in plans if plan[0] <= bound), key=lambda plan: (plan[1], *plan)
    )
    return Grid(_equal(height, down, tall, step), _equal(width, count // down, wide, step))


def _cuts(length: int, overlap: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield numbers of tiles along a side, and their own side in steps, from one tile on."""
    units = -(-length // step)
    shared = -(-overlap // step)
    yield 1, units
    for count in range(2, units + 1):
        side = -(-(units + (count - 1) * shared) // count)
        if side * step < THINNEST or side <= 2 * shared:
            return
        yield count, side


def first_needed(axis: Axis, done: float) -> int:
    """Return the first tile along ``axis`` that gives anything beyond the first ``done`` pixels."""
    return next(index for index, start in enumerate(axis.starts) if start + axis.tile > done)


def ramps(axis: Axis, scale: int = 1) -> tuple[tuple[float, float], ...]:
    """Return (centre, width) of the ramp between each pair of neighbours, in output pixels.

    The ramp lies in the middle of the narrowest overlap and takes a quarter of it, but `SOFT` pixels of a
    narrow one: where neighbours differ, as attention makes them, less shows as a line in skies. What is left
    of an overlap on either side is context: seen by the network, its output not used. A network whose
    receptive field reaches no further than that gives the same picture tiled and whole.
    """
    if len(axis.starts) < 2:
        return ()
    stride = min(b - a for a, b in zip(axis.starts, axis.starts[1:], strict=False))
    overlap = min(axis.overlaps)
    # All ramps of an axis are equally wide and no wider than a stride, so they cannot cross each other.
    width = min(max(overlap / 4, min(overlap, SOFT)), stride) * scale
    ends = (start + axis.tile for start in axis.starts)
    return tuple(
        ((start + end) / 2 * scale, width) for start, end in zip(axis.starts[1:], ends, strict=False)
    )
