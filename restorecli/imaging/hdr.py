"""High dynamic range: the signals of PQ and HLG, and a curve that brings their light into 0–1 and back.

Light is relative to the reference white of 203 cd/m² (ITU-R BT.2408): 1 is white in an ordinary photo.
Sources: ITU-R BT.2100-2 (table 4: PQ, table 5: HLG), Reinhard et al. 2002, equation 4 (the tone curve).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import FloatArray

REFERENCE_WHITE = 203.0  # cd/m²
_PQ_PEAK = 10000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_PEAK = 1000.0  # cd/m² of the nominal display, which has the system gamma 1.2
_GAMMA = 1.2
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def pq_to_light(signal: FloatArray) -> FloatArray:
    """PQ signal 0–1 to display light (the EOTF); any shape, float32."""
    power = np.maximum(signal.astype(np.float64), 0) ** (1 / _M2)
    light = (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return (light * (_PQ_PEAK / REFERENCE_WHITE)).astype(np.float32)


def light_to_pq(light: FloatArray) -> FloatArray:
    """Display light to PQ signal 0–1; any shape, float32. Light beyond 10,000 cd/m² becomes 1."""
    power = (np.clip(light.astype(np.float64) * (REFERENCE_WHITE / _PQ_PEAK), 0, 1)) ** _M1
    return (((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2).astype(np.float32)


def hlg_to_light(signal: FloatArray, weights: NDArray[np.float64]) -> FloatArray:
    """HLG signal 0–1 to the light of a display of 1,000 cd/m² (inverse OETF and OOTF).

    Args:
        signal: H×W×1 or H×W×3.
        weights: the luminance of the primaries, for three channels.
    """
    signal = np.maximum(signal.astype(np.float64), 0)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = scene if scene.shape[-1] == 1 else (scene @ weights)[..., None]
    light = scene * np.maximum(luminance, 1e-12) ** (_GAMMA - 1)
    return (light * (_HLG_PEAK / REFERENCE_WHITE)).astype(np.float32)


def light_to_hlg(light: FloatArray, weights: NDArray[np.float64]) -> FloatArray:
    """The way back from `hlg_to_light`; light that HLG cannot say becomes 1."""
    display = np.maximum(light.astype(np.float64), 0) * (REFERENCE_WHITE / _HLG_PEAK)
    luminance = display if display.shape[-1] == 1 else (display @ weights)[..., None]
    scene = np.clip(display * np.maximum(luminance, 1e-12) ** ((1 - _GAMMA) / _GAMMA), 0, 1)
    with np.errstate(invalid="ignore"):
        high = _A * np.log(np.maximum(12 * scene - _B, 1e-12)) + _C
    return np.clip(np.where(scene <= 1 / 12, np.sqrt(3 * scene), high), 0, 1).astype(np.float32)


def compress(light: FloatArray, peak: float) -> FloatArray:
    """Light 0–peak to 0–1: L (1 + L/peak²) / (1 + L), which leaves light as it is where peak is 1."""
    return (light * (1 + light / np.float32(peak**2)) / (1 + light)).astype(np.float32)


def expand(values: FloatArray, peak: float) -> FloatArray:
    """The way back from `compress`: the positive root of its quadratic equation."""
    rest = 1 - np.clip(values, 0, 1).astype(np.float64)
    square = float(peak) ** 2
    root = np.sqrt(rest**2 + 4 * (1 - rest) / square)
    return (square / 2 * (root - rest)).astype(np.float32)
