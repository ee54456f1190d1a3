"""The mean of every region as the sensor counted it, after a network has taken the noise out.

Networks see values with a curve that is steep near black, and what they give is about right there on average,
which in linear light is too dark (the mean through a concave curve is below the curve of the mean, Jensen's
inequality) or, below the noise, too bright. The noise itself has a mean of zero: so the slow part of the
difference between the samples and the result is put back. How much is lacking depends on the level as well as
on the place: it is smoothed over both, as in the bilateral grid of Chen, Paris, Durand, SIGGRAPH 2007.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from restorecli.imaging import cfa
from restorecli.photo import FloatArray, RawNoise

_BLOCK = 12  # pixels: whole periods of every pattern
_SMOOTH = 2.0  # blocks: standard deviation of what counts as near
_LAYERS = 2  # per unit of arcsinh of the level over the noise without light: below it, what lacks bends
_HELD = 0.12  # of the blocks' own weight; less follows chance, more leaves very dark blocks too bright
_NOTHING = 1e-12  # of samples' weight: where there are none, nothing is lacking
_UNCLIPPED = 0.8  # of white: above, noise is cut off and its mean is not zero
_LEAST = 1e-7  # variance of reading: where none is known, all samples count alike

Blocks = NDArray[np.float64]


def mean_kept(colours: FloatArray, mosaic: FloatArray, pattern: str, noise: RawNoise | None) -> None:
    """Add to a result what its regions' means lack, in place.

    Blocks count by one over their samples' variance, so that bright ones do not bring their noise into
    shadows. The variance and what is clipped are judged by the result: judged by single samples, those that
    noise has made brighter would count less, and every mean come out too dark.

    Args:
        colours: H×W×3, linear, balanced.
        mosaic: H×W, what it was made of, in the same units, noise and all.
        pattern: of the mosaic.
        noise: of the mosaic; None where it is not known.
    """
    held = cfa.channels(mosaic.shape, pattern)
    area = np.outer(*(np.minimum(_BLOCK, side - _starts(side)) for side in mosaic.shape))
    for channel in range(3):
        plane = colours[..., channel]
        counted = (held == channel) & (plane < _UNCLIPPED)
        level = np.maximum(_of_blocks(plane) / area, 0)
        shot, read = (noise.shot[channel], noise.read[channel]) if noise is not None else (0.0, 0.0)
        read = max(read, _LEAST)
        weight = 1 / (shot * level + read)
        lacking = _of_blocks((mosaic - plane) * counted) * weight
        total = _of_blocks(counted.astype(np.float32)) * weight
        _add_enlarged(plane, _smoothed(lacking, total, _LAYERS * np.arcsinh(level / read**0.5)))


def _starts(side: int) -> NDArray[np.intp]:
    return np.arange(0, side, _BLOCK)


def _of_blocks(plane: FloatArray) -> Blocks:
    """Return the sums over blocks; those at the bottom and right may be smaller."""
    rows, columns = (_starts(side) for side in plane.shape)
    over_rows = np.add.reduceat(plane, rows, axis=0, dtype=np.float64)
    sums: Blocks = np.add.reduceat(over_rows, columns, axis=1)
    return sums


def _smoothed(lacking: Blocks, total: Blocks, height: Blocks) -> Blocks:
    """Return what is lacking as a function of place and ``height``: at each place a line between layers.

    The lines' values at the layers, one apart, are those that fit best what the blocks nearby lack (least
    squares, each block counting by its share of two layers). A mean over the blocks near a layer would draw
    what very dark blocks have too much and their neighbours too little towards each other. `_HELD` holds the
    values at that mean where the blocks tell little else.
    """
    lowest, highest = int(np.floor(height.min())), int(np.ceil(height.max()))
    shares = [np.maximum(1 - np.abs(height - layer), 0) for layer in range(lowest, highest + 1)]
    counts = [_near(total * share) for share in shares]
    own = [
        _near(total * share**2) + _HELD * np.maximum(count, _NOTHING)
        for share, count in zip(shares, counts, strict=True)
    ]
    shared = [_near(total * one * next_) for one, next_ in pairwise(shares)]
    wanted = [(1 + _HELD) * _near(lacking * share) for share in shares]
    values = _solved(own, shared, wanted)
    return sum((share * value for share, value in zip(shares, values, strict=True)), np.zeros_like(height))


def _near(blocks: Blocks) -> Blocks:
    found: Blocks = gaussian_filter(blocks, _SMOOTH, mode="nearest")
    return found


def _solved(diagonal: list[Blocks], beside: list[Blocks], right: list[Blocks]) -> list[Blocks]:
    """Solve a symmetric, positive definite, tridiagonal system per block, by elimination."""
    diagonal, right = [*diagonal], [*right]
    for index, off in enumerate(beside):
        factor = off / diagonal[index]
        diagonal[index + 1] = diagonal[index + 1] - factor * off
        right[index + 1] = right[index + 1] - factor * right[index]
    values = [right[-1] / diagonal[-1]]
    for index in range(len(beside) - 1, -1, -1):
        values.insert(0, (right[index] - beside[index] * values[0]) / diagonal[index])
    return values


def _add_enlarged(plane: FloatArray, slow: Blocks) -> None:
    """Add values of blocks to pixels, linear between the blocks' middles."""
    down, across = ((np.arange(side) + 0.5) / _BLOCK - 0.5 for side in plane.shape)
    wide = map_coordinates(
        slow, np.meshgrid(np.arange(slow.shape[0]), across, indexing="ij"), order=1, mode="nearest"
    )
    first = np.clip(np.floor(down).astype(np.intp), 0, slow.shape[0] - 1)
    last = np.minimum(first + 1, slow.shape[0] - 1)
    share = np.clip(down - first, 0, 1)
    for row in range(plane.shape[0]):
        plane[row] += (1 - share[row]) * wide[first[row]] + share[row] * wide[last[row]]
