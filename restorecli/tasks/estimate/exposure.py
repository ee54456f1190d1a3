"""How much too dark a photo is, and the photo made brighter in linear light without a cast of colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging.colour import linear_to_srgb, luma, srgb_to_linear
from restorecli.photo import FloatArray

KNEE = 0.9
"""Linear light from which what gets brighter is compressed, so that lamps keep their form."""
PERCENTILES = (5, 25, 50, 75, 95, 99)
"""Of the light, from which it is told how much too dark a photo is."""
LEAST_LIGHT = 2e-4
"""Linear light below which 8 bit tell nothing."""
_OF_LEVELS = np.array([-0.014, 0.013, 0.048, 0.115, 0.301, -0.965, -0.416])
_AT_WHITE = -0.637  # stops where everything is white
_SAMPLES = 1_000_000  # pixels looked at, evenly spread
_ROWS = 256  # turned at once, so that what is computed on the way stays small


def brightened(pixels: FloatArray, gain: float) -> FloatArray:
    """Multiply the light of every pixel by ``gain``; what would come close to white is compressed.

    All channels of a pixel are multiplied by the same number, so that colours stay what they are. Up to
    `KNEE`, the brightest channel m becomes gain·m; above, 1 − (1 − k)·exp(−(gain·m − k) / (1 − k)).

    Args:
        pixels: H×W×C, 0–1, sRGB's curve.
        gain: above 0.

    Returns:
        H×W×C float32, 0–1, sRGB's curve.
    """
    result = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _ROWS):
        light = srgb_to_linear(pixels[top : top + _ROWS]) * np.float32(gain)
        peak = np.maximum(light.max(axis=2, keepdims=True), np.float32(1e-6))
        over = 1 - (1 - KNEE) * np.exp(-np.maximum(peak - KNEE, 0) / (1 - KNEE))
        light *= np.where(peak <= KNEE, 1, over / peak).astype(np.float32)
        result[top : top + _ROWS] = linear_to_srgb(np.clip(light, 0, 1))
    return result


def light_levels(pixels: FloatArray) -> NDArray[np.float64]:
    """Return log2 of the light at `PERCENTILES` and of its mean, of H×W×C in 0–1 with sRGB's curve."""
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / _SAMPLES) ** 0.5))
    light = srgb_to_linear(luma(pixels[::step, ::step]) if pixels.shape[2] == 3 else pixels[::step, ::step])
    levels = [*np.percentile(light, PERCENTILES), light.mean()]
    return np.log2(np.maximum(levels, LEAST_LIGHT))


def stops_too_dark(pixels: FloatArray) -> float:
    """Tell by how many stops less light than usual a photo was exposed; below 0 where it is a bright one.

    A linear function of `light_levels`, fitted to photos that were darkened (``benchmarks/exposure.py``): on
    other ones it is off by 0.7 stops (standard deviation): so much do photos differ in brightness by
    themselves.

    Args:
        pixels: H×W×C, 0–1, sRGB's curve.
    """
    return float(light_levels(pixels) @ _OF_LEVELS + _AT_WHITE)
