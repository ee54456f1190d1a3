"""The Bayer mosaic: which colour a pixel holds, how the pattern's phase shifts, and plain interpolation.

A pattern is named by the colours of its top left 2×2 pixels, row by row: "RGGB" has red at row 0, column 0.
Borders are continued by reflection without repeating the edge pixel, which keeps the pattern's phase.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging.cfa import COLOURS, FloatArray, Sample, shifted, sites

PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")

# How a colour missing at a pixel is found, by where the pixel's neighbours of that colour lie.
# Malvar, He, Cutler: High-quality linear interpolation for demosaicing of Bayer-patterned color images,
# ICASSP 2004, figure 2 (there in units of 1/8).
_MALVAR = {
    "cross": [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
    "row": [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]],
    "diagonal": [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ],
}
_BILINEAR = {
    "cross": [[0, 2, 0], [2, 0, 2], [0, 2, 0]],
    "row": [[0, 0, 0], [4, 0, 4], [0, 0, 0]],
    "diagonal": [[2, 0, 2], [0, 0, 0], [2, 0, 2]],
}


def to_phase(mosaic: NDArray[Sample], pattern: str, wanted: str) -> tuple[NDArray[Sample], tuple[int, int]]:
    """Return a mosaic with the pattern ``wanted``, and how many rows and columns came to its top and left.

    A row or a column before the first shifts the phase by one; it is the reflected second, which holds the
    right colours. Nothing is flipped: ``result[rows:, columns:]`` is the mosaic as it was.

    Args:
        mosaic: H×W (or H×W×C) of at least 2×2 pixels.
        pattern: what it has.
        wanted: what the network knows.
    """
    _check(pattern, mosaic.shape)
    _check(wanted, mosaic.shape)
    rows, columns = shift(pattern, wanted)
    widths = [(rows, 0), (columns, 0)] + [(0, 0)] * (mosaic.ndim - 2)
    return np.pad(mosaic, widths, mode="reflect"), (rows, columns)


def shift(pattern: str, wanted: str) -> tuple[int, int]:
    """Return how many rows and columns (0 or 1 each) lie between the two patterns' starts."""
    for rows, columns in product(range(2), range(2)):
        if shifted(pattern, rows, columns) == wanted:
            return rows, columns
    raise ValueError(f"{pattern} and {wanted} are not phases of one pattern")


def malvar(mosaic: FloatArray, pattern: str) -> FloatArray:
    """Interpolate an H×W float32 mosaic to H×W×3 by gradient-corrected bilinear interpolation, not clipped.

    Source: Malvar, He, Cutler, ICASSP 2004. The pixels' own colours stay as they are.
    """
    return _interpolate(mosaic, pattern, {name: np.array(rows) / 8 for name, rows in _MALVAR.items()})


def bilinear(mosaic: FloatArray, pattern: str) -> FloatArray:
    """Interpolate an H×W float32 mosaic to H×W×3: a missing colour is the mean of its nearest samples."""
    return _interpolate(mosaic, pattern, {name: np.array(rows) / 8 for name, rows in _BILINEAR.items()})


def _interpolate(mosaic: FloatArray, pattern: str, kernels: dict[str, NDArray[np.float64]]) -> FloatArray:
    """Fill in the missing colours, each by the kernel for where its samples lie around the pixel."""
    _check(pattern, mosaic.shape)
    border = kernels["cross"].shape[0] // 2
    around = np.pad(mosaic, border, mode="reflect")
    image = np.empty((*mosaic.shape, 3), np.float32)
    for row, column, own in sites(pattern):
        site = image[row::2, column::2]
        for channel in range(3):
            if channel == own:
                site[..., channel] = mosaic[row::2, column::2]
            else:
                kernel = _kernel(kernels, pattern, row, column, channel)
                site[..., channel] = _weighted(around, kernel, row, column, site.shape[:2])
    return image


def _kernel(
    kernels: dict[str, NDArray[np.float64]], pattern: str, row: int, column: int, channel: int
) -> NDArray[np.float64]:
    """Choose the kernel by where the wanted colour stands next to the pixel."""
    wanted = COLOURS[channel]
    if wanted == "G":
        return kernels["cross"]
    if pattern[2 * row + 1 - column] == wanted:
        return kernels["row"]
    if pattern[2 * (1 - row) + column] == wanted:
        return kernels["row"].T
    return kernels["diagonal"]


def _weighted(
    around: FloatArray, kernel: NDArray[np.float64], row: int, column: int, shape: tuple[int, ...]
) -> FloatArray:
    """Return the kernel's weighted sum at every second pixel from (row, column)."""
    total = np.zeros(shape, np.float32)
    for y, x in zip(*np.nonzero(kernel), strict=True):
        top, left = row + y, column + x
        window = around[top : top + 2 * shape[0] : 2, left : left + 2 * shape[1] : 2]
        total += np.float32(kernel[y, x]) * window[: shape[0], : shape[1]]
    return total


def _check(pattern: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError for a pattern that is not a Bayer pattern, or fewer than 2×2 pixels."""
    if pattern not in PATTERNS:
        raise ValueError(f"{pattern!r} is not a Bayer pattern: {', '.join(PATTERNS)}")
    if len(shape) < 2 or min(shape[:2]) < 2:
        raise ValueError(f"a Bayer mosaic has at least 2×2 pixels, this has shape {shape}")
