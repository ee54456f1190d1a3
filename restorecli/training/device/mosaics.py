"""Mosaics of batches of clean patches: `training.mosaics` with an exposure for every patch, as tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorecli.imaging import cfa
from restorecli.imaging.network_view import FORMS, colours
from restorecli.imaging.raw_noise import MAP_UNIT, MEAN_WIDTH
from restorecli.imaging.xtrans import CELL
from restorecli.photo import RawNoise
from restorecli.quality.raw_noise import Exposure, draw_exposure
from restorecli.training.device.filters import curved, from_light, luma, rounded, to_light
from restorecli.training.device.interpolation import held_channels, interpolated, sampled
from restorecli.training.device.placing import each, flags, placed


@dataclass(frozen=True)
class Taken:
    """How a patch's picture is taken.

    Attributes:
        vivid: by which its colours are stronger first.
        exposure: None for one without noise.
        wrong: by which the noise map's scale is wrong.
    """

    vivid: float = 1.0
    exposure: Exposure | None = None
    wrong: float = 1.0


def draw_taken(numbers: np.random.Generator, options: Mapping[str, Any]) -> Taken:
    """Draw how a picture is taken, by the options of `training.mosaics.mosaicked`."""
    vivid = 1.0
    if "vivid" in options and numbers.random() < options["vivid"]:
        vivid = float(numbers.uniform(1, options["saturation"]))
    if not options.get("extra_input") or numbers.random() >= options["noisy"]:
        return Taken(vivid)
    exposure = draw_exposure(numbers, options)
    return Taken(vivid, exposure, math.exp(options["map_error"] * numbers.standard_normal()))


def mosaicked(
    clean: Tensor, taken: Sequence[Taken], random: torch.Generator, options: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """Sample by the network's pattern and show it as the network takes it; see `training.mosaics.mosaicked`.

    Args:
        clean: B×3×H×W, 0–1, from the first pixel of the pattern on.
        taken: how each is taken.
        random: of the noise.
        options: ``demosaic_input`` and ``extra_input``; what else there is was drawn from before.

    Returns:
        B×3×H×W, or B×4×H×W with the noise map; and the truth, B×3×H×W. Two pixels at the borders may be other
        than what would be there in a larger picture.
    """
    form = options.get("demosaic_input", "malvar-RGGB")
    pattern = FORMS[form]
    clean = rounded(torch.lerp(luma(clean), clean, each([one.vivid for one in taken], clean)))
    mosaic = sampled(clean, pattern)
    if not options.get("extra_input"):
        return _seen(mosaic, form), _in_cells(clean, form)
    exposures = [one.exposure or Exposure(1.0, 0.0) for one in taken]
    noisy = flags([one.exposure is not None for one in taken], clean)
    balanced = exposed(clean, pattern, exposures, random).clamp(max=1)
    told = [e.noise.stronger(one.wrong) for e, one in zip(exposures, taken, strict=True)]
    uncertain = torch.where(noisy, noise_map(balanced, pattern, told), 0)
    mosaic = torch.where(noisy, curved(balanced), mosaic)
    light = from_light(to_light(clean) * each([exposure.light for exposure in exposures], clean))
    truth = torch.where(noisy, light, clean)
    return torch.cat((_seen(mosaic, form), uncertain), 1), _in_cells(truth, form)


def exposed(display: Tensor, pattern: str, exposures: Sequence[Exposure], random: torch.Generator) -> Tensor:
    """Return the white-balanced mosaics of B×3×H×W (sRGB), B×1×H×W; see `quality.raw_noise.expose`."""
    gains = _by_site([exposure.gains for exposure in exposures], display, pattern)
    shot = each([exposure.shot for exposure in exposures], display)
    deviation = each([exposure.read**0.5 for exposure in exposures], display)
    lights = each([exposure.light for exposure in exposures], display)
    light = sampled(to_light(display), pattern) * lights / gains
    electrons = torch.poisson(light / shot, generator=random) * shot
    read = torch.randn(light.shape, generator=random, device=light.device)
    return (electrons + read * deviation).clamp(max=1) * gains


def noise_map(mosaic: Tensor, pattern: str, noises: Sequence[RawNoise]) -> Tensor:
    """Return how uncertain the samples of B×1×H×W are after the curve; see `imaging.raw_noise.noise_map`."""
    held = held_channels(mosaic.shape[2], mosaic.shape[3], pattern, mosaic.device)
    own = (held == torch.arange(3, device=mosaic.device)[:, None, None]).to(mosaic.dtype)
    total, share = (F.avg_pool2d(_repeated(planes), MEAN_WIDTH, 1) for planes in (mosaic * own, own))
    mean = (total / share).gather(1, held.expand(len(mosaic), -1, -1, -1)).clamp(min=0)
    shot, read = (
        _by_site([getattr(noise, name) for noise in noises], mosaic, pattern) for name in ("shot", "read")
    )
    deviation = (shot * mean + read).sqrt()
    return (curved(mean + deviation) - curved(mean - deviation)) / (2 * MAP_UNIT)


def _seen(mosaic: Tensor, form: str) -> Tensor:
    return interpolated(mosaic, colours, form, cfa.period(FORMS[form]))


def _in_cells(images: Tensor, form: str) -> Tensor:
    """Return B×3×H×W with red and blue where a network gives them; see `network_view.restored`."""
    if form != "cells-XTRANS":
        return images
    rows, columns = (torch.arange(side, device=images.device) // CELL for side in images.shape[2:])
    other = (rows[:, None] + columns) % 2 == 1
    return torch.where(other, images.flip(1), images)


def _by_site(values: Sequence[Sequence[float]], like: Tensor, pattern: str) -> Tensor:
    """Return values of red, green and blue, for every image, at the pixels that hold them, B×1×H×W."""
    held = held_channels(like.shape[2], like.shape[3], pattern, like.device)
    return placed(values, like.device, like.dtype)[:, held[0, 0]][:, None]


def _repeated(planes: Tensor) -> Tensor:
    """Continue B×C×H×W by half of `MEAN_WIDTH` on all sides, mirrored about the border."""
    reach = MEAN_WIDTH // 2
    for axis in (2, 3):
        before, after = (planes.narrow(axis, start, reach) for start in (0, planes.shape[axis] - reach))
        planes = torch.cat((before.flip(axis), planes, after.flip(axis)), axis)
    return planes
