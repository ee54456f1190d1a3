"""Colour arithmetic on float arrays: RGB and YCbCr, gray, and the transfer curves of sRGB and ROMM RGB.

Sources: ITU-R BT.601 and JFIF 1.02 (full-range YCbCr), IEC 61966-2-1 (sRGB), ISO 22028-2 (ROMM RGB).
"""

from __future__ import annotations

import numpy as np

from restorecli.photo import FloatArray

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Rows give Y, Cb, Cr from R, G, B; Cb and Cr without their offset of one half.
_FORWARD = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ],
    dtype=np.float64,
)
_INVERSE = np.linalg.inv(_FORWARD)
_OFFSET = np.array([0.0, 0.5, 0.5], dtype=np.float32)
# MATLAB's rgb2ycbcr, in its own integers: Y = 16 + 65.481 R + 128.553 G + 24.966 B.


def rgb_to_ycbcr(rgb: FloatArray) -> FloatArray:
    """RGB to full-range YCbCr, as JPEG does it.

    Args:
        rgb: …×3 float32, 0–1.

    Returns:
        …×3 float32: Y in 0–1, Cb and Cr centred on 0.5.
    """
    return (rgb @ _FORWARD.T.astype(np.float32) + _OFFSET).astype(np.float32, copy=False)


def ycbcr_to_rgb(ycbcr: FloatArray) -> FloatArray:
    """Full-range YCbCr to RGB; the inverse of `rgb_to_ycbcr`, not clipped.

    Args:
        ycbcr: …×3 float32, as `rgb_to_ycbcr` gives it.

    Returns:
        …×3 float32.
    """
    return ((ycbcr - _OFFSET) @ _INVERSE.T.astype(np.float32)).astype(np.float32, copy=False)


def luma(rgb: FloatArray) -> FloatArray:
    """The full-range Y of RGB: …×3 to …×1, float32, 0–1."""
    return (rgb @ _LUMA)[..., None].astype(np.float32, copy=False)


def srgb_to_linear(values: FloatArray) -> FloatArray:
    """Undo the sRGB transfer curve; any range, negative values mirror positive ones. Float32 in and out."""
    size = np.abs(values)
    curved = ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.copysign(np.where(size <= 0.04045, size / np.float32(12.92), curved), values).astype(np.float32)


def linear_to_srgb(values: FloatArray) -> FloatArray:
    """Apply the sRGB transfer curve; any range, negative values mirror positive ones. Float32 in and out."""
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
