"""The colour matrix that LibRaw applies without reporting it: found by having it develop known colours.

For a few old cameras LibRaw has a matrix that neither of rawpy's two attributes shows.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRAY, _MORE = 0.4, 0.1  # of the range; what comes out stays within 0–1 for all sensible matrices
_FULL = 65535.0
_LEAST = 16  # rows of the picture
_ROUNDING = 2e-3


def srgb_from_camera(file: Any) -> NDArray[np.float64] | None:
    """3×3, balanced linear camera RGB to linear sRGB, or None where LibRaw leaves the colours as they are.

    Args:
        file: an unpacked `rawpy.RawPy` of a Bayer mosaic, all of which has been read already: its samples are
            overwritten.
    """
    sizes = file.sizes
    if sizes.height < _LEAST:
        return None
    band = sizes.height // 8 * 2
    top, left = sizes.top_margin, sizes.left_margin
    visible = file.raw_image[top : top + sizes.height, left : left + sizes.width]
    blacks, white = file.black_level_per_channel, file.white_level
    for row, column in product(range(2), range(2)):
        place = int(file.raw_color(top + row, left + column))
        colour = 1 if place == 3 else place
        for index in range(4):  # gray, then gray with more red, green, blue
            share = _GRAY + _MORE * (index == colour + 1)
            end = (index + 1) * band if index < 3 else None
            level = round(blacks[place] + share * (white - blacks[place]))
            visible[index * band : end][row::2, column::2] = level
    developed = file.postprocess(
        half_size=True,
        user_wb=[1.0, 1.0, 1.0, 1.0],
        gamma=(1.0, 1.0),
        no_auto_bright=True,
        adjust_maximum_thr=0.0,
        output_bps=16,
        user_flip=0,
    )
    middle = developed.shape[1] // 2
    rows = [int((index + 0.5) * band * developed.shape[0] / sizes.height) for index in range(4)]
    gray, *more = (developed[row, middle].astype(np.float64) / _FULL for row in rows)
    step = _rounded(white, blacks)
    matrix = np.stack([(colour - gray) / step for colour in more], axis=1)
    return None if np.abs(matrix - np.eye(3)).max() < _ROUNDING / step else matrix


def _rounded(white: int, blacks: list[int]) -> float:
    """The step between the two levels, which are whole numbers."""
    span = white - blacks[0]
    return (round((_GRAY + _MORE) * span) - round(_GRAY * span)) / span
