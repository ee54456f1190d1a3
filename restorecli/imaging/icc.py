"""RGB spaces by their primaries, and small ICC profiles of them (ICC.1:2010, version 4, matrix and curve)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

D50 = (0.9642, 1.0, 0.8249)  # the XYZ of the white that profiles connect at
# Bradford's cone responses.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

# White x, y, then x, y of red, green and blue.
SPACES: dict[str, tuple[float, ...]] = {
    "srgb": (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    "display-p3": (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    "rec2020": (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    "prophoto": (0.345704, 0.358540, 0.734699, 0.265301, 0.159597, 0.840403, 0.036598, 0.000105),
}


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def gamma_curve(exponent: float) -> bytes:
    """The curve y = x^exponent, as a parametric curve element."""
    return b"para\0\0\0\0\0\0\0\0" + _fixed(exponent)


def srgb_curve() -> bytes:
    """The sRGB transfer curve (IEC 61966-2-1), as a parametric curve element."""
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0\0\3\0\0" + b"".join(_fixed(number) for number in numbers)


def romm_curve() -> bytes:
    """The transfer curve of ROMM RGB, known as ProPhoto (ISO 22028-2), as a parametric curve element."""
    return b"para\0\0\0\0\0\3\0\0" + b"".join(_fixed(number) for number in (1.8, 1, 0, 1 / 16, 1 / 32))


def sampled_curve(values: NDArray[np.float64]) -> bytes:
    """The curve through light `values` (0–1) at equal steps of the sample, as a table."""
    table = np.rint(np.clip(values, 0, 1) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", table.size) + table.tobytes()


def rgb_profile(chromaticities: Sequence[float], curve: bytes, description: str) -> bytes:
    """An RGB display profile.

    Args:
        chromaticities: x and y of white, red, green and blue.
        curve: from `gamma_curve`, `srgb_curve` or `romm_curve`, used for all channels.
        description: its name, ASCII.
    """
    return matrix_profile(colorants(chromaticities), curve, description)


def matrix_profile(columns: Matrix, curve: bytes, description: str) -> bytes:
    """An RGB profile of a 3×3 matrix whose columns are the XYZ of red, green and blue under D50."""
    tags = _common(description)
    for name, colorant in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags[name + b"XYZ"] = _xyz(*map(float, colorant))
        tags[name + b"TRC"] = curve
    return _assemble(b"RGB ", tags)


def gray_profile(curve: bytes, description: str) -> bytes:
    """A gray display profile with transfer curve `curve`."""
    return _assemble(b"GRAY", _common(description) | {b"kTRC": curve})


@functools.lru_cache
def working_profile(space: str, gray: bool = False) -> bytes:
    """The profile of a working space of `SPACES`, or of gray with the same (sRGB) curve."""
    if gray:
        return gray_profile(srgb_curve(), "Gray with the sRGB curve")
    return rgb_profile(SPACES[space], srgb_curve(), "sRGB" if space == "srgb" else f"{space}, sRGB curve")


@functools.lru_cache
def linear_profile(gray: bool, space: str = "srgb") -> bytes:
    """The profile of samples that are proportional to light, with the primaries of a working space."""
    if gray:
        return gray_profile(gamma_curve(1.0), "Linear gray")
    return rgb_profile(SPACES[space], gamma_curve(1.0), f"Linear {'sRGB' if space == 'srgb' else space}")


def colorants(chromaticities: Sequence[float]) -> Matrix:
    """3×3: the XYZ of red, green and blue in its columns, seen under D50."""
    x, y = chromaticities[:2]
    adapted: Matrix = adaptation(np.array([x / y, 1.0, (1 - x - y) / y]), np.array(D50)) @ primaries_xyz(
        chromaticities
    )
    return adapted


def primaries_xyz(chromaticities: Sequence[float]) -> Matrix:
    """3×3: the XYZ of red, green and blue in its columns, under their own white; Y of white is 1."""
    xy = np.array(chromaticities, dtype=np.float64).reshape(4, 2)
    xyz = np.column_stack([xy, 1 - xy.sum(axis=1)])
    white, primaries = xyz[0] / xyz[0, 1], xyz[1:].T
    scaled: Matrix = primaries * np.linalg.solve(primaries, white)
    return scaled


def adaptation(white: NDArray[np.float64], wanted: NDArray[np.float64]) -> Matrix:
    """3×3: XYZ seen under one white to XYZ seen under another, by Bradford's cone responses (CIE 159)."""
    gains = (_BRADFORD @ wanted) / (_BRADFORD @ white)
    adapted: Matrix = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    return adapted


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(x) + _fixed(y) + _fixed(z)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _common(description: str) -> dict[bytes, bytes]:
    return {b"desc": _text(description), b"cprt": _text("No copyright, use freely"), b"wtpt": _xyz(*D50)}


def _assemble(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, known = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        if content not in known:
            body += bytes(-len(body) % 4)
            known[content] = start + len(body)
            body += content
        table += struct.pack(">4sII", name, known[content], len(content))
    body += bytes(-len(body) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04300000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(_fixed(value) for value in D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
