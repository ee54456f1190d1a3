"""BMP files: bit fields of any width, of which Pillow reads only the common ones, and colours of the header.

Source: Microsoft's BITMAPINFOHEADER, BITMAPV4HEADER (primaries and gamma) and BITMAPV5HEADER (profile).
"""

from __future__ import annotations

import struct

import numpy as np

from restorecli.imaging import icc
from restorecli.photos.raster import Raster, Samples, from_interleaved

_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_JPEG, _PNG = 4, 5
_INFO_HEADER, _WITH_ALPHA, _V4, _V5 = 40, 56, 108, 124  # bytes of headers
_D65 = (0.3127, 0.3290)
_LEAST = 0.01


def masks(data: bytes) -> tuple[int, ...] | None:
    """Where the bits of red, green, blue (and alpha) lie in a pixel; None for BMPs without bit fields."""
    if len(data) < 54:
        return None
    (header,) = struct.unpack_from("<I", data, 14)
    if header < _INFO_HEADER:
        return None
    bits, compression = struct.unpack_from("<HI", data, 28)
    if compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        return None
    count = 4 if compression == _ALPHA_BITFIELDS or header >= _WITH_ALPHA else 3
    found = struct.unpack_from(f"<{count}I", data, 54)
    return found if count == 4 and found[3] else found[:3]


def decode(data: bytes, channels: tuple[int, ...]) -> Raster:
    """Decode the pixels by `masks`; fields of up to 8 bits become 8 bits, wider ones 16.

    Raises:
        ValueError, struct.error: the file is damaged or cut short.
    """
    (start,) = struct.unpack_from("<I", data, 10)
    _, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    width, rows = size(data)
    row = (width * bits + 31) // 32 * 4
    if width <= 0 or not rows or start + rows * row > len(data):
        raise ValueError("the file is cut short")
    lines = np.frombuffer(data, np.uint8, rows * row, start).reshape(rows, row)
    pixels = lines[:, : width * bits // 8].copy().view("<u2" if bits == 16 else "<u4")
    if height > 0:  # the usual order: the bottom line first
        pixels = pixels[::-1]
    deep = any(mask.bit_count() > 8 for mask in channels)
    samples = np.stack([_field(pixels, mask, 65535 if deep else 255) for mask in channels], axis=-1)
    samples = samples.astype(np.uint16 if deep else np.uint8)
    raster = from_interleaved(samples, 65535.0 if deep else 255.0)
    across, down = struct.unpack_from("<ii", data, 38)
    raster.dpi = (across * 0.0254, down * 0.0254) if across > 0 and down > 0 else None
    raster.icc = profile(data)
    return raster


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a file that has `masks`."""
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)


def unusual(data: bytes) -> str:
    """What makes a file one that hardly any program reads; "" for others."""
    if len(data) < 54 or struct.unpack_from("<I", data, 14)[0] < _INFO_HEADER:
        return ""
    bits, compression = struct.unpack_from("<HI", data, 28)
    if bits == 0 and compression in (_JPEG, _PNG):
        return "that holds a JPEG or PNG"
    return f"of {bits} bits per pixel" if bits in (2, 64) else ""


def profile(data: bytes) -> bytes | None:
    """The ICC profile of a file: embedded, or by the primaries and gamma in its header; None without."""
    if len(data) < 14 + _V4 or struct.unpack_from("<I", data, 14)[0] < _V4:
        return None
    if data[70:74] == bytes(4):
        return _calibrated(data)
    if len(data) < 14 + _V5 or data[70:74] != b"DEBM":
        return None
    start, length = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + start : 14 + start + length] or None


def _calibrated(data: bytes) -> bytes | None:
    """The profile of LCS_CALIBRATED_RGB; None where the numbers make none, as those that are all zero."""
    ends = np.array(struct.unpack_from("<9i", data, 74), np.float64).reshape(3, 3) / 2**30
    gamma = np.array(struct.unpack_from("<3I", data, 110), np.float64) / 2**16
    sums = ends.sum(axis=1, keepdims=True)
    if (ends < 0).any() or (sums < _LEAST).any() or np.ptp(gamma) > _LEAST or not 1 <= gamma[0] <= 4:
        return None
    x_y = (ends / sums)[:, :2]
    try:
        return icc.rgb_profile((*_D65, *x_y.ravel()), icc.gamma_curve(float(gamma[0])), "BMP calibrated RGB")
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None


def _field(pixels: Samples, mask: int, peak: int) -> Samples:
    if not mask:
        return np.zeros(pixels.shape, np.float64)
    shift = (mask & -mask).bit_length() - 1
    return np.asarray(np.rint(((pixels & mask) >> shift) * (peak / (mask >> shift))))
