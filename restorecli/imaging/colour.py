"""Colour arithmetic on float arrays: luma, and the transfer curves of sRGB and ROMM RGB.

Sources: ITU-R BT.601 and JFIF 1.02 (full-range Y), IEC 61966-2-1 (sRGB), ISO 22028-2 (ROMM RGB).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from restorecli.photo import FloatArray

_AT_ONCE = 1 << 18  # samples
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def luma(rgb: FloatArray) -> FloatArray:
    """The full-range Y of RGB: …×3 to …×1, float32, 0–1."""
    return (rgb @ _LUMA)[..., None].astype(np.float32, copy=False)


def ycbcr(rgb: FloatArray) -> FloatArray:
    """The full-range Y, Cb and Cr of RGB, as in JFIF with chroma about zero: …×3 to …×3."""
    y = rgb @ _LUMA
    blue, red = (rgb[..., 2] - y) / np.float32(1.772), (rgb[..., 0] - y) / np.float32(1.402)
    planes: FloatArray = np.stack([y, blue, red], axis=-1)
    return planes


def srgb_to_linear(values: FloatArray) -> FloatArray:
    """Undo the sRGB transfer curve; any range, negative values mirror positive ones. Float32 in and out."""
    return _in_bands(_to_linear, values)


def linear_to_srgb(values: FloatArray) -> FloatArray:
    """Apply the sRGB transfer curve; any range, negative values mirror positive ones. Float32 in and out."""
    return _in_bands(_to_srgb, values)


def _in_bands(curve: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    """Apply a curve to some rows after the other: it takes several copies of what it is given."""
    if values.size <= _AT_ONCE:
        return curve(values)
    result: FloatArray = np.empty(values.shape, np.float32)
    rows = max(1, _AT_ONCE * len(values) // values.size)
    for top in range(0, len(values), rows):
        result[top : top + rows] = curve(values[top : top + rows])
    return result


def _to_linear(values: FloatArray) -> FloatArray:
    size = np.abs(values)
    curved = ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.copysign(np.where(size <= 0.04045, size / np.float32(12.92), curved), values).astype(np.float32)


def _to_srgb(values: FloatArray) -> FloatArray:
    size = np.abs(values)
    curved = np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.copysign(np.where(size <= 0.0031308, size * np.float32(12.92), curved), values).astype(
        np.float32
    )


def linear_to_romm(values: FloatArray) -> FloatArray:
    """Apply ROMM RGB's (ProPhoto's) transfer curve: exponent 1/1.8, slope 16 below 1/512; odd-symmetric."""
    size = np.abs(values)
    curved = size ** np.float32(1 / 1.8)
    return np.copysign(np.where(size < 1 / 512, size * np.float32(16), curved), values).astype(np.float32)
