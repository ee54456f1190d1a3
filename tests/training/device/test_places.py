"""Places drawn for whole batches are those that single patches get."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from restorecli.training.device.batches import DeviceBatches, can_stay
from restorecli.training.device.places import Places
from restorecli.training.patches import Pair, PatchSampler
from restorecli.training.recipe import Recipe
from tests.training.test_training import TINY

DRAWS = 4000


def recipe(**changes: object) -> Recipe:
    return replace(TINY, task="demosaic", settings={}, patch=32, batch=DRAWS, **changes)  # type: ignore[arg-type]


def sampler(of: Recipe) -> PatchSampler:
    """Flat photos, where only a few squares of the second are hard, one of them in its corner."""
    first, second = np.full((96, 128, 3), 90, np.uint8), np.full((112, 96, 3), 60, np.uint8)
    rng = np.random.default_rng(3)
    for row, column in ((0, 0), (3, 4), (4, 2)):
        second[16 * row :, 16 * column :][:16, :16] = rng.integers(0, 256, (16, 16, 3))
    return PatchSampler([Pair(first, first), Pair(second, second)], of)


def drawn(places: Places) -> tuple[np.ndarray, np.ndarray]:
    return places.drawn(np.random.default_rng(1), DRAWS)


def of_device(of: Recipe) -> Places:
    return DeviceBatches(sampler(of), torch.device("cpu")).places


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_hard_places_are_as_often_everywhere_as_those_of_single_patches(share: float) -> None:
    one = recipe(hard=share)
    which, corners = drawn(of_device(one))
    single, rng = sampler(one), np.random.default_rng(2)
    found = [single._place(rng) for _ in range(DRAWS)]
    index = np.array([next(i for i, p in enumerate(single.photos) if p is photo) for photo, _, _ in found])
    theirs = np.column_stack([index, [row[1:] for row in found]])
    ours = np.column_stack([which, corners])
    assert (ours[:, 1:] >= 0).all()
    assert (ours[:, 1:] + 36 <= np.array([[96, 128], [112, 96]])[which]).all()
    for photo in (0, 1):
        shares = [float((rows[:, 0] == photo).mean()) for rows in (ours, theirs)]
        assert shares[0] == pytest.approx(shares[1], abs=0.03)
        for axis in (1, 2):
            of = [rows[rows[:, 0] == photo, axis] for rows in (ours, theirs)]
            curves = [np.cumsum(np.bincount(begins, minlength=96)) / max(1, len(begins)) for begins in of]
            bound = 2 * (2 / max(1, min(map(len, of)))) ** 0.5  # of chance; Kolmogorov and Smirnov, 0.07 %
            assert np.abs(curves[0] - curves[1]).max() < bound


def test_a_hard_patch_holds_a_hard_square() -> None:
    which, corners = drawn(of_device(recipe(hard=1.0)))
    squares = np.array([(0, 0), (48, 64), (64, 32)])
    ends = corners[:, None] + 36
    holds = ((corners[:, None] <= squares) & (squares + 16 <= ends)).all(2).any(1)
    assert (which == 1).mean() > 0.95  # interpolation also fails beside a hard square, in its neighbours
    assert holds[which == 1].mean() > 0.8


def test_sheets_are_never_cut_around_the_squares_of_photos() -> None:
    of = of_device(recipe(hard=1.0))
    places = replace(of, sides=np.concatenate([of.sides, [[40, 40]]]), sheets=0.3)
    which, corners = drawn(places)
    assert (which == 2).mean() == pytest.approx(0.3, abs=0.03)
    assert (corners[which == 2] <= 4).all()


def test_hard_places_need_photos_whose_patches_are_drawn_at_their_own_size() -> None:
    tried = replace(TINY, hard=0.5)
    assert can_stay(replace(tried, task="denoise", settings={}))
    assert not can_stay(replace(tried, task="upscale", settings={"scale": 2}))
