"""Small patches of one channel, those that show noise: spread over the picture, none cut off, none hidden.

What was added flat, or was cut off, holds no noise to measure: letterbox bars, frames, footers, cut-outs,
blacks and highlights clipped at any level. Such a patch has a block of one value in it, or many samples that
share its least or largest value, whatever that value is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import FloatArray

SIZE = 8
FEWEST = 64
"""Patches below which nothing is said of a channel."""
_MOST = 40_000
_FLAT = ((2, SIZE), (SIZE, 2), (4, 4))  # blocks of one value: in noise of sigma 0.7 one patch in a thousand
_EQUAL_SHARES = (0.1, 0.2, 0.35)  # of a patch's samples may have one extreme value: the least that will do
_USABLE = 0.1  # of the patches must be as little cut off as that

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Patches:
    """Patches of one channel.

    Attributes:
        samples: N×64 float32, row by row; none where the channel is too small or flat all over.
        too_small: the picture has too few places for patches.
    """

    samples: FloatArray
    too_small: bool = False


def noisy_patches(plane: FloatArray, hidden: Mask | None = None) -> Patches:
    """Return patches of ``plane`` that would show its noise.

    Args:
        plane: H×W float32.
        hidden: H×W, pixels that do not count, such as those under full transparency.

    Returns:
        The patches, the same whichever way the plane is flipped, up to their order.
    """
    rows, columns = (side - SIZE + 1 for side in plane.shape)
    if rows < 1 or columns < 1 or rows * columns < FEWEST:
        return Patches(np.empty((0, SIZE**2), np.float32), too_small=True)
    thinning = min(1.0, (_MOST / (rows * columns)) ** 0.5)
    tops, lefts = _spread(rows, thinning), _spread(columns, thinning)
    samples = _gathered(plane, tops, lefts)
    if hidden is not None:
        samples = samples[:, ~_gathered(hidden, tops, lefts).any(axis=0)]
    samples = samples[:, ~_any_flat(samples)]
    share = _share_of_extremes(samples)
    enough = max(FEWEST, _USABLE * len(share))
    limits = (limit for limit in _EQUAL_SHARES if np.count_nonzero(share <= limit) >= enough)
    usable = share <= next(limits, _EQUAL_SHARES[-1])
    return Patches(np.ascontiguousarray(samples[:, usable].T))


def halved(plane: FloatArray) -> FloatArray:
    """Return the means of 2×2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape[:2])
    blocks = plane[:height, :width].reshape(height // 2, 2, width // 2, 2, *plane.shape[2:])
    means: FloatArray = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _gathered(plane: NDArray[Any], tops: Places, lefts: Places) -> NDArray[Any]:
    """Return the samples of the patches at ``tops`` and ``lefts``, 64×N: whole rows are quick to compare."""
    samples = np.empty((SIZE, SIZE, len(tops), len(lefts)), plane.dtype)
    for y in range(SIZE):
        lines = plane[tops + y]
        for x in range(SIZE):
            np.take(lines, lefts + x, axis=1, out=samples[y, x])
    return samples.reshape(SIZE**2, -1)


def _any_flat(samples: FloatArray) -> Mask:
    """Return which patches, 64×N, have a block of one value."""
    squares = samples.reshape(SIZE, SIZE, -1)
    beside = squares[:, 1:] == squares[:, :-1]
    below = squares[1:] == squares[:-1]
    found = np.zeros(samples.shape[1], bool)
    for height, width in _FLAT:
        lines = _all_along(beside.swapaxes(0, 1), width - 1).swapaxes(0, 1)  # begins as many equal samples
        blocks = _all_along(lines, height)
        edges = _all_along(below, height - 1)  # begins a column of so many
        found |= (blocks & edges[:, : blocks.shape[1]]).any(axis=(0, 1))
    return found


def _all_along(marks: Mask, count: int) -> Mask:
    """Return where ``count`` marks in a row along the first axis begin."""
    places = len(marks) - count + 1
    return functools.reduce(np.logical_and, (marks[n : n + places] for n in range(count)))


def _share_of_extremes(samples: FloatArray) -> FloatArray:
    """Return which share of each patch's samples, 64×N, equals its least or largest value, the larger one."""
    lowest, highest = (
        (samples == extreme).sum(axis=0, dtype=np.uint8)
        for extreme in (samples.min(axis=0), samples.max(axis=0))
    )
    larger: FloatArray = np.maximum(lowest, highest) / np.float32(SIZE**2)
    return larger


def _spread(count: int, thinning: float) -> Places:
    """About ``count`` × ``thinning`` of the numbers below ``count``, the same counted from either end."""
    wanted = max(1, round(count * thinning))
    half = np.arange((wanted + 1) // 2) * (count - 1) // max(wanted - 1, 1)
    return np.unique(np.concatenate([half, count - 1 - half]))
