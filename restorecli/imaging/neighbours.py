"""Samples of the same colour around every sample of a mosaic, whatever its pattern."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import cfa
from restorecli.photo import FloatArray

REACH = 2  # pixels
LEAST = 8  # pixels: a mosaic this large has whole periods to go inwards at every border
Site = tuple[slice, slice]


def offsets(pattern: str, row: int, column: int) -> list[tuple[int, int]]:
    """Return where, within `REACH` pixels of a place of the pattern, its colour stands again."""
    side = cfa.period(pattern)
    own = pattern[side * row + column]
    around = range(-REACH, REACH + 1)
    return [
        (y, x)
        for y in around
        for x in around
        if (y, x) != (0, 0) and pattern[side * ((row + y) % side) + (column + x) % side] == own
    ]


def by_site(mosaic: FloatArray, pattern: str) -> Iterator[tuple[Site, int, FloatArray, list[FloatArray]]]:
    """Yield, for every place of the pattern, its pixels as slices, its channel, its samples, its neighbours.

    Neighbours are arrays of the samples' own shape, one per offset. Beyond the border stand samples from
    whole periods further in.

    Args:
        mosaic: H×W, at least `LEAST` pixels in each direction.
        pattern: of the mosaic.
    """
    side = cfa.period(pattern)
    further = side * -(-(REACH + 1) // side)
    index = [np.arange(-REACH, length + REACH) for length in mosaic.shape]
    for places, length in zip(index, mosaic.shape, strict=True):
        places[:REACH] += further
        places[length + REACH :] -= further
    around = mosaic[np.ix_(*index)]
    for row, column, channel in cfa.sites(pattern):
        site = (slice(row, None, side), slice(column, None, side))
        own = mosaic[site]
        views = [
            around[REACH + row + y :: side, REACH + column + x :: side][: own.shape[0], : own.shape[1]]
            for y, x in offsets(pattern, row, column)
        ]
        yield site, channel, own, views


def ranked(views: list[NDArray[np.float32]]) -> tuple[FloatArray, FloatArray]:
    """Return the second smallest and the second largest of several arrays, element by element."""
    least = most = views[0]
    second_least = np.full_like(least, np.inf)
    second_most = np.full_like(most, -np.inf)
    for view in views[1:]:
        second_least = np.minimum(second_least, np.maximum(least, view))
        least = np.minimum(least, view)
        second_most = np.maximum(second_most, np.minimum(most, view))
        most = np.maximum(most, view)
    return second_least, second_most
