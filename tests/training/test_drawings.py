from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorecli.training.drawings import SIDE, font_files, sheets
from restorecli.training.patches import Pair, PatchSampler
from tests.training.test_training import TINY


def test_sheets_follow_from_the_seed_and_are_full_of_edges() -> None:
    drawn = sheets(3, 6)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, sheets(3, 6), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(drawn, sheets(4, 6), strict=True))
    for sheet in drawn:
        assert sheet.shape == (SIDE, SIDE, 3) and sheet.dtype == np.uint8
        steps = np.abs(np.diff(sheet.astype(int), axis=1)).max(2)
        assert (steps > 40).mean() > 0.01  # edges
        assert (steps == 0).mean() > 0.2  # flat ground


def test_without_fonts_pillows_own_is_taken(tmp_path: Path) -> None:
    assert font_files(tmp_path) == []
    (sheet,) = sheets(0, 1, [])
    assert np.ptp(sheet) > 50


@pytest.mark.parametrize("task", ["upscale", "denoise"])
def test_the_share_of_patches_asked_for_is_drawn(task: str) -> None:
    degradation = {} if task == "upscale" else {"sigma": [0, 1]}
    settings = TINY.settings if task == "upscale" else {**TINY.settings, "scale": 1}
    recipe = replace(TINY, task=task, settings=settings, degradation=degradation, drawings=0.4)
    photo = np.full((64, 64, 3), 77, np.uint8)
    side = 64 // recipe.scale
    sampler = PatchSampler([Pair(photo[:side, :side], photo)], recipe)
    rng = np.random.default_rng(0)
    drawn = [not (sampler._patch(rng).clean == 77).all() for _ in range(300)]
    assert np.mean(drawn) == pytest.approx(0.4, abs=0.09)
    assert not replace(recipe, drawings=0.0).drawings
    assert PatchSampler([Pair(photo, photo)], replace(recipe, drawings=0.0)).drawn == []
