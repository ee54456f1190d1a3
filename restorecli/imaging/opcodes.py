"""The opcodes of a DNG: what is to be done to its samples, as far as it changes values and not places.

Source: Adobe, Digital Negative Specification 1.4.0.0, chapter 7, "Opcode List Processing". Lists are
big-endian: a count, then for each opcode its number, a version, flags, the length of its parameters, and
these. Areas are given from the top left of the list's own picture: all stored pixels for list 1, the active
area for 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import FloatArray

VIGNETTE, BAD_CONSTANT, BAD_LIST, TABLE, POLYNOMIAL, GAIN_MAP = 3, 4, 5, 7, 8, 9
DELTA_ROWS, DELTA_COLUMNS, SCALE_ROWS, SCALE_COLUMNS = 10, 11, 12, 13
GEOMETRY = {1: "WarpRectilinear", 2: "WarpFisheye", 6: "TrimBounds", 14: "WarpRectilinear2"}
_FULL = 65535.0
_AREA = struct.Struct(">8I")  # top, left, bottom, right, first plane, planes, row pitch, column pitch


@dataclass(frozen=True)
class Opcode:
    """One opcode.

    Attributes:
        number: which one.
        optional: a program that does not know it may go on.
        data: its parameters.
    """

    number: int
    optional: bool
    data: bytes


@dataclass(frozen=True, eq=False)
class Lifted:
    """Samples after a list of opcodes.

    Attributes:
        pixels: H×W×C.
        lift: H×W×C, by what they were multiplied, which their noise was too; None where nothing was.
        unknown: names or numbers of the opcodes that were left out.
    """

    pixels: FloatArray
    lift: FloatArray | None
    unknown: tuple[str, ...]


def parse(block: bytes) -> list[Opcode]:
    """Return the opcodes of a list; those up to where it is damaged."""
    found: list[Opcode] = []
    if len(block) < 4:
        return found
    count, at = struct.unpack_from(">I", block)[0], 4
    while len(found) < count and at + 16 <= len(block):
        number, _, flags, length = struct.unpack_from(">4I", block, at)
        data = block[at + 16 : at + 16 + length]
        if len(data) < length:
            break
        found.append(Opcode(number, bool(flags & 1), data))
        at += 16 + length
    return found


def geometry(block: bytes) -> tuple[str, ...]:
    """Return the names of a list's opcodes that move pixels."""
    return tuple(GEOMETRY[code.number] for code in parse(block) if code.number in GEOMETRY)


def apply(
    pixels: FloatArray,
    block: bytes,
    *,
    unit: float | Sequence[float] = 1.0,
    done: frozenset[int] = frozenset(),
) -> Lifted:
    """Carry out a list of opcodes.

    Args:
        pixels: H×W×C of the list's own picture, changed in place; 0 is black and ``unit`` white.
        block: the tag's bytes.
        unit: what parameters that speak of a range of 1 mean: 1, 65535 for stored whole numbers, or for each
            channel what it was multiplied by.
        done: numbers of opcodes that have been carried out already.

    Returns:
        The result; opcodes that are not known, damaged or move pixels are left out and named.
    """
    units = np.broadcast_to(np.asarray(unit, np.float32), pixels.shape[2:])
    lift: FloatArray | None = None
    unknown: list[str] = []
    for code in (code for code in parse(block) if code.number not in done):
        factor: FloatArray | None = None
        try:
            if code.number == VIGNETTE:
                factor = _vignette(pixels.shape, code.data)
            elif code.number in (GAIN_MAP, SCALE_ROWS, SCALE_COLUMNS):
                factor = _factors(pixels.shape, code)
            elif code.number in _CHANGES:
                _CHANGES[code.number](pixels, code.data, units)
            else:
                unknown.append(GEOMETRY.get(code.number, f"opcode {code.number}"))
        except (struct.error, ValueError, IndexError):
            unknown.append(f"opcode {code.number}, damaged")
        if factor is not None:
            pixels *= factor
            lift = factor if lift is None else lift * factor
    return Lifted(pixels, lift, tuple(dict.fromkeys(unknown)))


def _area(shape: tuple[int, ...], data: bytes) -> tuple[slice, slice, slice]:
    """Return the rows, columns and planes of an area specification."""
    top, left, bottom, right, plane, planes, down, across = _AREA.unpack_from(data)
    if not (top <= bottom and left <= right and down and across):
        raise ValueError("an area upside down")
    rows = slice(top, min(bottom, shape[0]), down)
    columns = slice(left, min(right, shape[1]), across)
    return rows, columns, slice(min(plane, shape[2]), min(plane + planes, shape[2]))


def _count(length: int, part: slice) -> int:
    return len(range(*part.indices(length)))


def _vignette(shape: tuple[int, ...], data: bytes) -> FloatArray:
    """FixVignetteRadial: 1 + k0·r² + k1·r⁴ + … + k4·r¹⁰, r from the centre, 1 at the farthest corner."""
    *terms, across, down = struct.unpack_from(">7d", data)
    height, width = shape[:2]
    rows, columns = (np.arange(length, dtype=np.float64)[:, None] for length in (height, width))
    y, x = rows - down * (height - 1), columns.T - across * (width - 1)
    far_y, far_x = (max(part, 1 - part) * (length - 1) for part, length in ((down, height), (across, width)))
    square = (y**2 + x**2) / max(far_y**2 + far_x**2, 1e-9)
    gain = np.ones_like(square)
    for power, term in enumerate(terms, 1):
        gain += term * square**power
    return np.repeat(gain[:, :, None].astype(np.float32), shape[2], axis=2)


def _factors(shape: tuple[int, ...], code: Opcode) -> FloatArray:
    """GainMap, ScalePerRow and ScalePerColumn as factors of every sample."""
    factor = np.ones(shape, np.float32)
    rows, columns, planes = _area(shape, code.data)
    if code.number == GAIN_MAP:
        factor[rows, columns, planes] = _gain_map(shape, code.data)
        return factor
    values = _floats(code.data)
    if code.number == SCALE_ROWS:
        factor[rows, columns, planes] = values[: _count(shape[0], rows), None, None]
    else:
        factor[rows, columns, planes] = values[None, : _count(shape[1], columns), None]
    return factor


def _floats(data: bytes) -> FloatArray:
    """The numbers after an area and their count."""
    count = struct.unpack_from(">I", data, _AREA.size)[0]
    return np.frombuffer(data, ">f4", count, _AREA.size + 4).astype(np.float32)


def _gain_map(shape: tuple[int, ...], data: bytes) -> FloatArray:
    """The gains of an area: linear between the points of a map that lies over the whole picture."""
    rows, columns, planes = _area(shape, data)
    points = struct.unpack_from(">2I", data, _AREA.size)
    spacing = struct.unpack_from(">2d", data, _AREA.size + 8)
    origin = struct.unpack_from(">2d", data, _AREA.size + 24)
    layers = struct.unpack_from(">I", data, _AREA.size + 40)[0]
    count = points[0] * points[1] * layers
    grid = np.frombuffer(data, ">f4", count, _AREA.size + 44).astype(np.float32).reshape(*points, layers)
    for axis, part in ((0, rows), (1, columns)):
        places = np.arange(*part.indices(shape[axis])) + 0.5
        where = (places / shape[axis] - origin[axis]) / (spacing[axis] or 1.0)
        grid = _between(grid, axis, np.clip(where, 0, points[axis] - 1))
    return grid[:, :, np.minimum(np.arange(planes.stop - planes.start), layers - 1)]


def _between(grid: FloatArray, axis: int, where: NDArray[np.float64]) -> FloatArray:
    """Interpolate linearly along an axis at fractional indices."""
    first = np.minimum(where.astype(np.intp), max(grid.shape[axis] - 2, 0))
    last = np.minimum(first + 1, grid.shape[axis] - 1)
    share = (where - first).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(3)])
    result: FloatArray = grid.take(first, axis) * (1 - share) + grid.take(last, axis) * share
    return result


def _bad_constant(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    """FixBadPixelsConstant: pixels of one stored value are faulty."""
    del units
    value = struct.unpack_from(">I", data)[0]
    _replace(pixels, pixels[:, :, 0] == value)


def _bad_list(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    """FixBadPixelsList: points and rectangles that are faulty."""
    del units
    _, points, rectangles = struct.unpack_from(">3I", data)
    faulty = np.zeros(pixels.shape[:2], bool)
    at = 12
    for _ in range(points):
        row, column = struct.unpack_from(">2I", data, at)
        faulty[row : row + 1, column : column + 1] = True
        at += 8
    for _ in range(rectangles):
        top, left, bottom, right = struct.unpack_from(">4I", data, at)
        faulty[top:bottom, left:right] = True
        at += 16
    _replace(pixels, faulty)


def _replace(pixels: FloatArray, faulty: NDArray[np.bool_]) -> None:
    """Give faulty samples of a Bayer mosaic the mean of the good ones nearest to them of their own colour."""
    for row in range(2):
        for column in range(2):
            bad = faulty[row::2, column::2]
            plane = pixels[row::2, column::2, 0]
            if not bad.any() or bad.all():
                continue
            for y, x in zip(*np.nonzero(bad), strict=True):
                plane[y, x] = _good_mean(plane, bad, y, x)


def _good_mean(plane: FloatArray, bad: NDArray[np.bool_], y: int, x: int) -> float:
    for reach in range(1, max(plane.shape)):
        around = (slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1))
        good = plane[around][~bad[around]]
        if good.size >= 2:
            return float(good.mean())
    return float(plane[~bad].mean())


def _table(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    """MapTable: stored values by a table of 16-bit ones, the last for all beyond it."""
    count = struct.unpack_from(">I", data, _AREA.size)[0]
    table = np.frombuffer(data, ">u2", count, _AREA.size + 4).astype(np.float32)
    area = _area(pixels.shape, data)
    step = units[area[2]] / np.float32(_FULL)
    index = np.clip(np.rint(pixels[area] / step), 0, count - 1).astype(np.intp)
    pixels[area] = table[index] * step


def _polynomial(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    """MapPolynomial: c0 + c1·x + c2·x² + …, x from 0 to 1."""
    degree = struct.unpack_from(">I", data, _AREA.size)[0]
    terms = struct.unpack_from(f">{degree + 1}d", data, _AREA.size + 4)
    area = _area(pixels.shape, data)
    x = pixels[area] / units[area[2]]
    pixels[area] = np.polynomial.polynomial.polyval(x, terms).astype(np.float32) * units[area[2]]


def _delta_rows(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    rows, columns, planes = _area(pixels.shape, data)
    added = _floats(data)[: _count(pixels.shape[0], rows), None, None]
    pixels[rows, columns, planes] += added * units[planes]


def _delta_columns(pixels: FloatArray, data: bytes, units: FloatArray) -> None:
    rows, columns, planes = _area(pixels.shape, data)
    added = _floats(data)[None, : _count(pixels.shape[1], columns), None]
    pixels[rows, columns, planes] += added * units[planes]


_CHANGES: dict[int, Callable[[FloatArray, bytes, FloatArray], None]] = {
    BAD_CONSTANT: _bad_constant,
    BAD_LIST: _bad_list,
    TABLE: _table,
    POLYNOMIAL: _polynomial,
    DELTA_ROWS: _delta_rows,
    DELTA_COLUMNS: _delta_columns,
}
