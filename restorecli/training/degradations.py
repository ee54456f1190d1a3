"""What is done to a clean patch before a same-size network sees it, drawn at random for every patch.

The degradations themselves are those of `quality.degrade` and `bayer`, which benchmarks use too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from restorecli.imaging.colour import luma
from restorecli.imaging.xtrans import CELL
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.degrade import Bytes, add_noise, jpeg, to_bytes
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


TASKS: dict[str, Degrade] = {"denoise": noisy, "dejpeg": compressed, "demosaic": mosaicked}
"""Task → what degrades a clean patch."""

MARGINS = {"denoise": 0, "dejpeg": JPEG_GRID, "demosaic": 4}
"""Task → pixels by which the clean patch that is degraded is larger than what is trained on."""


def margin(task: str, options: Options) -> int:
    """Return `MARGINS` of a task (0 where it has none); X-Trans cells of 3×3 pixels are cut off whole."""
    cells = options.get("demosaic_input") == "cells-XTRANS"
    return 2 * CELL if cells else MARGINS.get(task, 0)


def degrade(task: str, clean: Bytes, rng: np.random.Generator, options: Options) -> tuple[Float, Clean]:
    """Degrade a clean patch that is larger than wanted by the task's margin, and cut the margin off.

    Args:
        task: one of `TASKS`.
        clean: (p + margin)×(p + margin)×3 uint8.
        rng: what the degradation is drawn from.
        options: the recipe's.

    Returns:
        What the network sees, p×p×C float32 (1 is white), and the clean patch, p×p×3, uint8 or float32.
    """
    cut = margin(task, options)
    size = clean.shape[0] - cut
    degraded, wanted = TASKS[task](clean, rng, options)
    start = cut // 2 if task == "demosaic" else 0
    inside = slice(start, start + size)
    return degraded[inside, inside], wanted[inside, inside]


def _sometimes_gray(clean: Bytes, rng: np.random.Generator, options: Options) -> Bytes:
    if rng.random() >= options.get("gray", 0.0):
        return clean
    gray = np.rint(luma(clean.astype(np.float32))).astype(np.uint8)
    return np.repeat(gray, 3, axis=2)


def _is_gray(clean: Bytes) -> bool:
    return bool((clean == clean[:, :, :1]).all())
