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
    places = np.ix_(_spread(rows, thinning), _spread(columns, thinning))
    samples: FloatArray = _windows(plane)[places].reshape(-1, SIZE**2)
    if hidden is not None:
        samples = samples[~_windows(hidden)[places].reshape(-1, SIZE**2).any(axis=1)]
    samples = samples[~_any_flat(samples)]
    share = _share_of_extremes(samples)
    enough = max(FEWEST, _USABLE * len(samples))
    limits = (limit for limit in _EQUAL_SHARES if np.count_nonzero(share <= limit) >= enough)
    return Patches(samples[share <= next(limits, _EQUAL_SHARES[-1])])


def halved(plane: FloatArray) -> FloatArray:
    """Return the means of 2×2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape[:2])
    blocks = plane[:height, :width].reshape(height // 2, 2, width // 2, 2, *plane.shape[2:])
    means: FloatArray = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _windows(plane: NDArray[Any]) -> NDArray[Any]:
    return np.lib.stride_tricks.sliding_window_view(plane, (SIZE, SIZE))


def _any_flat(samples: FloatArray) -> Mask:
    """Return which patches, N×64, have a block of one value."""
    squares = samples.reshape(-1, SIZE, SIZE)
    beside = squares[:, :, 1:] == squares[:, :, :-1]
    below = squares[:, 1:] == squares[:, :-1]
    found = np.zeros(len(samples), bool)
    for height, width in _FLAT:
        lines = _all_along(beside, width - 1, axis=2)  # begins a line of so many equal samples
        blocks = _all_along(lines, height, axis=1)
        edges = _all_along(below, height - 1, axis=1)  # begins a column of so many
        found |= (blocks & edges[:, :, : blocks.shape[2]]).any(axis=(1, 2))
    return found


def _all_along(marks: Mask, count: int, axis: int) -> Mask:
    """Return where ``count`` marks in a row along ``axis`` begin."""
    places = marks.shape[axis] - count + 1
    shifted = (marks.take(range(n, n + places), axis) for n in range(count))
    return functools.reduce(np.logical_and, shifted)


def _share_of_extremes(samples: FloatArray) -> FloatArray:
    """Return which share of each patch's samples equals its least or its largest value, the larger share."""
    lowest, highest = (
        (samples == extreme[:, None]).mean(axis=1, dtype=np.float32)
        for extreme in (samples.min(axis=1), samples.max(axis=1))
    )
    larger: FloatArray = np.maximum(lowest, highest)
    return larger


def _spread(count: int, thinning: float) -> NDArray[np.intp]:
    """About ``count`` × ``thinning`` of the numbers below ``count``, the same counted from either end."""
    wanted = max(1, round(count * thinning))
    half = np.arange((wanted + 1) // 2) * (count - 1) // max(wanted - 1, 1)
    return np.unique(np.concatenate([half, count - 1 - half]))
