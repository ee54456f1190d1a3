"""Radiance HDR files: light by imagecodecs, with lines in any order, in the colours that the header names.

Source: Greg Ward, "The RADIANCE Picture File Format" (FORMAT, PRIMARIES, the resolution string).
"""

from __future__ import annotations

import re

import imagecodecs
import numpy as np

from restorecli.imaging import icc
from restorecli.photos.raster import Raster, Samples, from_interleaved

_HEAD = 65536
_RESOLUTION = re.compile(rb"\n\r?\n([-+])([XY]) +(\d{1,9}) +([-+])([XY]) +(\d{1,9})\r?\n")
_PRIMARIES = re.compile(rb"^PRIMARIES=([^\n]{7,200})$", re.MULTILINE)
_XYZE = re.compile(rb"^FORMAT=\s*32-bit_rle_xyze", re.MULTILINE)
# White, red, green and blue that Radiance means where a file names none; its XYZ have the same white.
_RADIANCE = (1 / 3, 1 / 3, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060)


def size(data: bytes) -> tuple[int, int]:
    """Width and height. `ValueError` where the header states none."""
    _, first, slow, _, _, fast = _resolution(data)[1]
    return (fast, slow) if first == b"Y" else (slow, fast)


def decode(data: bytes) -> Raster:
    """Decode a file.

    Raises:
        ValueError, RuntimeError: it is damaged or cut short.
    """
    end, (slow_sign, first, slow, fast_sign, _, fast) = _resolution(data)
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (slow, fast)
    light: Samples = np.asarray(imagecodecs.rgbe_decode(head + data[end:]))
    if first == b"X":  # lines run down the picture
        light = light.swapaxes(0, 1)
    signs = (slow_sign, fast_sign) if first == b"Y" else (fast_sign, slow_sign)
    if signs[0] == b"+":
        light = light[::-1]
    if signs[1] == b"-":
        light = light[:, ::-1]
    header = data[:end]
    if _XYZE.search(header):
        to_rgb = np.linalg.inv(icc.primaries_xyz(_RADIANCE))
        return from_interleaved((light @ to_rgb.T).astype(np.float32), 1.0, linear=True)
    raster = from_interleaved(np.ascontiguousarray(light), 1.0, linear=True)
    if profile := _profile(header):
        raster.linear, raster.icc = False, profile
    return raster


def _resolution(data: bytes) -> tuple[int, tuple[bytes, bytes, int, bytes, bytes, int]]:
    """Where the pixels begin, and what the resolution string says."""
    found = _RESOLUTION.search(data, 0, _HEAD)
    if found is None or found[2] == found[5]:
        raise ValueError("it does not state its size")
    slow, fast = int(found[3]), int(found[6])
    return found.end(), (found[1], found[2], slow, found[4], found[5], fast)


def _profile(header: bytes) -> bytes | None:
    """The profile of light in the primaries that the header names; None for the usual ones, or nonsense."""
    found = _PRIMARIES.search(header)
    try:
        numbers = [float(word) for word in found[1].split()] if found else []
    except ValueError:
        return None
    if len(numbers) != 8:
        return None
    order = (*numbers[6:], *numbers[:6])  # the file has white last
    if np.allclose(order, _RADIANCE, atol=2e-3) or np.allclose(order, icc.SPACES["srgb"], atol=2e-3):
        return None
    try:
        return icc.rgb_profile(order, icc.gamma_curve(1.0), "Linear, of a Radiance picture")
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None
