"""Parts of a photo on which a network shows what it would do to the whole, before that is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from restorecli.photo import Photo

SMALL = 4_000_000
"""Pixels up to which the whole photo is tried: its result is held in float32 and need not be made again."""
SIDE = 128
COUNT = 5
"""Parts along each side of a larger photo: at most a tenth of its pixels in all."""
FEW = COUNT**2 * SIDE**2
"""Pixels of all parts: up to so many a whole photo is tried where its result is not wanted."""
_GRID = 8  # parts begin at multiples of it, where blocks of JPEGs and a camera's pattern begin


def samples(photo: Photo, small: int | None = None) -> tuple[Photo, ...]:
    """Return the photo itself if it is small, else parts of `SIDE`×`SIDE` pixels spread evenly over it.

    Args:
        photo: held or not.
        small: pixels up to which it is; `SMALL` by default.
    """
    height, width = photo.height, photo.width
    if height * width <= (SMALL if small is None else small) and photo.parts is None:
        return (photo,)
    return tuple(_part(photo, top, left) for top in _spread(height) for left in _spread(width))


def _spread(length: int) -> list[int]:
    room = max(0, length - SIDE)
    starts = np.linspace(0, room, 2 * COUNT + 1)[1::2] if room else np.zeros(1)
    return sorted({int(start) // _GRID * _GRID for start in starts})


def _part(photo: Photo, top: int, left: int) -> Photo:
    place = np.s_[top : top + SIDE, left : left + SIDE]
    if photo.parts is not None:
        photo.parts.release(top)  # parts come from top to bottom
        bottom, right = min(top + SIDE, photo.height), min(left + SIDE, photo.width)
        return replace(photo, pixels=photo.parts.pixels(top, bottom, left, right), parts=None)
    alpha = None if photo.alpha is None else photo.alpha[place]
    return replace(photo, pixels=np.ascontiguousarray(photo.pixels[place]), alpha=alpha)
