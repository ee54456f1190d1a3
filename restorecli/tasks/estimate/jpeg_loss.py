"""How much of a photo JPEG compression has lost, by what is left of it.

A coefficient that an encoder rounded to a multiple of its step is off by up to half a step. Those that were
rounded to something lie evenly around it. How far those rounded to zero were off shows in how many were not:
the coefficients of one frequency have a Laplacian distribution (R. C. Reininger and J. D. Gibson,
"Distributions of the two-dimensional DCT coefficients for images", IEEE Transactions on Communications 31,
1983).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from restorecli.imaging.colour import ycbcr
from restorecli.photo import FloatArray
from restorecli.tasks.estimate.taken_out import FLAT, SIZE

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_BLOCKS = 4000
IN_RGB = (1.0, 1.086, 0.825)
"""What errors of Y, Cb and Cr count for in the mean squared error of R, G and B, by the inverse matrix of
ITU-R BT.601: for Cb (1.772² + 0.344²) / 3, for Cr (1.402² + 0.714²) / 3."""


def likely_loss(pixels: FloatArray, tables: Sequence[Integers], offset: tuple[int, int] = (0, 0)) -> float:
    """Return the root mean square of what compression is likely to have taken from a photo, 0–255.

    Blocks that are flat do not count, as in `taken_out`. Chroma is taken to be stored at full resolution:
    where it was not, more was lost.

    Args:
        pixels: H×W×C float32, 0–1, as decoded.
        tables: the steps of luma, and for colour of chroma: 8×8, or one for each of Y, Cb and Cr.
        offset: row and column of the first whole block.

    Returns:
        0 where nothing counts.
    """
    blocks = _blocks(pixels, offset)
    blocks = blocks[blocks.std(axis=(1, 2)).max(axis=-1) >= FLAT]
    if not len(blocks):
        return 0.0
    planes = blocks if pixels.shape[2] == 1 else ycbcr(blocks)
    squares = 0.0
    for index, weight in zip(range(planes.shape[-1]), IN_RGB, strict=False):
        steps = np.asarray(tables[min(index, len(tables) - 1)], np.float64)
        squares += weight * _squared_error(dctn(255 * planes[..., index], axes=(1, 2), norm="ortho"), steps)
    return float(squares**0.5)


def _blocks(pixels: FloatArray, offset: tuple[int, int]) -> FloatArray:
    """Return N×8×8×C: whole blocks spread evenly: all, or `LEAST_BLOCKS` and less than four times as many."""
    pixels = pixels[offset[0] :, offset[1] :]
    rows, columns = pixels.shape[0] // SIZE, pixels.shape[1] // SIZE
    cut = pixels[: rows * SIZE, : columns * SIZE].reshape(rows, SIZE, columns, SIZE, pixels.shape[2])
    every = max(1, int((rows * columns / LEAST_BLOCKS) ** 0.5))
    chosen: FloatArray = np.swapaxes(cut[::every, :, ::every], 1, 2).reshape(-1, SIZE, SIZE, pixels.shape[2])
    return np.clip(chosen, 0, 1)


def _squared_error(coefficients: Array, steps: Array) -> float:
    """Return the mean squared error of N×8×8 coefficients that were rounded to multiples of 8×8 ``steps``."""
    half = steps / 2
    nonzero = (np.abs(coefficients) >= half).mean(axis=0)
    nonzero = np.clip(nonzero, 0.5 / len(coefficients), 1 - 1e-6)
    scale = -half / np.log(nonzero)  # of the Laplacian distribution that has so many beyond half a step
    beyond = np.square(half) + 2 * half * scale + 2 * np.square(scale)
    within = 2 * np.square(scale) - nonzero * beyond  # integral of x² up to half a step
    return float(np.mean(within + nonzero * np.square(steps) / 12))
