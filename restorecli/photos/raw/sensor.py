"""What lies on the sensor: its kind, where its picture lies, and its numbers made light."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.imaging import bayer, cfa, opcodes, xtrans
from restorecli.photo import FloatArray
from restorecli.photos.raw import levels as raw_levels
from restorecli.photos.raw import tags as raw_tags
from restorecli.photos.raw.tags import RawTags

_SEEN = 8  # pixels that are compared to distinguish a Bayer pattern from others
_FULL = 65535.0
MOSAICS: tuple[str, ...] = (*bayer.PATTERNS, *xtrans.PATTERNS)
"""Patterns that there are networks for."""

Area = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True, eq=False)
class Sensor:
    """What was read: normalised pixels, their pattern, levels per colour, and remarks."""

    pixels: FloatArray
    area: Area
    pattern: str
    black: tuple[float, float, float]
    white: float
    saturation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lift: FloatArray | None = None
    warnings: tuple[str, ...] = ()


def read(stream: BinaryIO, file: Any, tags: RawTags, name: str) -> Sensor:
    """Read the pixels of a RAW file.

    Args:
        stream: the file.
        file: the same, unpacked by rawpy.
        tags: of the same file.
        name: how messages call it.

    Raises:
        UnreadableError: it holds no picture.
        UnsupportedError: a sensor that is not handled, by name.
    """
    description = bytes(file.color_desc).decode("ascii", "replace")
    if file.num_colors == 1:
        raise UnsupportedError(f"{name}: a monochrome sensor's RAW", "develop it to a TIFF first")
    if file.num_colors != 3 or description[:3] != "RGB":
        raise UnsupportedError(f"{name}: a sensor with the colours {description}, not red, green and blue")
    if file.raw_image.ndim == 3:
        return _linear(stream, file, tags, name)
    pattern = _pattern(file, tags)
    if pattern in MOSAICS:
        return _mosaic(stream, file, tags, pattern, name)
    raise UnsupportedError(f"{name}: a mosaic that is neither Bayer nor X-Trans")


def area_of(file: Any, tags: RawTags) -> Area:
    """Top, left, height and width of the pixels that are not masked.

    LibRaw makes odd margins even, and loses a row or a column by it; a DNG's own area is exact.
    """
    sizes = file.sizes
    if tags.area is not None:
        top, left, bottom, right = tags.area
        if 0 <= top < bottom <= sizes.raw_height and 0 <= left < right <= sizes.raw_width:
            return top, left, bottom - top, right - left
    height = min(sizes.height, sizes.raw_height - sizes.top_margin)
    width = min(sizes.width, sizes.raw_width - sizes.left_margin)
    return sizes.top_margin, sizes.left_margin, height, width


def _pattern(file: Any, tags: RawTags) -> str:
    """The pattern at the area's top left, of 2×2 or 6×6 pixels, or "" for any other.

    `raw_pattern` is that of the stored picture's corner, masked border included, and wrong for X-Trans; only
    `raw_color` within the visible area can be trusted.
    """
    try:
        period = file.raw_pattern.shape
    except NotImplementedError:  # patterns that LibRaw numbers and rawpy does not know
        return ""
    side = 6 if tags.repeat == (6, 6) or period == (6, 6) else 2
    top, left = file.sizes.top_margin, file.sizes.left_margin
    letters = bytes(file.color_desc).decode("ascii", "replace")
    seen = range(max(_SEEN, side))
    corner = [[letters[file.raw_color(top + row, left + column)] for column in seen] for row in seen]
    if any(corner[y][x] != corner[y % side][x % side] for y, x in product(seen, seen)):
        return ""
    pattern = "".join(letter for row in corner[:side] for letter in row[:side])
    area = area_of(file, tags)
    return cfa.shifted(pattern, (area[0] - top) % side, (area[1] - left) % side)


def _cut(samples: NDArray[Any], area: Area) -> NDArray[Any]:
    top, left, height, width = area
    return samples[top : top + height, left : left + width]


def _exact(stream: BinaryIO, file: Any, tags: RawTags, name: str) -> FloatArray | None:
    """Floating-point samples as the file has them; None for whole numbers, which LibRaw gives exactly."""
    if not tags.is_float:
        return None
    samples = raw_tags.float_samples(stream, name)
    if samples.shape[:2] != file.raw_image.shape[:2] or samples.ndim != file.raw_image.ndim:
        raise UnreadableError(f"{name}: its directories contradict each other")
    return samples


def _mosaic(stream: BinaryIO, file: Any, tags: RawTags, pattern: str, name: str) -> Sensor:
    area, side = area_of(file, tags), cfa.period(pattern)
    if min(area[2:]) < side:
        raise UnreadableError(f"{name}: {area[3]}×{area[2]} pixels are not a mosaic")
    exact = _exact(stream, file, tags, name)
    stored, warnings = _first_opcodes(file.raw_image if exact is None else exact, tags)
    samples = _cut(stored, area)
    white = float(file.white_level) if exact is None else _float_white(tags)
    table = _black_table(file, tags, area, side)
    raw_levels.check_picture(samples, table, white, name)
    black = _per_colour(table, pattern)
    stated = file.camera_white_level_per_channel if exact is None else None
    pixels = raw_levels.normalised(samples[:, :, None], table, white)
    lifted = _second_opcodes(pixels, tags)
    return Sensor(
        pixels=lifted.pixels,
        area=area,
        pattern=pattern,
        black=black,
        white=white,
        saturation=raw_levels.saturation(samples, pattern, stated[:3] if stated else None, black, white),
        lift=lifted.lift,
        warnings=(*warnings, *_left_out(lifted)),
    )


def _first_opcodes(stored: NDArray[Any], tags: RawTags) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Carry out a DNG's first list of opcodes, which is for the samples as they are stored."""
    if not tags.first_opcodes:
        return stored, ()
    pixels = stored.astype(np.float32)[:, :, None]
    done = opcodes.apply(pixels, tags.first_opcodes, unit=1.0 if tags.is_float else _FULL)
    result = done.pixels[:, :, 0]
    if stored.dtype.kind == "u":
        result = np.clip(np.rint(result), 0, _FULL).astype(stored.dtype)
    return result, _left_out(done)


def _second_opcodes(pixels: FloatArray, tags: RawTags) -> opcodes.Lifted:
    """Carry out a DNG's second list of opcodes, for normalised samples; gained ones saturate at 1."""
    done = frozenset({opcodes.POLYNOMIAL}) if tags.lossy else frozenset[int]()
    lifted = opcodes.apply(pixels, tags.second_opcodes, done=done)
    if lifted.lift is not None:
        np.minimum(lifted.pixels, 1, out=lifted.pixels)
    return lifted


def _left_out(done: opcodes.Lifted) -> tuple[str, ...]:
    if not done.unknown:
        return ()
    return (f"corrections that the file asks for were left out: {', '.join(done.unknown)}",)


def _float_white(tags: RawTags) -> float:
    return float(tags.white.max()) if tags.white is not None else 1.0


def _black_table(file: Any, tags: RawTags, area: Area, side: int) -> raw_levels.Table:
    """Black levels of a mosaic with a period of ``side``, rows × columns × 1, from the area's top left.

    A DNG's table begins at its active area. LibRaw gives levels by colour (R, G, B, second green), which is
    not the order of places, and lays them one off where it has changed an odd margin.
    """
    if tags.black is not None:
        return tags.black
    levels = file.black_level_per_channel
    top, left = area[:2]
    places = product(range(side), range(side))
    values = [levels[file.raw_color(top + row, left + column)] for row, column in places]
    return np.array(values, np.float64).reshape(side, side, 1)


def _per_colour(table: raw_levels.Table, pattern: str) -> tuple[float, float, float]:
    side = cfa.period(pattern)
    rows, columns = np.indices((side * table.shape[0], side * table.shape[1]))
    whole = table[rows % table.shape[0], columns % table.shape[1], 0]
    held = cfa.channels(whole.shape, pattern)
    red, green, blue = (float(whole[held == channel].mean()) for channel in range(3))
    return red, green, blue


def _linear(stream: BinaryIO, file: Any, tags: RawTags, name: str) -> Sensor:
    """Pixels that hold all three colours already: linear DNG, reduced RAW, film scanners."""
    area = area_of(file, tags)
    exact = _exact(stream, file, tags, name)
    samples = _cut(file.raw_image if exact is None else exact, area)[:, :, :3]
    if exact is None:
        white = float(file.white_level)
        table = np.array(file.black_level_per_channel[:3], np.float64).reshape(1, 1, 3)
        if white <= 255 and samples.max() > 2 * white:
            white = _FULL  # LibRaw spreads a film scanner's 8 bits over 16, and keeps the old level
    else:
        white = _float_white(tags)
        table = tags.black if tags.black is not None else np.zeros((1, 1, 3))
    raw_levels.check_picture(samples, table, white, name)
    levels = [float(level) for level in table.reshape(-1, 3).mean(axis=0)]
    each = tags.white if tags.white is not None and tags.white.size == 3 and white in tags.white else white
    pixels = raw_levels.normalised(samples, table, each)
    lifted = _second_opcodes(pixels, tags)
    black = (levels[0], levels[1], levels[2])
    return Sensor(lifted.pixels, area, "", black, white, lift=lifted.lift, warnings=_left_out(lifted))
