"""The mean of every region as the sensor counted it, after a network has taken the noise out.

Networks see values with a curve that is steep near black, and what they give is right there on average, which
in linear light is a little too dark or too bright. The noise itself has a mean of zero: so the slow part of
the difference between the samples and the result is put back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from restorecli.imaging import cfa
from restorecli.photo import FloatArray, RawNoise

_BLOCK = 12  # pixels: whole periods of every pattern
_SMOOTH = 5.0  # blocks: standard deviation of what counts as slow
_UNCLIPPED = 0.8  # of white: above, noise is cut off and its mean is not zero
_LEAST = 1e-7  # variance: where none is known, all samples count alike


def mean_kept(colours: FloatArray, mosaic: FloatArray, pattern: str, noise: RawNoise | None) -> None:
    """Add to a result what its regions' means lack, in place.

    Samples count by one over their variance, so that bright ones do not bring their noise into shadows.

    Args:
        colours: H×W×3, linear, balanced.
        mosaic: H×W, what it was made of, in the same units, noise and all.
        pattern: of the mosaic.
        noise: of the mosaic; None where it is not known.
    """
    held = cfa.channels(mosaic.shape, pattern)
    for channel in range(3):
        own = (held == channel) & (mosaic < _UNCLIPPED)
        weight = own.astype(np.float32)
        if noise is not None:
            level = np.maximum(colours[..., channel], 0)
            variance = np.float32(noise.shot[channel]) * level + np.float32(noise.read[channel])
            weight /= np.maximum(variance, np.float32(_LEAST))
        lacking = _of_blocks((mosaic - colours[..., channel]) * weight)
        total = gaussian_filter(_of_blocks(weight), _SMOOTH, mode="nearest")
        slow = gaussian_filter(lacking, _SMOOTH, mode="nearest") / np.maximum(total, 1e-12)
        _add_enlarged(colours[..., channel], slow)


def _of_blocks(plane: FloatArray) -> NDArray[np.float64]:
    """Return the sums over blocks; those at the bottom and right may be smaller."""
    rows, columns = (np.arange(0, side, _BLOCK) for side in plane.shape)
    over_rows = np.add.reduceat(plane, rows, axis=0, dtype=np.float64)
    sums: NDArray[np.float64] = np.add.reduceat(over_rows, columns, axis=1)
    return sums


def _add_enlarged(plane: FloatArray, slow: NDArray[np.float64]) -> None:
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
