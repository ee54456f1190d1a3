"""Makes small DNG files with known facts, so that tests know the truth of a camera RAW (DNG 1.4)."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import tifffile

# Linear sRGB (IEC 61966-2-1) from CIE XYZ under D65: with this matrix camera RGB is linear sRGB.
SRGB_FROM_XYZ = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 10, 12
CFA, LINEAR_RAW = 32803, 34892
Tag = tuple[int, int, int, Any, bool]


def cfa_dng(mosaic: np.ndarray, pattern: str = "RGGB", **options: Any) -> bytes:
    """Return a DNG whose visible pixels are ``mosaic`` (H×W) with a ``pattern`` by letters at its top left.

    Args:
        mosaic: H×W uint8, uint16 or float32, stored as it is: black level included, white level saturated.
        pattern: of the visible area: "RGGB", "GRBG", "GBRG", "BGGR", or 36 letters, row by row.
        options: see `dng`.
    """
    side = isqrt(len(pattern))
    codes = np.array(["RGB".index(letter) for letter in pattern], np.uint8).reshape(side, side)
    return dng(mosaic, codes, **options)


def xtrans_dng(mosaic: np.ndarray, pattern: np.ndarray, **options: Any) -> bytes:
    """Return a DNG of a mosaic with any other pattern of colours 0, 1, 2 (rows × columns)."""
    return dng(mosaic, np.asarray(pattern, np.uint8), **options)


def linear_dng(pixels: np.ndarray, **options: Any) -> bytes:
    """Return a DNG that holds H×W×3 (or H×W×1) linear camera RGB, no mosaic."""
    return dng(pixels, None, **options)


def dng(
    samples: np.ndarray,
    codes: np.ndarray | None,
    *,
    white: float | Sequence[float] | None = None,
    black: float | Sequence[float] = 0,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
    orientation: int = 1,
    neutral: Sequence[float] | None = (1.0, 1.0, 1.0),
    white_xy: tuple[float, float] | None = None,
    matrix: np.ndarray | None = SRGB_FROM_XYZ,
    crop: tuple[int, int, int, int] | None = None,
    aspect: tuple[float, float] = (1.0, 1.0),
    black_repeat: tuple[int, int] = (2, 2),
    make: str = "Maker",
    model: str = "Camera",
    tags: Sequence[Tag] = (),
    border: int = 7,
) -> bytes:
    """Return the bytes of a DNG.

    Args:
        samples: what is visible.
        codes: the repeating pattern at its top left; None for linear samples.
        white: white level; the type's maximum (1 for float) by default.
        black: one level, or one for each place of ``black_repeat``, row by row; one per colour if linear.
        margins: rows above, columns left, rows below, columns right that are masked: they lie around
            ``samples``, outside the active area, and hold ``border``.
        orientation: EXIF orientation.
        neutral: camera RGB of what is white as shot (1 ÷ gain), or None.
        white_xy: the same as CIE xy.
        matrix: CIE XYZ under D65 to camera RGB, or None.
        crop: top, left, height, width of the default crop, within what is visible.
        aspect: default scale, horizontal and vertical.
        black_repeat: rows and columns of the table of black levels.
        make: the camera's maker.
        model: and its name.
        tags: more tags for the first directory, as tifffile takes them.
        border: value of masked pixels.
    """
    top, left, bottom, right = margins
    height, width = samples.shape[:2]
    around = [(top, bottom), (left, right)] + [(0, 0)] * (samples.ndim - 2)
    stored = np.pad(samples, around, constant_values=border)
    most = 1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
    levels = np.atleast_1d(np.asarray(black, float))
    whites = np.atleast_1d(np.asarray(most if white is None else white))
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    entries: list[Tag] = [
        (271, ASCII, 0, make, True),
        (272, ASCII, 0, model, True),
        (274, SHORT, 1, orientation, True),
        (50706, BYTE, 4, (1, 4, 0, 0), True),
        (50707, BYTE, 4, (1, 1, 0, 0), True),
        (50708, ASCII, 0, f"{make} {model}", True),
        (50717, LONG, channels, tuple(int(value) for value in np.broadcast_to(whites, channels)), True),
        (50718, RATIONAL, 2, rationals(aspect), True),
        (50829, LONG, 4, (top, left, top + height, left + width), True),
    ]
    if codes is not None:
        rows, columns = codes.shape
        # The pattern begins at the stored picture's corner of the active area (DNG 1.4, "ActiveArea").
        entries += [
            (33421, SHORT, 2, (rows, columns), True),
            (33422, BYTE, codes.size, tuple(int(code) for code in codes.ravel()), True),
            (50710, BYTE, 3, (0, 1, 2), True),
            (50711, SHORT, 1, 1, True),
        ]
    if codes is not None and levels.size > 1:
        entries += [
            (50713, SHORT, 2, black_repeat, True),
            (50714, RATIONAL, levels.size, rationals(levels), True),
        ]
    else:
        values = np.broadcast_to(levels, channels)
        entries += [(50713, SHORT, 2, (1, 1), True), (50714, RATIONAL, channels, rationals(values), True)]
    if crop is not None:
        entries += [
            (50719, RATIONAL, 2, rationals((crop[1], crop[0])), True),
            (50720, RATIONAL, 2, rationals((crop[3], crop[2])), True),
        ]
    if matrix is not None:
        entries += [
            (50721, SRATIONAL, 9, rationals(np.asarray(matrix).ravel()), True),
            (50778, SHORT, 1, 21, True),
        ]
    if white_xy is not None:
        entries.append((50729, RATIONAL, 2, rationals(white_xy), True))
    elif neutral is not None:
        entries.append((50728, RATIONAL, 3, rationals(neutral), True))
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        stored,
        photometric=CFA if codes is not None or channels == 1 else LINEAR_RAW,
        planarconfig="contig" if stored.ndim == 3 else None,
        metadata=None,
        software=False,
        extratags=sorted([*entries, *tags], key=lambda entry: entry[0]),
    )
    data = buffer.getvalue()
    if (
        codes is None and channels == 1
    ):  # a monochrome camera's; tifffile knows linear RAW of three colours only
        data = data.replace(
            struct.pack("<HHIHH", 262, 3, 1, CFA, 0), struct.pack("<HHIHH", 262, 3, 1, LINEAR_RAW, 0)
        )
    return data


def rationals(values: Sequence[float] | np.ndarray) -> tuple[int, ...]:
    """Return numerators and denominators, one after the other."""
    fractions = [Fraction(float(value)).limit_denominator(1_000_000) for value in values]
    return tuple(part for fraction in fractions for part in (fraction.numerator, fraction.denominator))
