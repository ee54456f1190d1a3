"""Clean patches become mosaics, with the noise of a camera in a share of them; which patches are hard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import cfa
from restorecli.imaging.bayer import bilinear, malvar
from restorecli.imaging.colour import linear_to_srgb, luma, srgb_to_linear
from restorecli.imaging.network_view import FORMS, colours, restored
from restorecli.imaging.raw_noise import noise_map
from restorecli.quality.degrade import Bytes
from restorecli.quality.raw_noise import draw_exposure, expose

Float = NDArray[np.float32]
BLOCK = 16  # pixels: side of the squares whose difficulty is told


def mosaicked(
    clean: Bytes, rng: np.random.Generator, options: Mapping[str, Any]
) -> tuple[Float, Bytes | Float]:
    """Sample by the network's pattern and show it as the network takes it.

    Args:
        clean: p×p×3.
        rng: what is drawn from.
        options: ``demosaic_input``; for networks with a noise map, ``extra_input``; ``noisy``, the share of
            patches with noise, which is drawn by `draw_exposure`; ``map_error``, by which the map's scale is
            wrong (standard deviation of its logarithm); ``vivid``, the share of patches whose colours are
            made up to ``saturation`` times as strong.

    Returns:
        p×p×3, or p×p×4 with the noise map; and the truth.
    """
    form = options.get("demosaic_input", "malvar-RGGB")
    pattern = FORMS[form]
    if "vivid" in options and rng.random() < options["vivid"]:
        clean = _more_vivid(clean, float(rng.uniform(1, options["saturation"])))
    display = clean.astype(np.float32) / np.float32(255)
    if not options.get("extra_input"):
        return colours(cfa.sample(display, pattern), form), restored(clean, form)
    if rng.random() >= options["noisy"]:
        mosaic, uncertain = cfa.sample(display, pattern), np.zeros(display.shape[:2], np.float32)
    else:
        exposure = draw_exposure(rng, options)
        balanced = np.minimum(expose(display, pattern, exposure, rng), 1)
        told = exposure.noise.stronger(float(np.exp(options["map_error"] * rng.standard_normal())))
        mosaic, uncertain = linear_to_srgb(balanced), noise_map(balanced, pattern, told)
        display = linear_to_srgb(srgb_to_linear(display) * np.float32(exposure.light))
    seen = np.concatenate([colours(mosaic, form), uncertain[..., None]], axis=2)
    # exchanging colours twice is not at all: the truth in the cells' order
    return seen, restored(display, form)


def difficulty(clean: Bytes) -> NDArray[np.float64]:
    """Return how far plain interpolation is from the truth: root mean square by squares of `BLOCK` pixels.

    That of bilinear and of Malvar's interpolation are multiplied and the root taken: where either is right, a
    patch is not hard.

    Args:
        clean: H×W×3.

    Returns:
        (H // BLOCK)×(W // BLOCK).
    """
    display = clean.astype(np.float32) / np.float32(255)
    mosaic = cfa.sample(display, "RGGB")
    errors = [np.abs(method(mosaic, "RGGB") - display).mean(axis=2) for method in (bilinear, malvar)]
    rows, columns = (side // BLOCK for side in clean.shape[:2])
    product = np.sqrt(errors[0] * errors[1])[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    squares = product.reshape(rows, BLOCK, columns, BLOCK)
    roots: NDArray[np.float64] = np.sqrt((squares**2).mean(axis=(1, 3)))
    return roots


def _more_vivid(clean: Bytes, times: float) -> Bytes:
    light = clean.astype(np.float32)
    gray = luma(light)
    vivid: Bytes = np.rint(np.clip(gray + (light - gray) * np.float32(times), 0, 255)).astype(np.uint8)
    return vivid
