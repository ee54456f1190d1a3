"""Blur, shrinking and curves of batches; the same as `quality` does picture by picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorecli.imaging.resample import resample_taps
from restorecli.quality.camera_noise import YCBCR
from restorecli.training.device.placing import placed


def luma(images: Tensor) -> Tensor:
    """Return the full-range Y (BT.601) of B×3×H×W, B×1×H×W."""
    weights = placed(YCBCR[0], images.device)[None, :, None, None]
    return (images * weights).sum(1, keepdim=True)


def rounded(images: Tensor) -> Tensor:
    """Round images in 0–1 to what 8 bit hold."""
    return (images.clamp(0, 1) * 255).round() / 255


def shrunk(images: Tensor, scale: int) -> Tensor:
    """Shrink B×C×sH×sW as `degrade.shrink` does: MATLAB's bicubic, each axis rounded half up to 8 bit."""
    for axis in (2, 3):
        length = images.shape[axis]
        matrix = placed(_shrinking(length, scale), images.device)
        moved = images.movedim(axis, -1) @ matrix.T
        images = (moved * 255 + 0.5 + 1e-4).floor().clamp(0, 255).div(255).movedim(-1, axis)
    return images


def _shrinking(length: int, scale: int) -> Tensor:
    indices, weights = resample_taps(length, length // scale, 1 / scale)
    matrix = torch.zeros(length // scale, length, dtype=torch.float64)
    matrix.scatter_add_(1, torch.from_numpy(indices), torch.from_numpy(weights))
    return matrix.float()


def blurred_by(images: Tensor, kernels: Sequence[np.ndarray]) -> Tensor:
    """Convolve each of B×C×H×W with a kernel of its own (odd sides); continued by reflection."""
    batch, channels = images.shape[:2]
    reach = max(kernel.shape[0] for kernel in kernels) // 2
    side = 2 * reach + 1
    stacked = np.zeros((batch, side, side), np.float32)
    for one, kernel in zip(stacked, kernels, strict=True):
        gap = reach - kernel.shape[0] // 2
        one[gap : side - gap, gap : side - gap] = kernel[::-1, ::-1]  # a convolution, not a correlation
    weight = placed(stacked, images.device).repeat_interleave(channels, 0)[:, None]
    flat = F.pad(images, (reach,) * 4, mode="reflect").flatten(0, 1)[None]
    return F.conv2d(flat, weight, groups=batch * channels).view_as(images)


def smoothed(planes: Tensor, sigmas: Tensor) -> Tensor:
    """Smooth each of B×C×H×W by a Gaussian of its own sigma (pixels), B, on the CPU; 0 leaves it as it is."""
    reach = max(1, math.ceil(4 * float(sigmas.max())))
    places = torch.arange(-reach, reach + 1, dtype=planes.dtype)
    weights = torch.exp(-0.5 * (places / sigmas.clamp(min=1e-3)[:, None]) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    batch, channels = planes.shape[:2]
    along = placed(weights.repeat_interleave(channels, 0)[:, None], planes.device)
    mode = "reflect" if min(planes.shape[2:]) > reach else "replicate"
    for view, pad in (
        (along[:, :, None, :], (reach, reach, 0, 0)),
        (along[:, :, :, None], (0, 0, reach, reach)),
    ):
        flat = F.pad(planes, pad, mode=mode).flatten(0, 1)[None]
        planes = F.conv2d(flat, view, groups=batch * channels).view(batch, channels, *planes.shape[2:])
    return planes


def to_light(images: Tensor) -> Tensor:
    """Undo sRGB's curve (IEC 61966-2-1), 0–1."""
    return torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055).clamp(min=0) ** 2.4)


def from_light(light: Tensor) -> Tensor:
    """Apply sRGB's curve, 0–1."""
    return _curve(light.clamp(0, 1))


def curved(light: Tensor) -> Tensor:
    """Apply sRGB's curve to any range; negative values mirror positive ones."""
    return torch.copysign(_curve(light.abs()), light)


def _curve(light: Tensor) -> Tensor:
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
