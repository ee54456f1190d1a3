"""RGB profiles of the common kind, three curves and a matrix, applied many times faster than by LittleCMS.

Curves and matrix are not parsed but measured through LittleCMS, and used only where they then agree with
LittleCMS on a grid of colours; profiles of other kinds (tables) stay with LittleCMS.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import imagecodecs
import numpy as np

from restorecli.imaging import icc
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photo import FloatArray

_STEPS = 65536  # knots of a measured curve: every value of a 16-bit sample
_FINE = 1 << 18  # entries of a table over the square root of light, where all curves are smooth
# The last bits of float32 light are nearly as much in a sample where a curve is steep at black.
# So this is for 8-bit files; deeper ones go through LittleCMS.
_AGREES = 0.25 / 255
_BAND = 1 << 15  # pixels at once: what stays in a processor's cache
_RELATIVE = 1  # colorimetric intent


@dataclass(frozen=True)
class Shaper:
    """A profile against a working space.

    Attributes:
        decode: 3×65536: light for each sample value, per channel of the profile.
        matrix: 3×3: from the profile's light to the working space's.
        encode: 3×2¹⁸: sample in 0–1 for the square root of light, per channel of the profile.
    """

    decode: FloatArray
    matrix: FloatArray
    encode: FloatArray

    def forward(self, pixels: FloatArray, over: FloatArray | None = None) -> FloatArray:
        """H×W×3 float32 in 0–1 of the profile to the working space; colours outside lie beyond 0–1.

        The result goes to ``over`` where it is given, which may be ``pixels``.
        """
        result = np.empty_like(pixels) if over is None else over
        rows = max(1, _BAND // pixels.shape[1])
        for top in range(0, pixels.shape[0], rows):
            index = _indices(pixels[top : top + rows], _STEPS - 1)
            light = np.stack([self.decode[c].take(index[:, :, c]) for c in range(3)], axis=-1) @ self.matrix.T
            result[top : top + rows] = linear_to_srgb(light)
        return result

    def backward(self, pixels: FloatArray) -> FloatArray:
        """H×W×3 float32 of the working space to the profile's samples, in 0–1."""
        result = np.empty_like(pixels)
        back = np.linalg.inv(self.matrix.astype(np.float64)).astype(np.float32)
        rows = max(1, _BAND // pixels.shape[1])
        for top in range(0, pixels.shape[0], rows):
            light = srgb_to_linear(pixels[top : top + rows]) @ back.T
            index = _indices(np.sqrt(np.maximum(light, 0, out=light), out=light), _FINE - 1)
            for channel in range(3):
                result[top : top + rows, :, channel] = self.encode[channel].take(index[:, :, channel])
        return result


def _indices(values: FloatArray, last: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    scaled = values * np.float32(last)
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, last, out=scaled)
    return scaled.astype(np.int32)


@functools.lru_cache(maxsize=32)
def measured(profile: bytes, space: str) -> Shaper | None:
    """The shaper of an RGB profile against a working space; None where the profile is of another kind.

    Args:
        profile: an RGB profile.
        space: a key of `icc.SPACES`.

    Raises:
        ValueError: LittleCMS refuses the profile.
    """
    linear = icc.rgb_profile(icc.SPACES[space], icc.gamma_curve(1.0), "linear")
    ramp = np.linspace(0, 1, _STEPS, dtype=np.float32)
    curves, columns = [], []
    for channel in range(3):
        pixels = np.zeros((256, _STEPS // 256, 3), np.float32)
        pixels[:, :, channel] = ramp.reshape(256, -1)
        light = _through(pixels, profile, linear).reshape(-1, 3).astype(np.float64)
        column = light[-1]
        curve = light @ column / (column @ column)
        if not np.isfinite(curve).all() or (np.diff(curve) < -1e-6).any():
            return None
        curves.append(np.maximum.accumulate(curve))
        columns.append(column)
    wanted = np.linspace(0, 1, _FINE) ** 2
    inverse = [np.interp(wanted, curve, ramp) for curve in curves]
    shaper = Shaper(
        np.array(curves, np.float32), np.array(columns, np.float32).T.copy(), np.array(inverse, np.float32)
    )
    return shaper if _agrees(shaper, profile, space) else None


def _agrees(shaper: Shaper, profile: bytes, space: str) -> bool:
    steps = np.linspace(0, 1, 9, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)
    working = icc.working_profile(space)
    there = _through(grid, profile, working)
    inside = ((there >= 0) & (there <= 1)).all(axis=-1)
    ours = shaper.forward(grid)
    close = np.abs(ours - there)[inside].max() < _AGREES
    return bool(close and np.abs(shaper.backward(ours) - grid).max() < _AGREES)


def _through(pixels: FloatArray, source: bytes, target: bytes) -> FloatArray:
    result: FloatArray = imagecodecs.cms_transform(
        pixels, source, target, colorspace="rgb", outcolorspace="rgb", outdtype="float32", intent=_RELATIVE
    )
    return result
