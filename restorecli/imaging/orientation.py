"""Turning a picture as the EXIF orientation asks (EXIF 2.32, tag 274)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import Raw

Sample = TypeVar("Sample", bound=np.generic)


def upright(array: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """Turn an H×W… array as the EXIF orientation 1–8 asks; a view where that is possible."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):  # columns reversed; for 6 and 7 these were rows
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


def upright_size(raw: Raw) -> tuple[int, int]:
    """Width and height of the finished picture: cropped, its pixels made square by enlarging, turned."""
    _, _, height, width = raw.crop
    if raw.pixel_aspect >= 1:
        width = round(width * raw.pixel_aspect)
    else:
        height = round(height / raw.pixel_aspect)
    return (height, width) if raw.orientation >= 5 else (width, height)
