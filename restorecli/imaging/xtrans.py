"""Fujifilm's X-Trans mosaic: its phases, its cells of 3×3 pixels, and plain interpolation.

The 6×6 pattern is a chessboard of two cells, ``GRG BGB GRG`` and ``GBG RGR GBG`` (row by row): the second is
the first with red and blue exchanged. So a network that works on 3×3 pixels at a time sees the same cell
everywhere once red and blue are exchanged in every second one (`exchange`), and no part of it has to learn
the phase.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from restorecli.imaging import cfa

CELL = 3  # pixels
PERIOD = 6
PATTERN = "GRGGBG" + "BGBRGR" + "GRGGBG" + "GBGGRG" + "RGRBGB" + "GBGGRG"
"""The pattern that starts with a whole cell of two red pixels."""

PATTERNS = tuple(
    dict.fromkeys(cfa.shifted(PATTERN, rows, columns) for rows in range(6) for columns in range(6))
)
"""All phases: 18, since three rows and three columns on the pattern is the same again."""

_TENT = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).astype(np.float32)

FloatArray = NDArray[np.float32]


def interpolate(mosaic: FloatArray, pattern: str) -> FloatArray:
    """Interpolate an H×W mosaic to H×W×3: a missing colour is the mean of its samples within 5×5 pixels.

    Near samples count more (a tent of 3, 2, 1 in each direction); a pixel's own colour stays as it is.
    Borders are continued by reflection, and only samples that the pattern has there are counted.
    """
    held = cfa.channels(mosaic.shape, pattern)
    image = np.empty((*mosaic.shape, 3), np.float32)
    for channel in range(3):
        own = (held == channel).astype(np.float32)
        total = correlate(mosaic * own, _TENT, mode="mirror")
        weight = correlate(own, _TENT, mode="mirror")
        image[..., channel] = np.where(held == channel, mosaic, total / np.maximum(weight, 1))
    return image


def exchange(image: NDArray[cfa.Sample]) -> NDArray[cfa.Sample]:
    """Exchange red and blue in every second 3×3 cell of H×W×3, so that all look alike; twice is not at all.

    Args:
        image: from the first pixel of a cell on; that cell stays as it is.
    """
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    other = (rows // CELL + columns // CELL) % 2 == 1
    return np.where(other[..., None], image[..., ::-1], image)


def to_phase(planes: FloatArray, pattern: str, wanted: str) -> tuple[FloatArray, tuple[int, int]]:
    """Return a mosaic extended to whole cells and the pattern ``wanted``, and how much came before it.

    Beyond its borders the mosaic is mirrored about the middle of its outermost whole cells, which keeps the
    colours in their places; two cells come before its first and one or more behind its last pixel.

    Args:
        planes: H×W×C of at least 6×6 pixels.
        pattern: what it has.
        wanted: what the network knows.
    """
    if min(planes.shape[:2]) < PERIOD:
        raise ValueError(f"an X-Trans mosaic has at least 6×6 pixels, this has {planes.shape[:2]}")
    starts = [(row, column) for row in range(PERIOD) for column in range(PERIOD)]
    rows, columns = min(start for start in starts if cfa.shifted(wanted, *start) == pattern)
    before = (rows + PERIOD, columns + PERIOD)
    index = [_mirrored(length, first) for length, first in zip(planes.shape[:2], before, strict=True)]
    return planes[np.ix_(*index)], before


def _mirrored(length: int, before: int) -> NDArray[np.intp]:
    """Return which pixel stands at each place of an extended row; the mirrors are middles of whole cells."""
    after = CELL + (-(before + length)) % CELL
    places = np.arange(-before, length + after)
    first = (1 - before) % CELL  # a middle: the extended row begins with a cell
    last = length - 1 - (length - 1 - first) % CELL
    for _ in range(4):  # back and forth where the row is shorter than what it lacks
        places = np.where(places < 0, 2 * first - places, places)
        places = np.where(places >= length, 2 * last - places, places)
    return np.clip(places, 0, length - 1)
