"""The noise of a sensor from one mosaic of it: variance against brightness, where the picture is smooth.

Source: A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and
fitting for single-image raw-data", IEEE TIP 17 (2008): local means and deviations of wavelet details on
smooth regions, grouped by brightness, and the line fitted through the groups by their own uncertainty. Here
smooth blocks are told by their horizontal and vertical Haar details and noise is measured in the diagonal
ones, which for white noise are independent, so that choosing the smoothest does not bias what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import cfa
from restorecli.photo import FloatArray

Array = NDArray[np.float64]

_BLOCK = 8  # details: side of a block
_GROUPS = 32  # of brightness
_SMOOTHEST = 0.1  # of a group's blocks are measured …
_FEWEST = 6  # … and at least so many
_WHITE = 1.3  # times the diagonal details' square: where the others are larger, it is texture
_LEAST_GROUPS = 4
_ROUNDS = 30
_CLIPPED = 0.95  # of white: blocks that reach it are not measured
_TEXTURE = 2.5  # deviations above the line from which a group is taken for texture


@dataclass(frozen=True)
class Fit:
    """The noise of a mosaic's samples: variance = shot · x + read.

    Attributes:
        shot: the same for all colours, as they have the same electronics.
        read: likewise.
        groups: of brightness that the line goes through.
    """

    shot: float
    read: float
    groups: int


def fit(mosaic: FloatArray, pattern: str) -> Fit | None:
    """Measure the noise of a mosaic; None where too little of it is smooth.

    Args:
        mosaic: H×W, linear, not white-balanced, black at 0 and white at 1.
        pattern: of the mosaic.
    """
    means, variances = _blocks(mosaic, pattern)
    if len(means) < _LEAST_GROUPS * _FEWEST:
        return None
    levels, noise, counts = _grouped(means, variances)
    if len(levels) < _LEAST_GROUPS:
        return None
    return _line(levels, noise, counts)


def _blocks(mosaic: FloatArray, pattern: str) -> tuple[Array, Array]:
    """Return block means, and N×2: mean squares of diagonal and other details (σ² in white noise)."""
    means, squares = [], []
    for plane in _planes(mosaic, pattern):
        height, width = (2 * _BLOCK * (side // (2 * _BLOCK)) for side in plane.shape)
        if not height or not width:
            continue
        quads = plane[:height, :width].astype(np.float64).reshape(height // 2, 2, width // 2, 2)
        a, b, c, d = quads[:, 0, :, 0], quads[:, 0, :, 1], quads[:, 1, :, 0], quads[:, 1, :, 1]
        details = np.stack([(a - b - c + d) ** 2, ((a - b + c - d) ** 2 + (a + b - c - d) ** 2) / 2]) / 4
        total = _mean_of_blocks(((a + b + c + d) / 4)[None])[0]
        usable = (_most_of_blocks(quads) < _CLIPPED) & (total > 0)
        means.append(total[usable])
        squares.append(_mean_of_blocks(details)[:, usable].T)
    if not means:
        return np.zeros(0), np.zeros((0, 2))
    return np.concatenate(means), np.concatenate(squares)


def _planes(mosaic: FloatArray, pattern: str) -> list[FloatArray]:
    """Return planes whose 2×2 pixels are samples of one colour next to each other."""
    side = cfa.period(pattern)
    if side == 2:
        return [mosaic[row::2, column::2] for row, column, _ in cfa.sites(pattern)]
    green = np.array([letter == "G" for letter in pattern]).reshape(side, side)
    planes = []
    for row in range(side):
        for column in range(side):
            rows, columns = [row, (row + 1) % side], [column, (column + 1) % side]
            if green[np.ix_(rows, columns)].all():
                height, width = (
                    (length - start) // side
                    for length, start in zip(mosaic.shape, (row, column), strict=True)
                )
                part = mosaic[row : row + side * height, column : column + side * width]
                cells = part.reshape(height, side, width, side)[:, :2, :, :2]
                planes.append(np.ascontiguousarray(cells).reshape(2 * height, 2 * width))
    return planes


def _mean_of_blocks(values: Array) -> Array:
    count, height, width = values.shape
    mean: Array = values.reshape(count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).mean(axis=(2, 4))
    return mean


def _most_of_blocks(quads: Array) -> Array:
    most = quads.max(axis=(1, 3))
    height, width = most.shape
    result: Array = most.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).max(axis=(1, 3))
    return result


def _grouped(means: Array, squares: Array) -> tuple[Array, Array, Array]:
    """Return brightness, noise variance and number of details of every group, from its smoothest blocks."""
    order = np.argsort(means, kind="stable")
    groups = np.array_split(order, min(_GROUPS, max(1, len(order) // (4 * _FEWEST))))
    levels, noise, counts = [], [], []
    for group in groups:
        wanted = max(_FEWEST, int(_SMOOTHEST * len(group)))
        smooth = group[np.argsort(squares[group, 1], kind="stable")[:wanted]]
        diagonal, others = np.median(squares[smooth], axis=0)
        if others < _WHITE * diagonal:
            levels.append(means[smooth].mean())
            noise.append(diagonal)
            counts.append(len(smooth) * _BLOCK**2)
    return np.array(levels), np.array(noise), np.array(counts, np.float64)


def _line(levels: Array, noise: Array, counts: Array) -> Fit:
    """Fit variance = shot · level + read, both at least 0, without what lies above it: texture."""
    shot, read = 0.0, float(np.quantile(noise, 0.25))
    kept = np.ones(len(levels), bool)
    for _ in range(_ROUNDS):
        expected = np.maximum(shot * levels + read, 1e-12)
        deviation = expected * np.sqrt(2 / counts)  # of a mean of squares of normal values
        apart = (noise - expected) / np.maximum(deviation, 0.05 * expected)
        kept = apart < _TEXTURE
        if kept.sum() < 2:
            kept = noise <= np.median(noise)
        weights = 1 / np.maximum(expected[kept], np.median(expected) * 0.05) ** 2 * counts[kept]
        shot, read = _nonnegative(levels[kept], noise[kept], weights)
    return Fit(shot, read, int(kept.sum()))


def _nonnegative(x: Array, y: Array, weights: Array) -> tuple[float, float]:
    """Return slope and intercept, neither below 0, of the weighted least squares line."""
    root = np.sqrt(weights)
    from scipy.optimize import nnls

    scale = float(y.max()) or 1.0
    (slope, intercept), _ = nnls(np.column_stack([x, np.ones_like(x)]) * root[:, None], y / scale * root)
    return float(slope) * scale, float(intercept) * scale
