"""How uncertain the samples of a mosaic are, as networks that demosaic and denoise at once are told it."""

from __future__ import annotations

import numpy as np

from restorecli.imaging import cfa
from restorecli.imaging.colour import linear_to_srgb
from restorecli.photo import FloatArray, RawNoise

MAP_UNIT = 1 / 16
"""Standard deviation, on the 0–1 scale of display values, that is 1 in a noise map."""

MEAN_WIDTH = 7
"""Pixels, across, that the mean of a colour is taken of: 9 to 25 samples, and few edges within."""

_ROWS = 512  # worked on at once, so that what is computed on the way stays small


def noise_map(
    mosaic: FloatArray,
    pattern: str,
    noise: RawNoise,
    lift: FloatArray | None = None,
    *,
    curved: bool = True,
) -> FloatArray:
    """Return how uncertain every sample is after sRGB's curve, in units of `MAP_UNIT`.

    The expected value of a sample is taken to be the mean μ of its colour nearby; with σ² = shot·μ + read,
    the deviation after the curve f is (f(μ + σ) − f(μ − σ)) ÷ 2, which stays finite where the curve is steep.

    Args:
        mosaic: H×W, linear and white-balanced, black at 0, noise around it kept.
        pattern: of the mosaic.
        noise: in the mosaic's own units, but for ``lift``.
        lift: H×W, by what samples were multiplied after the noise was there; None for nothing.
        curved: whether the network gets the mosaic with the curve; else σ itself is returned.

    Returns:
        H×W float32; zero where there is no noise.
    """
    if not any((*noise.shot, *noise.read)):
        return np.zeros_like(mosaic)
    result = np.empty_like(mosaic)
    margin = MEAN_WIDTH // 2
    period = cfa.period(pattern)
    for top in range(0, len(mosaic), period * (_ROWS // period)):
        bottom = min(top + period * (_ROWS // period), len(mosaic))
        above = min(top, period * -(-margin // period))  # whole periods, so that the phase stays
        around = slice(top - above, min(bottom + margin, len(mosaic)))
        part = None if lift is None else lift[around]
        rows = _uncertainty(mosaic[around], pattern, noise, part, curved)
        result[top:bottom] = rows[above : above + bottom - top]
    return result


def _uncertainty(
    mosaic: FloatArray, pattern: str, noise: RawNoise, lift: FloatArray | None, curved: bool
) -> FloatArray:
    mean = np.maximum(cfa.local_mean(mosaic, pattern, MEAN_WIDTH), 0)
    held = cfa.channels(mosaic.shape, pattern)
    shot, read = (np.array(values, np.float32)[held] for values in (noise.shot, noise.read))
    if lift is not None:
        shot, read = shot * lift, read * lift**2
    deviation = np.sqrt(shot * mean + read)
    if not curved:
        plain: FloatArray = deviation / np.float32(MAP_UNIT)
        return plain
    spread = linear_to_srgb(mean + deviation) - linear_to_srgb(mean - deviation)
    uncertain: FloatArray = spread / np.float32(2 * MAP_UNIT)
    return uncertain
