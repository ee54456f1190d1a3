"""Bicubic resampling as MATLAB's ``imresize`` does it: the field's reference for shrinking and enlarging.

Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981, eq. 15 with
a = −0.5. Shrinking widens the kernel by the factor (antialiasing), weights are normalised to sum to one, and
the border pixels are repeated outwards. (MATLAB's own low-resolution files of Set5 agree with repeated border
pixels, not with mirrored ones.)
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", NDArray[np.float32], NDArray[np.float64])


def cubic_kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic convolution kernel (a = −0.5) at distances ``x`` in samples."""
    distance = np.abs(x)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))


@lru_cache(maxsize=64)
def resample_taps(length: int, new_length: int, scale: float) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return which samples make each new one, and their weights, along one axis.

    Args:
        length: samples before.
        new_length: samples after.
        scale: new sample rate ÷ old one (below 1: shrink).

    Returns:
        Indices (new_length × taps, int) and weights (new_length × taps, each row sums to 1).
    """
    width = 4.0 / min(scale, 1.0)
    centre = (np.arange(new_length) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.int64) + 1
    indices = first[:, None] + np.arange(math.ceil(width) + 1)[None, :]
    weights = cubic_kernel((centre[:, None] - indices) * min(scale, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.any(weights != 0, axis=0))
    indices, weights = indices[:, used[0] : used[-1] + 1], weights[:, used[0] : used[-1] + 1]
    return np.clip(indices, 0, length - 1), weights


def resize(image: Float, height: int, width: int, scale: float | None = None) -> Float:
    """Resize ``image`` bicubically, antialiased when shrinking.

    Args:
        image: H×W or H×W×C, float; any range, the result may overshoot it.
        height: rows of the result.
        width: columns of the result.
        scale: factor of both axes where it is known exactly; otherwise from the sizes, per axis.

    Returns:
        height×width(×C) of the same dtype.
    """
    for axis, new_length in ((0, height), (1, width)):
        factor = scale if scale is not None else new_length / image.shape[axis]
        if factor != 1 or new_length != image.shape[axis]:
            image = resize_axis(image, axis, new_length, factor)
    return image


def resize_axis(image: Float, axis: int, new_length: int, scale: float) -> Float:
    """Resize one axis of ``image`` to ``new_length`` samples at ``scale`` times the sample rate."""
    indices, weights = resample_taps(image.shape[axis], new_length, scale)
    shape = list(image.shape)
    shape[axis] = new_length
    result = np.zeros(shape, dtype=image.dtype)
    along = [1] * image.ndim
    along[axis] = new_length
    for tap in range(indices.shape[1]):  # one tap at a time: no copy of the image per tap is held
        result += image.take(indices[:, tap], axis=axis) * weights[:, tap].reshape(along).astype(image.dtype)
    return result
