"""How real photos became small: blurred, resized, noisy and compressed, in any order.

Sources: K. Zhang et al., "Designing a practical degradation model for deep blind image super-resolution"
(BSRGAN), ICCV 2021, sections 3.1 to 3.3; X. Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.1 (first
order).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from restorecli.quality.camera_noise import Camera, draw_camera, shoot
from restorecli.quality.degradations.blur import convolved, gaussian_kernel
from restorecli.quality.degrade import Bytes, jpeg, to_bytes

STEPS = ("blur", "resize", "noise", "compress")
FILTERS = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
SHOT = (5e-5, 3e-3)
"""Range of the cameras' shot noise."""


@dataclass(frozen=True)
class Past:
    """What a photo went through before it had the size it has.

    Attributes:
        order: `STEPS` in their order.
        blur: standard deviations along and across in pixels of the small photo, and the angle in radians;
            None for none.
        resize: share of the clean picture's sides, and the filter, one of `FILTERS`.
        camera: whose noise it has; None for none.
        quality: of the first JPEG; None for none.
        last_filter: by which it got its size.
        last_quality: of the JPEG that it came in; None for none.
        subsampling: of both JPEGs' chroma.
    """

    order: tuple[str, ...]
    blur: tuple[float, float, float] | None
    resize: tuple[float, str]
    camera: Camera | None
    quality: int | None
    last_filter: str
    last_quality: int | None
    subsampling: str


def draw_past(rng: np.random.Generator, scale: int) -> Past:
    """Draw what happened to a photo whose clean picture is ``scale`` times as large."""
    order = [STEPS[index] for index in rng.permutation(len(STEPS))]
    resize, noise = order.index("resize"), order.index("noise")
    if noise < resize and rng.random() < 0.5:  # noise that is shrunk is mostly gone
        order[resize], order[noise] = "noise", "resize"
    long = rng.uniform(0.1, 0.8)
    short = long if rng.random() < 0.5 else rng.uniform(0.1, long)
    blur = (float(long), float(short), float(rng.uniform(0, np.pi)))
    larger = rng.random() < 0.2
    share = rng.uniform(1, 1.3) if larger else np.exp(rng.uniform(np.log(0.7 / scale), 0))
    names = list(FILTERS)
    return Past(
        order=tuple(order),
        blur=blur if rng.random() < 0.8 else None,
        resize=(float(share), names[int(rng.integers(3))]),
        camera=draw_camera(rng, SHOT) if rng.random() < 0.8 else None,
        quality=int(rng.integers(50, 96)) if rng.random() < 0.3 else None,
        last_filter=names[int(rng.integers(3))],
        last_quality=int(rng.integers(40, 96)) if rng.random() < 0.75 else None,
        subsampling="4:2:0" if rng.random() < 0.7 else "4:4:4",
    )


def made_small(clean: Bytes, scale: int, past: Past, rng: np.random.Generator) -> Bytes:
    """Take a clean picture through its past; places in it stay where they are.

    Args:
        clean: H×W×3 sRGB, uint8, sides multiples of ``scale``.
        scale: clean side ÷ side of the result.
        past: what happens.
        rng: the noise.

    Returns:
        H/scale × W/scale × 3 uint8.
    """
    small = (clean.shape[1] // scale, clean.shape[0] // scale)
    photo = clean
    for step in past.order:
        if step == "blur" and past.blur is not None:
            pixels = photo.shape[1] / small[0]  # what is a pixel of the small photo now
            long, short, angle = past.blur
            kernel = gaussian_kernel(long * pixels, short * pixels, angle)
            photo = to_bytes(convolved(photo.astype(np.float32) / np.float32(255), kernel))
        elif step == "resize":
            share, name = past.resize
            photo = _resized(photo, tuple(max(8, round(side * scale * share)) for side in small), name)
        elif step == "noise" and past.camera is not None:
            photo = shoot(photo, past.camera, rng)
        elif step == "compress" and past.quality is not None:
            photo = jpeg(photo, past.quality, past.subsampling)
    photo = _resized(photo, small, past.last_filter)
    return photo if past.last_quality is None else jpeg(photo, past.last_quality, past.subsampling)


def _resized(photo: Bytes, size: tuple[int, ...], name: str) -> Bytes:
    if size == photo.shape[1::-1]:
        return photo
    return np.asarray(Image.fromarray(photo).resize((size[0], size[1]), FILTERS[name]))
