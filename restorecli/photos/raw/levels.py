"""The numbers of a RAW file become linear light: black taken off, 1 at the camera's white level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorecli.errors import UnreadableError
from restorecli.imaging import cfa
from restorecli.photo import FloatArray

_BEYOND = 2.0  # times the white level, which no sensor's clipping exceeds
_MOST_BEYOND = 0.01  # share of samples; a few hot pixels are no proof
_MOST_ABOVE_SATURATION = 1e-4
_LEAST_SATURATION = 0.5

Table = NDArray[np.float64]


def normalised(samples: NDArray[Any], black: Table, white: float | NDArray[np.float64]) -> FloatArray:
    """Samples as (value − black) ÷ (white − black), not clipped: noise around black keeps its mean.

    Every place of the table is scaled by its own range, so that all colours saturate at 1.

    Args:
        samples: H×W×C.
        black: rows × columns × C, repeated from the top left.
        white: the level of saturation, of all channels or of each.

    Returns:
        H×W×C float32.
    """
    result: FloatArray = np.empty(samples.shape, np.float32)
    rows, columns, _ = black.shape
    for row, column in product(range(rows), range(columns)):
        level = black[row, column]
        values = samples[row::rows, column::columns].astype(np.float32)
        values -= level.astype(np.float32)
        values *= (1 / (white - level)).astype(np.float32)
        result[row::rows, column::columns] = values
    return result


def check_picture(samples: NDArray[Any], black: Table, white: float, name: str) -> None:
    """Refuse what opens but holds no picture.

    Raises:
        UnreadableError: all samples are black or white, or many lie where no sensor puts them.
    """
    least, most = samples.min(), samples.max()
    if not black.max() < white:
        raise UnreadableError(
            f"{name}: it states a black level of {black.max():g} and a white level of {white:g}"
        )
    if least == most and not black.min() < least < white:
        raise UnreadableError(f"{name}: it opens, but holds no picture: every sample is {least}")
    whole_numbers = samples.dtype.kind == "u"  # float samples may lie beyond white
    if whole_numbers and most > _BEYOND * white and np.mean(samples > _BEYOND * white) > _MOST_BEYOND:
        raise UnreadableError(
            f"{name}: it opens, but holds no picture: its samples reach {most}, its white level is {white:g}"
        )


def saturation(
    samples: NDArray[Any],
    pattern: str,
    stated: Sequence[float] | None,
    black: Sequence[float],
    white: float,
) -> tuple[float, float, float]:
    """The normalised value at which each colour clips, where the file states it and its samples agree.

    Makers write other limits than that of clipping into the same field (of linearity, say); samples beyond a
    stated limit disprove it.

    Args:
        samples: H×W mosaic.
        pattern: of the mosaic.
        stated: white levels of R, G, B, black included; None where there are none.
        black: black levels of R, G, B.
        white: the level that becomes 1.
    """
    result, side = [1.0, 1.0, 1.0], cfa.period(pattern)
    for colour, level in enumerate(stated or ()):
        if not _LEAST_SATURATION * white <= level < white:
            continue
        own = [samples[row::side, column::side] for row, column, held in cfa.sites(pattern) if held == colour]
        above = sum(int((part > level).sum()) for part in own)
        if above <= _MOST_ABOVE_SATURATION * sum(part.size for part in own):
            result[colour] = (level - black[colour]) / (white - black[colour])
    return result[0], result[1], result[2]
