"""The noise of cameras on batches: `quality.camera_noise` with a camera for every image, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from restorecli.imaging.bayer import bilinear, malvar
from restorecli.quality.camera_noise import YCBCR, Camera
from restorecli.training.device.filters import from_light, rounded, smoothed
from restorecli.training.device.interpolation import interpolated, sampled
from restorecli.training.device.jpeg import TO_RGB, compressed
from restorecli.training.device.placing import each, flags, placed

_TONES = 2048


def shot(clean: Tensor, cameras: Sequence[Camera], random: torch.Generator) -> Tensor:
    """Give each of B×3×H×W (0–1, even sides) the noise of its camera; see `camera_noise.shoot`."""
    noise = _reduced(_developed(clean, cameras, random), cameras)
    toes = _numbers(cameras, lambda camera: camera.toe, clean)
    noise = noise * torch.where(toes > 0, (clean / toes.clamp(min=1e-6)).clamp(max=1), torch.ones_like(clean))
    noisy = rounded(clean + noise)
    coded = compressed(
        noisy, [c.quality or 100 for c in cameras], [c.subsampling == "4:2:0" for c in cameras]
    )
    return torch.where(flags([camera.quality is None for camera in cameras], clean), noisy, coded)


def _numbers(cameras: Sequence[Camera], value: Callable[[Camera], float], like: Tensor) -> Tensor:
    """Return a number of each camera as B×1×1×1."""
    return each([value(camera) for camera in cameras], like)


def _sigmas(cameras: Sequence[Camera], value: Callable[[Camera], float]) -> Tensor:
    """Return a blur of each camera, in pixels, on the CPU."""
    return torch.tensor([value(camera) for camera in cameras], dtype=torch.float32)


def _developed(clean: Tensor, cameras: Sequence[Camera], random: torch.Generator) -> Tensor:
    light = torch.linspace(0, 1, _TONES, device=clean.device) ** 3
    contrast = _numbers(cameras, lambda camera: camera.contrast, clean)[:, :, 0, 0]
    curve = from_light(light)[None]
    curves = (1 - contrast) * curve + contrast * curve**2 * (3 - 2 * curve)
    linear = _looked_up(clean, curves, light.expand_as(curves))
    balance = placed([camera.balance for camera in cameras], clean.device)[:, :, None, None]
    strength = _numbers(cameras, lambda camera: camera.shot, clean) * linear / balance
    deviation = (strength + _numbers(cameras, lambda camera: camera.read, clean)).clamp(min=0).sqrt()
    raw = torch.randn(clean.shape, generator=random, device=clean.device) * deviation
    noise = _demosaicked(raw, [camera.smooth_demosaicing for camera in cameras]) * balance
    mixing = _numbers(cameras, lambda camera: camera.mixing, clean)
    noise = (1 + 3 * mixing) * noise - mixing * noise.sum(1, keepdim=True)
    return _looked_up(linear + noise, light.expand_as(curves).contiguous(), curves) - clean


def _looked_up(values: Tensor, known: Tensor, wanted: Tensor) -> Tensor:
    """Interpolate each of B×C×H×W linearly in its table, from ``known`` (ascending) to ``wanted``."""
    flat = values.flatten(1).contiguous()
    place = torch.searchsorted(known.contiguous(), flat).clamp(1, known.shape[1] - 1)
    low, high = known.gather(1, place - 1), known.gather(1, place)
    share = ((flat - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(wanted.gather(1, place - 1), wanted.gather(1, place), share).view_as(values)


def _demosaicked(raw: Tensor, smooth: Sequence[bool]) -> Tensor:
    """Sample B×3×H×W as RGGB and interpolate: bilinear where ``smooth``, else by Malvar, He and Cutler."""
    mosaic = sampled(raw, "RGGB")
    soft, sharp = (interpolated(mosaic, method, "RGGB", 2) for method in (bilinear, malvar))
    return torch.where(flags(smooth, raw), soft, sharp)


def _reduced(noise: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """As `camera_noise.reduced`: by luma and chroma, or red, green and blue by themselves."""
    to_ycc = placed(YCBCR, noise.device)
    parts = torch.einsum("ij,bjhw->bihw", to_ycc, noise)
    fine = _sigmas(cameras, lambda camera: camera.luma_blur)
    coarse = _sigmas(cameras, lambda camera: camera.chroma_blur)
    luma = _plane_left(parts[:, :1], fine, cameras)
    chroma = smoothed(parts[:, 1:], coarse)
    ratio = _numbers(
        cameras, lambda camera: -1.0 if camera.chroma_ratio is None else camera.chroma_ratio, noise
    )
    own, left = _deviation(parts[:, 1:]), ratio * _deviation(luma)
    chroma = _of_strength(chroma, torch.where(ratio < 0, own, left.expand_as(own)))
    joint = torch.einsum("ij,bjhw->bihw", placed(TO_RGB, noise.device), torch.cat((luma, chroma), 1))
    wider = (fine**2 + (coarse / 3) ** 2).sqrt()
    apart = [_plane_left(noise[:, i : i + 1], fine if i == 1 else wider, cameras) for i in range(3)]
    return torch.where(flags([camera.by_channel for camera in cameras], noise), torch.cat(apart, 1), joint)


def _plane_left(noise: Tensor, blur: Tensor, cameras: Sequence[Camera]) -> Tensor:
    fine = smoothed(noise, blur)
    amount = _numbers(cameras, lambda camera: camera.sharpening, noise)
    fine = fine + amount * (fine - smoothed(fine, torch.ones(len(cameras))))
    slow = smoothed(noise, _sigmas(cameras, lambda camera: camera.drift_blur))
    drift = _numbers(cameras, lambda camera: camera.luma_drift, noise)
    mixed = _of_strength(fine, (1 - drift**2).sqrt()) + _of_strength(slow, drift)
    left = _numbers(cameras, lambda camera: camera.luma_left, noise)
    return _of_strength(mixed, left * _deviation(noise))


def _deviation(planes: Tensor) -> Tensor:
    return planes.std((2, 3), correction=0, keepdim=True)


def _of_strength(planes: Tensor, wanted: Tensor) -> Tensor:
    return planes * (wanted / _deviation(planes).clamp(min=1e-9))
