"""Places in a picture (a face, the subject), turned with it as the EXIF orientation asks.

The same turn as `imaging.orientation.upright`: rows and columns swapped for 5–8, then reversed.
"""

from __future__ import annotations

_COLUMNS_REVERSED = (2, 3, 6, 7)
_ROWS_REVERSED = (3, 4, 7, 8)


def turned_point(
    x: float, y: float, orientation: int, width: float = 1.0, height: float = 1.0
) -> tuple[float, float]:
    """A point of a picture of `width` × `height`, as stored, in the upright picture."""
    if orientation >= 5:
        x, y, width, height = y, x, height, width
    if orientation in _COLUMNS_REVERSED:
        x = width - x
    if orientation in _ROWS_REVERSED:
        y = height - y
    return x, y


def turned_extent(width: float, height: float, orientation: int) -> tuple[float, float]:
    """Width and height of something in the upright picture."""
    return (height, width) if orientation >= 5 else (width, height)


def turned_box(
    x: float,
    y: float,
    box: tuple[float, float],
    orientation: int,
    width: float = 1.0,
    height: float = 1.0,
) -> tuple[float, float, float, float]:
    """Left, top, width and height of a box, given by its corner and extent, in the upright picture."""
    centre = turned_point(x + box[0] / 2, y + box[1] / 2, orientation, width, height)
    across, down = turned_extent(*box, orientation)
    return centre[0] - across / 2, centre[1] - down / 2, across, down


def turned_place(values: list[float], orientation: int, size: tuple[int, int]) -> list[float]:
    """EXIF's SubjectArea in pixels: a point; a centre and a diameter; or a centre, a width and a height."""
    point = turned_point(values[0], values[1], orientation, *size)
    extent = turned_extent(values[2], values[3], orientation) if len(values) >= 4 else tuple(values[2:])
    return [*point, *extent]


def scaled_place(values: list[float], across: float, down: float) -> list[float]:
    """The same in a picture enlarged by two factors."""
    factors = [across, down, *([across, down] if len(values) >= 4 else [(across + down) / 2])]
    return [float(round(value * factor)) for value, factor in zip(values, factors, strict=False)]
