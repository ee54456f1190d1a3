"""How sharp a photo is, from its pixels alone.

Source: F. Crete, T. Dolmiere, P. Ladret, M. Nicolas, "The blur effect: perception and estimation with a new
no-reference perceptual blur metric", Human Vision and Electronic Imaging XII, SPIE 6492 (2007): a sharp
photo loses much of the differences between its neighbouring pixels when it is blurred, a soft one little.
Computed by scikit-image.
"""

from __future__ import annotations

import warnings

from restorecli.photo import FloatArray

SIDE = 2048
"""Of larger pictures the middle is looked at, of so many pixels a side."""
_WINDOW = 11  # pixels of the blur; that of the paper is 9, scikit-image's usual one 11
_FEWEST = 16


def sharpness(plane: FloatArray) -> float | None:
    """Return how sharp a picture is: 0 for none, 1 for the most; noise counts as sharpness.

    Args:
        plane: H×W, luma in 0–1.

    Returns:
        None for pictures that are flat, or below 16 pixels a side.
    """
    from skimage.measure import blur_effect

    top, left = (max(0, (side - SIDE) // 2) for side in plane.shape)
    middle = plane[top : top + SIDE, left : left + SIDE]
    if min(middle.shape) < _FEWEST or middle.min() == middle.max():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # flat along one axis
        blur = float(blur_effect(middle, h_size=_WINDOW))  # type: ignore[no-untyped-call]
    return None if blur != blur else round(1 - blur, 2)
