"""Degradations of batches give what those of single pictures give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from restorecli.imaging.bayer import bilinear, malvar
from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.cfa import sample
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.degradations.blur import blurred, motion_kernel
from restorecli.quality.degrade import jpeg, shrink
from restorecli.training.device.camera import _demosaicked, shot
from restorecli.training.device.filters import blurred_by, from_light, shrunk, smoothed, to_light
from restorecli.training.device.jpeg import compressed

RNG = np.random.default_rng(5)


def pictures(count: int = 3, side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    waves = [[np.sin(x / (3 + c + b)) * np.cos(y / (6 - c)) for c in range(3)] for b in range(count)]
    smooth = 127 + 90 * np.array(waves).transpose(0, 2, 3, 1)
    return np.clip(np.rint(smooth + RNG.normal(0, 6, smooth.shape)), 0, 255).astype(np.uint8)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def levels(images: torch.Tensor) -> np.ndarray:
    return (images * 255).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrinking_is_matlabs(scale: int) -> None:
    images = pictures(side=60)
    wanted = np.stack([shrink(image, scale) for image in images])
    found = levels(shrunk(tensor(images), scale))
    assert np.abs(found - wanted).max() < 1.01 and (np.abs(found - wanted) > 0.5).mean() < 1e-3


@pytest.mark.parametrize("halved", [False, True])
def test_jpeg_is_libjpegs(halved: bool) -> None:
    images, qualities = pictures(), [20, 60, 93]
    kind = "4:2:0" if halved else "4:4:4"
    wanted = np.stack([jpeg(image, q, kind) for image, q in zip(images, qualities, strict=True)])
    found = levels(compressed(tensor(images), qualities, [halved] * 3))
    wrong = found - wanted
    lost = np.sqrt((wanted.astype(float) - images) ** 2).mean((1, 2, 3))
    assert (np.abs(wrong).mean((1, 2, 3)) < 0.15 * lost + 0.3).all()


def test_jpeg_of_odd_sides_and_of_the_best_quality() -> None:
    images = pictures(1, 41)
    found = levels(compressed(tensor(images), [100], [False]))
    assert found.shape == images.shape and np.abs(found - images).max() <= 5


def test_every_image_is_blurred_by_its_own_kernel() -> None:
    images, rng = pictures(2), np.random.default_rng(0)
    kernels = [motion_kernel(rng, 15), disc_kernel(2)]
    wanted = [blurred(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
    found = from_light(blurred_by(to_light(tensor(images)), kernels))
    assert np.allclose(levels(found) / 255, np.stack(wanted), atol=2e-3)
    sigmas = torch.tensor([0.0, 2.0])
    planes = smoothed(tensor(images), sigmas).permute(0, 2, 3, 1).numpy()
    assert np.allclose(planes[0], images[0] / 255, atol=1e-6)
    wanted_smooth = gaussian_filter(images[1] / 255, (2, 2, 0), mode="mirror")
    assert np.allclose(planes[1], wanted_smooth, atol=2e-3)


def test_curves_are_srgbs() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(to_light(torch.from_numpy(values)), srgb_to_linear(values), atol=1e-6)
    assert np.allclose(from_light(torch.from_numpy(values)), linear_to_srgb(values), atol=1e-6)


def test_demosaicing_is_that_of_single_pictures() -> None:
    raw = RNG.standard_normal((2, 3, 24, 28)).astype(np.float32)
    found = _demosaicked(torch.from_numpy(raw), [True, False]).numpy()
    for image, answer, method in zip(raw, found, (bilinear, malvar), strict=True):
        wanted = method(sample(image.transpose(1, 2, 0), "RGGB"), "RGGB")
        assert np.allclose(answer.transpose(1, 2, 0), wanted, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_cameras_noise_is_as_strong_and_correlated_as_that_of_single_pictures(seed: int) -> None:
    camera = replace(draw_camera(np.random.default_rng(seed), (1e-3, 1e-3)), quality=None)
    clean = np.full((96, 96, 3), 120, np.uint8)
    clean[:, 48:] = (60, 160, 90)
    batch, random = tensor(np.repeat(clean[None], 4, 0)), torch.Generator().manual_seed(seed)
    found = levels(shot(batch, [camera] * 4, random) - batch)
    rng = np.random.default_rng(seed)
    wanted = np.stack([shoot(clean, camera, rng).astype(float) - clean for _ in range(4)])

    def traits(noise: np.ndarray) -> list[float]:
        return [
            *noise.std((0, 1, 2)),
            *(noise[:, :, 1:] * noise[:, :, :-1]).mean((0, 1, 2)) / noise.var((0, 1, 2)),
        ]

    for ours, theirs in zip(traits(found), traits(wanted), strict=True):
        assert ours == pytest.approx(theirs, rel=0.15, abs=0.12)
