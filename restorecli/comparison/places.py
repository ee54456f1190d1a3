"""Where a result is worth a look at full size: where it changed most, and where it has the finest detail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorecli.comparison.difference import BLOCK, Box, Difference, Map

WHY = ("most changed", "finest detail", "much changed", "fine detail")
MOST = len(WHY)
_SHARED = 0.25  # of a place's area, that an earlier one may have too


@dataclass(frozen=True)
class Place:
    """A part of a result, and why it is shown."""

    box: Box
    why: str


def choose(difference: Difference, height: int, width: int, side: int, count: int) -> list[Place]:
    """Return up to ``count`` squares of about ``side`` pixels that overlap little, or the whole picture.

    Args:
        difference: of the result.
        height: of the result.
        width: of the result.
        side: of a square; what is larger than the picture is cut to it.
        count: at most `MOST`.
    """
    tall, wide = min(side, height), min(side, width)
    if (tall, wide) == (height, width):
        return [Place(Box(0, 0, height, width), "the whole photo")]
    taken: list[Box] = []
    places = []
    for number in range(min(count, MOST)):
        values = difference.detail if number % 2 else difference.change
        box = _best(values, (height, width), (tall, wide), taken)
        if box is None:
            break
        taken.append(box)
        places.append(Place(box, WHY[number]))
    return places


def _best(values: Map, whole: tuple[int, int], size: tuple[int, int], taken: list[Box]) -> Box | None:
    """Return the box of ``size`` with the largest sum of blocks; None where all overlap what is taken."""
    rows, columns = (min(-(-side // BLOCK), count) for side, count in zip(size, values.shape, strict=True))
    table = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums = (
        table[rows:, columns:] - table[:-rows, columns:] - table[rows:, :-columns] + table[:-rows, :-columns]
    )
    tops = np.minimum(np.arange(sums.shape[0]) * BLOCK, whole[0] - size[0])
    lefts = np.minimum(np.arange(sums.shape[1]) * BLOCK, whole[1] - size[1])
    for box in taken:
        down = _overlap(tops, size[0], box.top, box.height)
        across = _overlap(lefts, size[1], box.left, box.width)
        sums = np.where(down[:, None] * across > _SHARED * size[0] * size[1], -1.0, sums)
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    if sums[row, column] < 0:
        return None
    return Box(int(tops[row]), int(lefts[column]), *size)


def _overlap(starts: np.ndarray[tuple[int], np.dtype[np.int64]], side: int, start: int, length: int) -> Map:
    shared = np.minimum(starts + side, start + length) - np.maximum(starts, start)
    overlap: Map = np.maximum(shared, 0).astype(np.float64)
    return overlap
