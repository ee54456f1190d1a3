"""Degradations with a known truth: what benchmarks measure on and training learns from."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restorecli.imaging.resample import resize_axis

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


def add_noise(image: Bytes, sigma: float, seed: int | tuple[int, ...]) -> NDArray[np.float32]:
    """Add white Gaussian noise and keep it in float, neither rounded nor clipped (as KAIR and GRL do).

    Args:
        image: H×W(×C) uint8.
        sigma: standard deviation on the 0–255 scale.
        seed: of the noise; the same gives the same noise.

    Returns:
        The image's shape, float32, 0–1 for the image and beyond by the noise.
    """
    noise = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    noisy = (image.astype(np.float32) + np.float32(sigma) * noise) / np.float32(255)
    return noisy.astype(np.float32, copy=False)


def jpeg(image: Bytes, quality: int, subsampling: str = "4:2:0") -> Bytes:
    """Compress by libjpeg and decode again.

    Args:
        image: H×W×3 sRGB, or H×W (gray), uint8.
        quality: 1–100 as libjpeg counts.
        subsampling: of the chroma: "4:2:0", "4:2:2" or "4:4:4"; means nothing for gray.
    """
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "jpeg", quality=quality, subsampling=subsampling)
    with Image.open(packed) as decoded:
        return np.asarray(decoded)
