"""Batches made on a device, here the CPU, teach the same as those made picture by picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from restorecli.errors import UsageError
from restorecli.quality.degrade import shrink
from restorecli.training import degradations, loop
from restorecli.training.device.batches import DeviceBatches, can_stay
from restorecli.training.device.degradations import TASKS
from restorecli.training.patches import Pair, PatchSampler
from restorecli.training.recipe import Recipe
from restorecli.training.state import first_state, resume
from tests.training.test_training import TINY

DEVICE = torch.device("cpu")
OPTIONS: dict[str, dict[str, Any]] = {
    "denoise": {
        "sigma": [0, 20],
        "camera": 0.5,
        "shot": [1e-4, 1e-3],
        "soft": 0.3,
        "gray": 0.2,
        "rounded": 0.3,
    },
    "demosaic": {"vivid": 0.3, "saturation": 1.5},
    "dejpeg": {"quality": [20, 90], "twice": 0.4, "gray": 0.2},
    "deblur": {"motion": [3, 15], "defocus": 0.4, "sharp": 0.1, "sigma": 2.0, "compressed": 0.3},
    "enhance": {"stops": [1, 3], "error": 0.3, "shot": [3e-5, 3e-4]},
    "upscale": {"kind": "real"},
}


def recipe(task: str, degradation: dict[str, Any] | None = None) -> Recipe:
    scale = 2 if task == "upscale" else 1
    given = OPTIONS[task] if degradation is None else degradation
    settings = {**TINY.settings, "scale": scale}
    return replace(TINY, task=task, settings=settings, degradation=given, patch=32, batch=6)


def photos(count: int = 3) -> list[Pair]:
    rng, found = np.random.default_rng(1), []
    for number in range(count):
        y, x = np.mgrid[: 150 + 10 * number, :170]
        waves = [np.sin(x / (7 + c)) + np.cos(y / (9 - c) + number) for c in range(3)]
        smooth = 127 + 50 * np.stack(waves, axis=2) + rng.normal(0, 3, (*y.shape, 3))
        photo = np.clip(np.rint(smooth), 0, 255).astype(np.uint8)
        found.append(Pair(photo, photo))
    return found


def test_every_task_can_stay() -> None:
    assert set(TASKS) == set(degradations.TASKS)
    assert all(can_stay(replace(TINY, task=task)) for task in TASKS)


@pytest.mark.parametrize("task", OPTIONS)
def test_batches_follow_from_the_step_and_lie_over_what_is_wanted(task: str) -> None:
    source = DeviceBatches(PatchSampler(photos(), recipe(task)), DEVICE)
    for step in range(3):
        seen, clean = source[step]
        again, _ = source[step]
        scale = source.recipe.scale
        assert seen.shape == (6, 3, 32, 32) and clean.shape == (6, 3, 32 * scale, 32 * scale)
        assert torch.equal(seen, again) and not torch.equal(seen, source[step + 1][0])
        true = torch.nn.functional.avg_pool2d(clean, scale)
        moved = [(torch.roll(seen, 6 * by, 3) - true)[..., 6:-6, 6:-6].abs().mean() for by in (-1, 0, 1)]
        assert moved[1] == min(moved)


def test_patches_of_carefully_shrunk_photos_are_those_of_the_shrunk_photo() -> None:
    photo = photos(1)[0].clean
    made = DeviceBatches(PatchSampler([Pair(shrink(photo, 2), photo)], recipe("upscale", {})), DEVICE)
    whole = torch.from_numpy(shrink(photo, 2)).permute(2, 0, 1).float() / 255
    seen, clean = made[0]
    ways = [torch.rot90(w, k, (1, 2)) for w in (whole, whole.flip(2)) for k in range(4)]
    windows = [way.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4) for way in ways]
    for patch in seen:
        off = min(float((window - patch).abs().amax((2, 3, 4)).min()) for window in windows)
        assert off < 1.5 / 255
    assert clean.shape[2] == 64


@pytest.mark.parametrize("task", OPTIONS)
def test_degradations_are_as_strong_as_those_of_single_patches(task: str) -> None:
    one = replace(recipe(task), batch=16)
    shrunk = [Pair(pair.clean[:: one.scale, :: one.scale], pair.clean) for pair in photos()]
    sampler = PatchSampler(shrunk, one)
    source = DeviceBatches(sampler, DEVICE)

    def lost(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        pooled = [
            (a - torch.nn.functional.avg_pool2d(b, one.scale)).square().mean((1, 2, 3)) for a, b in pairs
        ]
        return float(torch.cat(pooled).clamp(min=1e-6).log10().mean()) * 10

    ours, theirs = lost([source[s] for s in range(4)]), lost([sampler[s] for s in range(4)])
    assert ours == pytest.approx(theirs, abs=2.5)  # dB, of 64 draws each


def test_photos_smaller_than_a_patch_are_refused() -> None:
    photo = np.zeros((66, 66, 3), np.uint8)  # a patch of 64, but not the border around it
    sampler = PatchSampler([Pair(shrink(photo, 2), photo)], recipe("upscale", {}))
    with pytest.raises(UsageError, match="no photo is as large"):
        DeviceBatches(sampler, DEVICE)


def test_a_run_on_the_device_resumes_and_learns(tmp_path: Path) -> None:
    short = replace(recipe("denoise"), steps=30, validate_every=15, learning_rate=3e-3)
    sampler = PatchSampler(photos(), short)
    options, said = loop.Options(on_device=True), []
    state = first_state(short, tmp_path, DEVICE)
    loop.train(short, sampler, photos(1), state, tmp_path, said.append, options=options)
    first, last = (float(text.split("loss=")[1].split()[0]) for text in (said[0], said[-1]))
    assert last < first
    assert state.step == 30
    other = first_state(short, tmp_path, DEVICE)
    resume(other, short, tmp_path / "checkpoint.pt")
    assert other.step == 30


def test_a_gpu_keeps_photos_and_compiles_and_a_cpu_does_not() -> None:
    assert loop.usual_options(TINY, torch.device("cuda")) == loop.Options(True, True)
    assert loop.usual_options(replace(TINY, hard=0.5), torch.device("cuda")) == loop.Options(False, True)
    assert loop.usual_options(TINY, DEVICE) == loop.Options(False, False)
