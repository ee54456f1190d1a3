"""Degradations with a known truth: what benchmarks measure on and training learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorecli.resample import resize_axis

Bytes = NDArray[np.uint8]


def to_bytes(image: NDArray[np.floating]) -> Bytes:
    """Round an image in 0–1 to 8 bit, clipped."""
    rounded: Bytes = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return rounded


def crop_to_multiple(image: Bytes, multiple: int) -> Bytes:
    """Cut H×W(×C) at the bottom and right to sides that are multiples of ``multiple``."""
    height, width = (side - side % multiple for side in image.shape[:2])
    return image[:height, :width]


def shrink(image: Bytes, scale: int) -> Bytes:
    """Shrink an 8-bit image by MATLAB-style bicubic, rounded to 8 bit (the "BI" protocol of the field).

    Args:
        image: H×W(×C) uint8, sides multiples of ``scale``.
        scale: 2, 3 or 4.
    """
    return imresize(image, image.shape[0] // scale, image.shape[1] // scale, 1 / scale)


def imresize(image: Bytes, height: int, width: int, scale: float) -> Bytes:
    """Resize an 8-bit image as MATLAB does: rows first, then columns, each rounded half up to 8 bit."""
    for axis, length in ((0, height), (1, width)):
        resized = resize_axis(image.astype(np.float64), axis, length, scale)
        # 1e-9 keeps exact halves, which weights in binary fractions do give, on their side of the step.
        image = np.clip(np.floor(resized + 0.5 + 1e-9), 0, 255).astype(np.uint8)
    return image
