"""What is done to batches of clean patches on their device; what is drawn is as in `training.degradations`.

What is drawn once per patch comes from NumPy; what is drawn per pixel, from the device's generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorecli.imaging.blur.disc import disc_kernel
from restorecli.quality.camera_noise import draw_camera
from restorecli.quality.degradations.blur import RADII, gaussian_kernel, motion_kernel
from restorecli.quality.degradations.small_photo import Past
from restorecli.tasks.estimate.exposure import KNEE
from restorecli.training.degradations import (
    JPEG_GRID,
    MARGINS,
    SOFTNESS,
    corners,
    margin,
    past_of_patch,
)
from restorecli.training.device.camera import shot
from restorecli.training.device.filters import blurred_by, from_light, luma, rounded, smoothed, to_light
from restorecli.training.device.jpeg import compressed
from restorecli.training.device.mosaics import draw_taken, mosaicked
from restorecli.training.device.placing import each, flags, placed

TOGETHER = 16
"""Patches made small together: a device is slow at many small things."""


@dataclass(frozen=True)
class Draw:
    """Where chance comes from, and what a recipe says of it.

    Attributes:
        numbers: of what is drawn per patch.
        random: of what is drawn per pixel, on the patches' device.
        options: the recipe's; see `Recipe.drawn`.
    """

    numbers: np.random.Generator
    random: torch.Generator
    options: Mapping[str, Any]

    def share(self, name: str, count: int) -> list[bool]:
        """Return for each of ``count`` patches whether it belongs to a share of the options."""
        return [bool(self.numbers.random() < self.options.get(name, 0.0)) for _ in range(count)]

    def noise(self, like: Tensor) -> Tensor:
        """Return white noise of variance 1 in the form of ``like``."""
        return torch.randn(like.shape, generator=self.random, device=like.device)


def noisy(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """White noise, or in a share of ``camera`` a camera's; see `training.degradations.noisy`."""
    count, options = len(clean), draw.options
    gray = flags(draw.share("gray", count), clean)
    clean = torch.where(gray, rounded(luma(clean)), clean)
    by_camera = draw.share("camera", count)
    low, high = options["sigma"]
    power = options.get("sigma_power", 1.0)
    sigma = [low + (high - low) * draw.numbers.uniform() ** power for _ in range(count)]
    noise = draw.noise(clean)
    white = clean + torch.where(gray, noise[:, :1], noise) * each(sigma, clean) / 255
    seen = torch.where(flags(draw.share("rounded", count), clean), rounded(white), white)
    if not any(by_camera):
        return seen, clean
    which = [index for index, taken in enumerate(by_camera) if taken]
    sharp = draw.numbers.random(len(which)) >= options.get("soft", 0.0)
    widths = [0.0 if skip else draw.numbers.uniform(*SOFTNESS) for skip in sharp]
    places = placed(which, clean.device)
    soft = rounded(smoothed(clean[places], torch.tensor(widths, dtype=torch.float32)))
    cameras = [draw_camera(draw.numbers, options["shot"]) for _ in which]
    shots = shot(soft, cameras, draw.random)
    seen = seen.index_copy(0, places, torch.where(gray[places], luma(shots), shots))
    return seen, clean.index_copy(0, places, soft)


def blocky(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """JPEG once, or twice in a share of ``twice``; see `training.degradations.compressed`."""
    count, options = len(clean), draw.options
    gray = flags(draw.share("gray", count), clean)
    clean = torch.where(gray, rounded(luma(clean)), clean)
    halved = [draw.numbers.random() >= options.get("full_chroma", 0.3) for _ in range(count)]
    low, high = options["quality"]
    power = options.get("quality_power", 1.0)
    seen = clean
    for again in ([True] * count, draw.share("twice", count)):
        qualities = [high - int((high - low + 1) * draw.numbers.uniform() ** power) for _ in range(count)]
        seen = torch.where(flags(again, clean), compressed(seen, qualities, halved), seen)
        seen, clean = _cut(draw, range(JPEG_GRID // 2), seen, clean)
    return seen, clean


def sampled(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A mosaic, in a share of ``noisy`` with a camera's noise; see `training.mosaics.mosaicked`."""
    taken = [draw_taken(draw.numbers, draw.options) for _ in clean]
    seen, truth = mosaicked(clean, taken, draw.random, draw.options)
    start = margin("demosaic", draw.options) // 2  # where the pattern begins again
    return seen[:, :, start:, start:], truth[:, :, start:, start:]


def blurry(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Motion, missed focus or nothing, noise, perhaps JPEG; see `training.degradations.blurry`."""
    count, options = len(clean), draw.options
    sharp, focus = draw.share("sharp", count), draw.share("defocus", count)
    kernels = [
        disc_kernel(draw.numbers.uniform(*RADII))
        if out
        else motion_kernel(draw.numbers, draw.numbers.uniform(*options["motion"]))
        for out in focus
    ]
    blurred = from_light(blurred_by(to_light(clean), kernels))
    seen = torch.where(flags(sharp, clean), clean, blurred)
    sigma = [draw.numbers.uniform(0, options.get("sigma", 0.0)) for _ in range(count)]
    seen = rounded(seen + draw.noise(clean) * each(sigma, clean) / 255)
    coded = compressed(seen, [int(q) for q in draw.numbers.integers(75, 101, count)], [True] * count)
    seen = torch.where(flags(draw.share("compressed", count), clean), coded, seen)
    return _cut(draw, corners(MARGINS["deblur"]), seen, clean)


def too_dark(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Too little light, brightened again; see `training.degradations.too_dark`."""
    count, options = len(clean), draw.options
    stops = [draw.numbers.uniform(*options["stops"]) for _ in range(count)]
    wrong = [draw.numbers.uniform(-options["error"], options["error"]) for _ in range(count)]
    dark = rounded(from_light(to_light(clean) * each([2.0**-s for s in stops], clean)))
    seen = shot(dark, [draw_camera(draw.numbers, options["shot"]) for _ in stops], draw.random)
    gains = [2 ** (s + w) for s, w in zip(stops, wrong, strict=True)]
    return _brightened(seen, gains), _brightened(clean, [2**w for w in wrong])


def small(clean: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """The past of a real photo; see `training.degradations.small`."""
    scale = draw.options["scale"]
    seen = torch.cat([_made_small(some, scale, draw) for some in torch.split(clean, TOGETHER)])
    return _cut(draw, corners(MARGINS["upscale"]), seen, clean, scale)


def _made_small(clean: Tensor, scale: int, draw: Draw) -> Tensor:
    """As `small_photo.made_small`; all have the sizes on the way, and the order, of the first one."""
    pasts = [past_of_patch(draw.numbers, draw.options) for _ in clean]
    side, photo = clean.shape[-1] // scale, clean
    for step in pasts[0].order:
        if step == "blur":
            kernels = [_kernel(past, photo.shape[-1] / side) for past in pasts]
            photo = rounded(blurred_by(photo, kernels))
        elif step == "resize":
            share, name = pasts[0].resize
            photo = _resized(photo, 2 * max(4, round(side * scale * share / 2)), name)
        elif step == "noise":
            photo = _shot_by_some(photo, pasts, draw.random)
        else:
            photo = _compressed_where(photo, pasts, [past.quality for past in pasts])
    photo = _resized(photo, side, pasts[0].last_filter)
    return _compressed_where(photo, pasts, [past.last_quality for past in pasts])


def _kernel(past: Past, pixels: float) -> np.ndarray:
    """Return the blur of a past where ``pixels`` are one of the small photo."""
    if past.blur is None:
        return np.ones((1, 1), np.float32)
    long, short, angle = past.blur
    return gaussian_kernel(long * pixels, short * pixels, angle)


def _shot_by_some(photo: Tensor, pasts: Sequence[Past], random: torch.Generator) -> Tensor:
    cameras = {index: past.camera for index, past in enumerate(pasts) if past.camera is not None}
    if not cameras:
        return photo
    places = placed(list(cameras), photo.device)
    return photo.index_copy(0, places, shot(photo[places], list(cameras.values()), random))


def _compressed_where(photo: Tensor, pasts: Sequence[Past], qualities: Sequence[int | None]) -> Tensor:
    coded = compressed(photo, [q or 100 for q in qualities], [past.subsampling == "4:2:0" for past in pasts])
    return torch.where(flags([q is not None for q in qualities], photo), coded, photo)


def _resized(photo: Tensor, side: int, name: str) -> Tensor:
    if side == photo.shape[-1]:
        return photo
    if name == "area":
        return rounded(F.interpolate(photo, (side, side), mode="area"))
    return rounded(F.interpolate(photo, (side, side), mode=name, antialias=True, align_corners=False))


TASKS: dict[str, Callable[[Tensor, Draw], tuple[Tensor, Tensor]]] = {
    "denoise": noisy,
    "dejpeg": blocky,
    "demosaic": sampled,
    "deblur": blurry,
    "enhance": too_dark,
    "upscale": small,
}
"""Task → what degrades a batch on its device."""


def _brightened(images: Tensor, gains: list[float]) -> Tensor:
    """As `exposure.brightened`, with a gain for each image."""
    light = to_light(images) * each(gains, images)
    peak = light.amax(1, keepdim=True).clamp(min=1e-6)
    over = 1 - (1 - KNEE) * torch.exp(-(peak - KNEE).clamp(min=0) / (1 - KNEE))
    return from_light(light * torch.where(peak <= KNEE, torch.ones_like(peak), over / peak))


def _cut(draw: Draw, pixels: range, seen: Tensor, clean: Tensor, scale: int = 1) -> tuple[Tensor, Tensor]:
    """Cut one of ``pixels`` off at the top and at the left of the batch: JPEG grids begin anywhere."""
    top, left = (int(n) for n in draw.numbers.integers(pixels.start, pixels.stop, size=2))
    return seen[:, :, top:, left:], clean[:, :, scale * top :, scale * left :]
