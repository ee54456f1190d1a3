"""The blur of missed focus: a point becomes a disc."""

from __future__ import annotations

import numpy as np

from restorecli.photo import FloatArray

_FINE = 8  # samples to a pixel's side, by which the edge is rounded


def disc_kernel(radius: float) -> FloatArray:
    """Return a disc of ``radius`` pixels, what missed focus makes of a point: k×k float32, k odd, sum one."""
    reach = int(np.ceil(radius))
    side = (2 * reach + 1) * _FINE
    y, x = (np.indices((side, side)) + 0.5) / _FINE - reach - 0.5
    fine = (x**2 + y**2 <= radius**2).astype(np.float64)
    disc = fine.reshape(side // _FINE, _FINE, side // _FINE, _FINE).mean((1, 3))
    kernel: FloatArray = (disc / disc.sum()).astype(np.float32)
    return kernel
