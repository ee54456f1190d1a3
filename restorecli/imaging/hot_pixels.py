"""Hot and dead pixels: samples that no light explains, found in the mosaic and replaced.

Light that falls on one pixel falls on its neighbours too, whatever colour they take, since no lens draws a
point smaller than a pixel. So a sample is faulty where it lies far beyond all samples of its colour around
it, by the noise and by contrast, and the pixels that touch it are as their own colours around them are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import cfa
from restorecli.imaging.neighbours import LEAST, by_site, offsets, ranked
from restorecli.photo import FloatArray, RawNoise

BEYOND_NOISE = 8.0
"""Standard deviations beyond the second largest (or smallest) neighbour of the same colour."""

BEYOND_RANGE = 0.03
"""Least distance beyond it, of the sensor's range: fainter ones are taken for noise."""

BEYOND_CONTRAST = 2.0
"""Least distance beyond it, of the range of the neighbours: in texture, single samples do stand out."""

SPILL = 0.1
"""Share of a sample's excess that, where light is its cause, at least one pixel touching it has too."""

_TOUCHING = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
_MOST = 0.01  # of all pixels: more than that is no fault but the picture


@dataclass(frozen=True, eq=False)
class Faults:
    """Faulty pixels of a mosaic.

    Attributes:
        rows, columns: where they are.
        values: what stands there better: the median of the same colour around.
        hot: how many are too bright; the others are too dark.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: FloatArray
    hot: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def replaced(self, mosaic: FloatArray) -> FloatArray:
        """Return the H×W×1 mosaic without them: a copy, or itself where there are none."""
        if not self.count:
            return mosaic
        result = mosaic.copy()
        result[self.rows, self.columns, 0] = self.values
        return result


NO_FAULTS = Faults(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))


def find(mosaic: FloatArray, pattern: str, noise: RawNoise | None) -> Faults:
    """Find the faulty pixels of a mosaic.

    Args:
        mosaic: H×W, linear, not white-balanced, 1 is the sensor's white level.
        pattern: of the mosaic.
        noise: of its samples; None where it is not known, and `BEYOND_RANGE` alone decides.
    """
    if min(mosaic.shape) < LEAST:
        return NO_FAULTS
    rows, columns, hot = _standing_out(mosaic, pattern, noise)
    if not 0 < len(rows) <= _MOST * mosaic.size:
        return NO_FAULTS
    median = _same_colour_median(mosaic, pattern, rows, columns)
    excess = mosaic[rows, columns] - median
    spilt = np.zeros(len(rows), np.float64)
    for y, x in _TOUCHING:
        beside_rows = np.where((rows + y < 0) | (rows + y >= mosaic.shape[0]), rows - y, rows + y)
        beside_columns = np.where(
            (columns + x < 0) | (columns + x >= mosaic.shape[1]), columns - x, columns + x
        )
        usual = _same_colour_median(mosaic, pattern, beside_rows, beside_columns)
        own = (mosaic[beside_rows, beside_columns] - usual) * np.sign(excess)
        spilt = np.maximum(spilt, own - _noise_of(usual, noise))
    lonely = spilt < SPILL * np.abs(excess)
    return Faults(rows[lonely], columns[lonely], median[lonely].astype(np.float32), int(hot[lonely].sum()))


def _standing_out(
    mosaic: FloatArray, pattern: str, noise: RawNoise | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Return rows and columns of samples far beyond those of their colour, and whether above."""
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]] = []
    side = cfa.period(pattern)
    for (down, across), channel, own, views in by_site(mosaic, pattern):
        least, most = ranked(views)
        shot, read = (noise.shot[channel], noise.read[channel]) if noise else (0.0, 0.0)
        contrast = np.float32(BEYOND_CONTRAST) * (most - least)
        high = own - most - np.maximum(_margin(most, shot, read), contrast)
        low = least - own - np.maximum(_margin(least, shot, read), contrast)
        rows, columns = np.nonzero((high > 0) | ((low > 0) & (own < 0.5 * least)))
        found.append((rows * side + down.start, columns * side + across.start, high[rows, columns] > 0))
    rows, columns, hot = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns, hot


def _margin(level: FloatArray, shot: float, read: float) -> FloatArray:
    deviation = np.sqrt(np.float32(shot) * np.maximum(level, 0) + np.float32(read))
    margin: FloatArray = np.maximum(np.float32(BEYOND_NOISE) * deviation, np.float32(BEYOND_RANGE))
    return margin


def _noise_of(level: NDArray[np.floating], noise: RawNoise | None) -> NDArray[np.floating]:
    """Return two standard deviations of samples of the noisiest colour."""
    if noise is None:
        return np.zeros_like(level)
    deviation: NDArray[np.floating] = 2 * np.sqrt(max(noise.shot) * np.maximum(level, 0) + max(noise.read))
    return deviation


def _same_colour_median(
    mosaic: FloatArray, pattern: str, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.floating]:
    """Return the median of the samples of the same colour around each of some pixels."""
    side = cfa.period(pattern)
    result = np.zeros(len(rows), np.float64)
    for row in range(side):
        for column in range(side):
            here = (rows % side == row) & (columns % side == column)
            if not here.any():
                continue
            steps = np.array(offsets(pattern, row, column))
            at_rows, at_columns = rows[here, None] + steps[:, 0], columns[here, None] + steps[:, 1]
            inside = (
                (at_rows >= 0)
                & (at_rows < mosaic.shape[0])
                & (at_columns >= 0)
                & (at_columns < mosaic.shape[1])
            )
            values = mosaic[at_rows % mosaic.shape[0], at_columns % mosaic.shape[1]].astype(np.float64)
            result[here] = np.nanmedian(np.where(inside, values, np.nan), axis=1)
    return result
