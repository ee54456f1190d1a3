"""TIFF pictures of CIELAB in the three codings there are.

Source: TIFF 6.0, section 23 (CIELAB); ICC.1:2001-04, annex A (ICCLAB); ITU-T T.42 (ITULAB).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from restorecli.photos.raster import Samples

_CIELAB, _ICC, _ITU = 8, 9, 10
KINDS = (_CIELAB, _ICC, _ITU)  # values of the tag PhotometricInterpretation


def values(samples: Samples, peak: float, kind: int) -> Samples:
    """H×W×3 samples as L 0–100, a and b, float32; float samples are that already.

    Args:
        samples: of 8 or 16 bits.
        peak: the greatest value of a sample.
        kind: one of `KINDS`.
    """
    if samples.dtype.kind == "f":
        return samples
    stored = samples.astype(np.float32)
    step = np.float32((peak + 1) / 256)
    if kind == _ITU:
        return (
            (stored - np.array([0, 128, 96], np.float32) * step)
            * np.array([100, 170, 200], np.float32)
            / peak
        )
    lightness, ab = stored[:, :, :1], stored[:, :, 1:]
    if kind == _ICC:  # white is FF of 8 bits, FF00 of 16
        return np.concatenate([lightness / step * np.float32(100 / 255), ab / step - 128], axis=2)
    signed = np.where(ab > peak / 2, ab - np.float32(peak + 1), ab)
    return np.concatenate([lightness * np.float32(100 / peak), signed / step], axis=2)


def white(stated: Any) -> tuple[float, float] | None:
    """X and y of the white that the tag WhitePoint states as fractions; None for the default, D50."""
    try:
        x, y = stated[0] / stated[1], stated[2] / stated[3]
    except (TypeError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1 and 0 < y < 1 else None
