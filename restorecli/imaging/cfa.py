"""Colour filter arrays: which colour a pixel of a mosaic holds.

A pattern repeats every 2×2 or 6×6 pixels and is named by the colours of its top left ones, row by row: "RGGB"
has red at row 0, column 0; the 36 letters of an X-Trans pattern stand for six rows of six.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

COLOURS = "RGB"

FloatArray = NDArray[np.float32]
Sample = TypeVar("Sample", bound=np.generic)


def period(pattern: str) -> int:
    """Return after how many pixels a pattern repeats, across and down.

    Raises:
        ValueError: the letters are not those of a square of red, green and blue pixels.
    """
    side = isqrt(len(pattern))
    if side < 2 or side**2 != len(pattern) or set(pattern) != set(COLOURS):
        raise ValueError(f"{pattern!r} is no square pattern of red, green and blue")
    return side


def sites(pattern: str) -> list[tuple[int, int, int]]:
    """Return row, column and channel (R 0, G 1, B 2) of the pattern's pixels."""
    side = period(pattern)
    return [(place // side, place % side, COLOURS.index(colour)) for place, colour in enumerate(pattern)]


def shifted(pattern: str, rows: int, columns: int) -> str:
    """Return the pattern of a mosaic from which the first ``rows`` rows and ``columns`` columns are cut."""
    side = period(pattern)
    return "".join(
        pattern[side * ((row + rows) % side) + (column + columns) % side]
        for row in range(side)
        for column in range(side)
    )


def channels(shape: tuple[int, ...], pattern: str) -> NDArray[np.intp]:
    """Return H×W: the channel (R 0, G 1, B 2) that every pixel of a mosaic holds."""
    side = period(pattern)
    tile = np.array([COLOURS.index(colour) for colour in pattern], np.intp).reshape(side, side)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    held: NDArray[np.intp] = tile[rows % side, columns % side]
    return held


def sample(image: NDArray[Sample], pattern: str) -> NDArray[Sample]:
    """Return the H×W mosaic of an H×W×3 image: at every pixel the one colour that the pattern has there."""
    side = period(pattern)
    mosaic = np.empty(image.shape[:2], image.dtype)
    for row, column, channel in sites(pattern):
        mosaic[row::side, column::side] = image[row::side, column::side, channel]
    return mosaic


def as_zeros(mosaic: NDArray[Sample], pattern: str) -> NDArray[Sample]:
    """Return an H×W mosaic as H×W×3, where the two colours that a pixel does not hold are zero."""
    side = period(pattern)
    image = np.zeros((*mosaic.shape, 3), mosaic.dtype)
    for row, column, channel in sites(pattern):
        image[row::side, column::side, channel] = mosaic[row::side, column::side]
    return image


def recognise_zeros(image: NDArray[np.generic], patterns: Sequence[str]) -> str | None:
    """Return the pattern of an H×W×3 image that is a mosaic written with zeros, or None if it is not one.

    Every colour a pixel does not hold must be exactly zero, and each place of the pattern hold something.

    Args:
        image: the picture.
        patterns: those it may have, all of one period.
    """
    side = period(patterns[0])
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < side:
        return None
    held = {
        (row, column, channel)
        for row in range(side)
        for column in range(side)
        for channel in range(3)
        if np.any(image[row::side, column::side, channel])
    }
    return next((pattern for pattern in patterns if set(sites(pattern)) == held), None)


def local_mean(mosaic: FloatArray, pattern: str, width: int) -> FloatArray:
    """Return H×W: the mean of a pixel's own colour in the ``width``×``width`` pixels around it."""
    held = channels(mosaic.shape, pattern)
    result = np.empty_like(mosaic)
    for channel in range(len(COLOURS)):
        own = (held == channel).astype(np.float32)
        total = uniform_filter(mosaic * own, width, mode="reflect")
        share = uniform_filter(own, width, mode="reflect")
        np.divide(total, share, out=result, where=held == channel)
    return result
