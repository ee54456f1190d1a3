"""What is done to a clean patch before a network sees it, drawn at random for every patch.

The degradations themselves are those of `quality` and `bayer`, which benchmarks use too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.colour import luma
from restorecli.imaging.xtrans import CELL
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.degradations.blur import RADII, blurred, motion_kernel
from restorecli.quality.degradations.darkness import darkened
from restorecli.quality.degradations.small_photo import Past, draw_past, made_small
from restorecli.quality.degrade import Bytes, add_noise, jpeg, to_bytes
from restorecli.tasks.estimate.exposure import brightened
from restorecli.training.mosaics import mosaicked

Float = NDArray[np.float32]
Options = Mapping[str, Any]
Clean = Bytes | Float
Degrade = Callable[[Bytes, np.random.Generator, Options], tuple[Float, Clean]]
SOFTNESS = (0.3, 1.4)  # pixels: sigma of the blur of demosaicing and lenses, beside photos made smaller
JPEG_GRID = 16  # pixels after which the blocks of a 4:2:0 JPEG repeat; as much as two cuts can take


def noisy(clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Bytes]:
    """Add white noise of a sigma between the two of ``sigma``, or in a share of ``camera`` a camera's.

    ``sigma_power`` above 1 draws small sigmas more often: a uniform number is raised to it. White noise is
    rounded to 8 bit in a share of ``rounded``. Patches are gray in a share of ``gray``. ``shot`` is the range
    of a camera's shot noise; see `draw_camera`.
    """
    clean = _sometimes_gray(clean, rng, options)
    gray = _is_gray(clean)
    if rng.random() < options.get("camera", 0.0):
        if rng.random() < options.get("soft", 0.0):
            sigma = rng.uniform(*SOFTNESS)
            clean = np.rint(gaussian_filter(clean.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)
        noisy = shoot(clean, draw_camera(rng, options["shot"]), rng).astype(np.float32) / np.float32(255)
        return (np.repeat(luma(noisy), 3, axis=2) if gray else noisy), clean
    low, high = options["sigma"]
    sigma = low + (high - low) * rng.uniform() ** options.get("sigma_power", 1.0)
    seed = int(rng.integers(2**62))
    degraded = add_noise(clean[:, :, :1] if gray else clean, sigma, seed)
    if rng.random() < options.get("rounded", 0.0):
        degraded = to_bytes(degraded).astype(np.float32) / np.float32(255)
    return (np.repeat(degraded, 3, axis=2) if gray else degraded), clean


def compressed(clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Bytes]:
    """Compress at a quality between the two of ``quality``, 4:2:0 or 4:4:4, twice in a share of ``twice``.

    ``quality_power`` above 1 draws high qualities more often: their distance from the best is a uniform
    number raised to it.

    The patch begins at any pixel of an 8×8 block: as many as the draw says are cut off after every encoding,
    so the caller gives `JPEG_GRID` pixels more than it wants.
    """
    clean = _sometimes_gray(clean, rng, options)
    gray = _is_gray(clean)
    subsampling = "4:4:4" if rng.random() < options.get("full_chroma", 0.3) else "4:2:0"
    degraded = clean
    for _ in range(2 if rng.random() < options.get("twice", 0.0) else 1):
        low, high = options["quality"]
        quality = high - int((high - low + 1) * rng.uniform() ** options.get("quality_power", 1.0))
        once = jpeg(np.ascontiguousarray(degraded[:, :, 0] if gray else degraded), quality, subsampling)
        degraded = np.repeat(once[:, :, None], 3, axis=2) if gray else once
        # cut off after encoding: the grid begins anywhere, and a second one elsewhere, as after cropping
        top, left = (int(n) for n in rng.integers(JPEG_GRID // 2, size=2))
        degraded, clean = degraded[top:, left:], clean[top:, left:]
    return degraded.astype(np.float32) / np.float32(255), clean


def blurry(clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Bytes]:
    """Blur in linear light: by motion, missed focus in a share of ``defocus``, nothing in one of ``sharp``.

    Motion is of a length in ``motion`` (pixels). White noise up to ``sigma`` follows, rounding, and a JPEG of
    quality 75 to 100 in a share of ``compressed``.
    """
    if rng.random() < options.get("sharp", 0.0):
        degraded = clean.astype(np.float32) / np.float32(255)
    elif rng.random() < options.get("defocus", 0.0):
        degraded = blurred(clean, disc_kernel(rng.uniform(*RADII)))
    else:
        degraded = blurred(clean, motion_kernel(rng, rng.uniform(*options["motion"])))
    sigma = rng.uniform(0, options.get("sigma", 0.0)) / 255
    seen = to_bytes(degraded + np.float32(sigma) * rng.standard_normal(clean.shape, dtype=np.float32))
    if rng.random() < options.get("compressed", 0.0):
        seen = jpeg(seen, int(rng.integers(75, 101)))
    return _cut_anywhere(seen, clean, rng, MARGINS["deblur"])


def too_dark(clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Float]:
    """Expose too little by ``stops`` and brighten again, wrong by up to ``error`` stops: noise is left.

    What is wanted is the clean patch, as much brighter or darker as the gain was wrong: how bright a photo
    should be is not the network's to say.
    """
    stops = rng.uniform(*options["stops"])
    wrong = rng.uniform(-options["error"], options["error"])
    dark = darkened(clean, stops, options["shot"], rng)
    light = [image.astype(np.float32) / np.float32(255) for image in (dark, clean)]
    return brightened(light[0], 2 ** (stops + wrong)), brightened(light[1], 2**wrong)


def small(clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Bytes]:
    """Make small as a real photo was, by ``scale``; see `degradations.small_photo` and `past_of_patch`."""
    scale = options["scale"]
    seen = made_small(clean, scale, past_of_patch(rng, options), rng)
    return _cut_anywhere(seen, clean, rng, MARGINS["upscale"], scale)


def past_of_patch(rng: np.random.Generator, options: Options) -> Past:
    """Draw what made a patch small, by ``scale``; in a share of ``sharp`` that was nothing but shrinking.

    Few random pasts leave a photo sharp, and a network that has seen few makes sharp ones too sharp.
    """
    past = draw_past(rng, options["scale"])
    if rng.random() >= options.get("sharp", 0.0):
        return past
    return replace(past, blur=None, resize=(1.0, past.resize[1]))


TASKS: dict[str, Degrade] = {
    "denoise": noisy,
    "dejpeg": compressed,
    "demosaic": mosaicked,
    "deblur": blurry,
    "enhance": too_dark,
    "upscale": small,
}
"""Task → what degrades a clean patch; upscaling without a ``[degradation]`` shrinks whole photos instead."""

MARGINS = {"denoise": 0, "dejpeg": JPEG_GRID, "demosaic": 4, "deblur": 32, "enhance": 0, "upscale": 12}
"""Task → pixels by which the patch that a network would see is larger than what is trained on."""


def margin(task: str, options: Options) -> int:
    """Return `MARGINS` of a task (0 where it has none); X-Trans cells of 3×3 pixels are cut off whole."""
    cells = options.get("demosaic_input") == "cells-XTRANS"
    return 2 * CELL if cells else MARGINS.get(task, 0)


def degrade(task: str, clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Clean]:
    """Degrade a clean patch that is larger than wanted by the task's margin, and cut the margin off.

    Args:
        task: one of `TASKS`.
        clean: s·(p + margin)×s·(p + margin)×3 uint8, s the scale.
        rng: what the degradation is drawn from.
        options: the recipe's.

    Returns:
        What the network sees, p×p×C float32 (1 is white), and the clean patch, sp×sp×3, uint8 or float32.
    """
    cut, scale = margin(task, options), options.get("scale", 1)
    size = clean.shape[0] // scale - cut
    degraded, wanted = TASKS[task](clean, rng, options)
    start = cut // 2 if task == "demosaic" else 0
    seen, true = slice(start, start + size), slice(scale * start, scale * (start + size))
    return degraded[seen, seen], wanted[true, true]


def corners(margin: int) -> range:
    """Return how many pixels of a margin may go at the top and left: a quarter of it is left on each side."""
    return range(margin // 4, margin // 4 + margin // 2 + 1)


def _cut_anywhere(
    seen: Bytes, clean: Bytes, rng: np.random.Generator, margin: int, scale: int = 1
) -> tuple[Float, Bytes]:
    """Cut some of the margin off at the top and left: so the JPEG grid begins anywhere."""
    pixels = corners(margin)
    top, left = (pixels[int(n)] for n in rng.integers(len(pixels), size=2))
    return seen[top:, left:].astype(np.float32) / np.float32(255), clean[scale * top :, scale * left :]


def _sometimes_gray(clean: Bytes, rng: np.random.Generator, options: Options) -> Bytes:
    if rng.random() >= options.get("gray", 0.0):
        return clean
    gray = np.rint(luma(clean.astype(np.float32))).astype(np.uint8)
    return np.repeat(gray, 3, axis=2)


def _is_gray(clean: Bytes) -> bool:
    return bool((clean == clean[:, :, :1]).all())
