"""Mosaics of batches are those of single pictures: sampled, interpolated, exposed, and their noise told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.imaging.colour import linear_to_srgb
from restorecli.imaging.network_view import FORMS, colours
from restorecli.imaging.raw_noise import noise_map
from restorecli.quality.raw_noise import Exposure, at_iso, expose
from restorecli.training.degradations import degrade, margin
from restorecli.training.device.batches import DeviceBatches
from restorecli.training.device.degradations import TASKS, Draw
from restorecli.training.device.interpolation import Method, interpolated
from restorecli.training.device.mosaics import Taken, draw_taken, exposed, mosaicked
from restorecli.training.device.mosaics import noise_map as noise_maps
from restorecli.training.patches import Pair, PatchSampler
from tests.training.test_training import TINY

INNER = np.s_[:, 3:-3, 3:-3]  # where borders do not matter
OPTIONS: dict[str, Any] = {
    "extra_input": "raw noise map",
    "noisy": 0.5,
    "shot": [2e-5, 1.5e-2],
    "read_electrons": [1.0, 7.0],
    "gain": [1.0, 2.8],
    "dark": 0.3,
    "map_error": 0.1,
    "vivid": 0.3,
    "saturation": 1.8,
}
DARK = Exposure(3e-3, 2e-5, (2.1, 1.0, 1.4), 0.4)


def pictures(count: int = 3, side: int = 42) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    waves = [[np.sin(x / (3 + c + b)) * np.cos(y / (6 - c)) for c in range(3)] for b in range(count)]
    noise = np.random.default_rng(4).normal(0, 9, (count, side, side, 3))
    smooth = 127 + 110 * np.array(waves).transpose(0, 2, 3, 1) + noise
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def rows(images: torch.Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


METHODS: list[tuple[Method, str]] = [
    *((method, pattern) for method in (bayer.malvar, bayer.bilinear) for pattern in bayer.PATTERNS),
    *((xtrans.interpolate, pattern) for pattern in xtrans.PATTERNS[::5]),
    *((colours, form) for form in FORMS),
]


@pytest.mark.parametrize(("method", "name"), METHODS)
@pytest.mark.parametrize("shape", [(42, 48), (37, 44)])
def test_interpolation_is_that_of_single_mosaics(method: Method, name: str, shape: tuple[int, int]) -> None:
    mosaics = np.random.default_rng(2).standard_normal((2, *shape)).astype(np.float32)
    period = cfa.period(FORMS.get(name, name))
    found = rows(interpolated(torch.from_numpy(mosaics)[:, None], method, name, period))
    wanted = np.stack([method(mosaic, name) for mosaic in mosaics])
    assert np.allclose(found[INNER], wanted[INNER], atol=2e-6)
    if period == 2 and shape[0] % 2 == 0:  # mirrored pixels hold the same colour
        assert np.allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_without_noise_the_network_sees_the_same(form: str) -> None:
    images, options = pictures(), {**OPTIONS, "demosaic_input": form, "noisy": 0.0, "vivid": 0.0}
    for extra in (OPTIONS["extra_input"], ""):
        told = {**options, "extra_input": extra}
        size = margin("demosaic", told)
        draw = Draw(np.random.default_rng(0), random(), told)
        seen, truth = TASKS["demosaic"](tensor(images), draw)
        for image, one, other in zip(images, rows(seen), rows(truth), strict=True):
            view, clean = degrade("demosaic", image, np.random.default_rng(0), told)
            side = len(image) - size
            assert view.shape == one[:side, :side].shape
            assert np.allclose(one[:side, :side], view, atol=2e-6)
            scaled = clean / 255 if clean.dtype == np.uint8 else clean
            assert np.allclose(other[:side, :side], scaled, atol=2e-6)


def test_colours_are_as_much_stronger() -> None:
    images, options = pictures(), {"vivid": 1.0, "saturation": 1.8}
    for image in images:
        drawn = draw_taken(np.random.default_rng(7), options)
        assert 1 < drawn.vivid < 1.8
        seen, truth = mosaicked(tensor(image[None]), [drawn], random(), options)
        view, clean = degrade("demosaic", image, np.random.default_rng(7), options)
        assert (
            np.abs(rows(truth)[0, 2:-2, 2:-2] * 255 - clean).max() < 1.01
        )  # a tie may be rounded up or down
        assert (np.abs(rows(truth)[0, 2:-2, 2:-2] * 255 - clean) > 0.5).mean() < 1e-3
        assert np.abs(rows(seen)[0, 2:-2, 2:-2] - view).mean() < 1e-5


@pytest.mark.parametrize("pattern", [*bayer.PATTERNS, *xtrans.PATTERNS[::7]])
def test_the_noise_map_is_that_of_single_mosaics(pattern: str) -> None:
    shots = [at_iso(800), DARK, Exposure(1.5e-2, 1e-3)]
    rng = np.random.default_rng(3)
    made = [
        expose(image.astype(np.float32) / 255, pattern, e, rng)
        for image, e in zip(pictures(), shots, strict=True)
    ]
    found = noise_maps(torch.from_numpy(np.stack(made))[:, None], pattern, [e.noise for e in shots])
    for one, mosaic, exposure in zip(found[:, 0].numpy(), made, shots, strict=True):
        wanted = noise_map(mosaic, pattern, exposure.noise)
        assert np.allclose(one, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG", xtrans.PATTERN])
@pytest.mark.parametrize("exposure", [at_iso(800), at_iso(12800), DARK, Exposure(0.05, 1e-4)])
def test_noise_has_the_mean_variance_and_skew_of_single_mosaics(pattern: str, exposure: Exposure) -> None:
    levels = np.repeat(np.linspace(0, 255, 7).astype(np.uint8), 6)
    image = np.repeat(np.broadcast_to(levels[:, None, None], (42, 192, 3)), 4, axis=1)
    found = exposed(tensor(image[None]), pattern, [exposure], random())[0, 0].numpy().astype(np.float64)
    rng = np.random.default_rng(1)
    wanted = expose(image.astype(np.float32) / 255, pattern, exposure, rng).astype(np.float64)
    held = cfa.channels(image.shape[:2], pattern)
    for level in range(7):
        for channel in range(3):
            inside = held[6 * level : 6 * level + 6] == channel
            ours, theirs = (made[6 * level : 6 * level + 6][inside] for made in (found, wanted))
            spread = theirs.std()
            off = 4 * (2 / inside.sum()) ** 0.5  # four standard errors of a difference
            assert abs(ours.mean() - theirs.mean()) <= off * spread
            assert ours.std() == pytest.approx(spread, rel=0.1, abs=1e-6)
            third = [float(((made - made.mean()) ** 3).mean()) for made in (ours, theirs)]
            assert third[0] == pytest.approx(third[1], abs=0.5 * spread**3 + 1e-12)


def test_a_noisy_patch_is_the_curve_of_its_mosaic_and_its_truth_as_dark() -> None:
    images = pictures()
    taken = [Taken(exposure=DARK, wrong=1.3), Taken(), Taken(exposure=at_iso(3200))]
    seen, truth = (rows(made) for made in mosaicked(tensor(images), taken, random(5), OPTIONS))
    again = exposed(tensor(images), "RGGB", [DARK, Exposure(1.0, 0.0), at_iso(3200)], random(5))
    for index in (0, 2):
        balanced = np.minimum(again[index, 0].numpy(), 1)
        assert np.allclose(seen[index, ..., :3], colours(linear_to_srgb(balanced), "malvar-RGGB"), atol=1e-5)
        exposure, wrong = (DARK, 1.3) if index == 0 else (at_iso(3200), 1.0)
        told = noise_map(balanced, "RGGB", exposure.noise.stronger(wrong))
        assert np.allclose(seen[index, ..., 3], told, atol=1e-5, rtol=1e-4)
    assert not seen[1, ..., 3].any()
    assert np.allclose(truth[1:], images[1:] / 255, atol=1e-6)
    assert truth[0].mean() < 0.8 * images[0].mean() / 255


def test_as_many_patches_are_noisy_and_vivid_and_as_much_so() -> None:
    rng = np.random.default_rng(0)
    taken = [draw_taken(rng, OPTIONS) for _ in range(4000)]
    assert np.mean([one.vivid > 1 for one in taken]) == pytest.approx(0.3, abs=0.03)
    shots = [one.exposure.shot for one in taken if one.exposure]
    assert len(shots) == pytest.approx(2000, abs=120)
    assert np.log(shots).mean() == pytest.approx(np.log([2e-5, 1.5e-2]).mean(), abs=0.15)
    assert np.log([one.wrong for one in taken if one.exposure]).std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("form", ["malvar-RGGB", "cells-XTRANS"])
def test_batches_with_a_noise_map_teach_what_those_of_single_patches_do(form: str) -> None:
    photos = [Pair(image, image) for image in pictures(3, 90)]
    settings = {"demosaic_input": form, "extra_input": OPTIONS["extra_input"]}
    drawn = {name: value for name, value in OPTIONS.items() if name != "extra_input"}
    recipe = replace(
        TINY, task="demosaic", settings=settings, degradation=drawn, patch=36, batch=24, hard=0.5
    )
    sampler = PatchSampler(photos, recipe)
    source = DeviceBatches(sampler, torch.device("cpu"))
    kinds: list[list[float]] = []
    for made in (source, sampler):
        pairs = [made[step] for step in range(6)]
        assert pairs[0][0].shape == (24, 4, 36, 36) and pairs[0][1].shape == (24, 3, 36, 36)
        seen, clean = (torch.cat([pair[index] for pair in pairs]) for index in (0, 1))
        lost = (seen[:, :3] - clean).square().mean((1, 2, 3)).log10().mean()
        told = (seen[:, 3] > 0).float().mean()
        kinds.append([10 * float(lost), float(told), float(clean.mean())])
    assert kinds[0][0] == pytest.approx(kinds[1][0], abs=1.2)  # dB, of 144 draws each
    assert kinds[0][1] == pytest.approx(kinds[1][1], abs=0.2)
    assert kinds[0][2] == pytest.approx(kinds[1][2], abs=0.05)
