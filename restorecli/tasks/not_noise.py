"""Leave in what cannot be noise of a known strength, though a network has taken it out.

Networks take some patterns that they never saw for noise: a gray checkerboard of single pixels becomes an
even gray, whatever its contrast. White noise of a known sigma has a known energy, and hardly ever two and a
half times its amplitude over a few pixels; what a network took out there is put back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from restorecli.photo import FloatArray

WINDOW = 7
"""Pixels side by side whose energy is taken together; in one row, so that rows can be finished apart."""
SURELY = 2.5
"""Up to so many sigmas (root mean square over the window and the channels) what was taken out may be noise.
Of windows of white noise in gray, 1 in 4 million has more (χ² of 7 values), in colour none."""
NEVER = 4.0
"""From so many on none of it is taken for noise."""
_AT_ONCE = 64  # rows: the energies take several times the bytes of their pixels


def put_back_what_is_not_noise(
    seen: FloatArray, cleaned: FloatArray, sigma: float, hidden: NDArray[np.bool_] | None = None
) -> FloatArray:
    """Return ``cleaned`` with what was taken out beyond the energy of white noise.

    Args:
        seen: H×W×C, 0–1, what the network was given.
        cleaned: H×W×C, 0–1, what it made of it; changed in place.
        sigma: standard deviation of the noise, on the 0–255 scale.
        hidden: H×W, true where transparency hides the colours, which do not count.
    """
    for top in range(0, len(seen), _AT_ONCE):
        rows = slice(top, top + _AT_ONCE)
        taken = seen[rows] - cleaned[rows]
        energy = np.mean(np.square(taken), axis=2)
        if hidden is not None:
            energy[hidden[rows]] = 0
        over = uniform_filter1d(energy, WINDOW, axis=1, mode="nearest")
        # The running sums of the filter may fall below 0 by a rounding.
        sigmas = np.sqrt(np.maximum(over, 0)) * np.float32(255)
        share = _smooth_step(sigmas, SURELY * sigma, NEVER * sigma)
        if share.any():
            cleaned[rows] += taken * share[:, :, None]
    return cleaned


def _smooth_step(values: FloatArray, start: float, end: float) -> FloatArray:
    """Return 0 up to ``start``, 1 above ``end``, and 3t² − 2t³ in between."""
    if end <= start:
        return (values > start).astype(np.float32)
    t = np.clip((values - np.float32(start)) / np.float32(end - start), 0, 1)
    smooth: FloatArray = t * t * (3 - 2 * t)
    return smooth
