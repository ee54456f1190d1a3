from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from restorecli.imaging.bayer import malvar
from restorecli.imaging.cfa import sample
from restorecli.quality.degrade import add_noise, jpeg
from restorecli.training.degradations import MARGINS, TASKS, degrade, past_of_patch
from restorecli.training.patches import Pair, in_bytes, validation_pairs
from restorecli.training.recipe import Recipe

OPTIONS: dict[str, dict[str, Any]] = {
    "denoise": {"sigma": [20.0, 20.0]},
    "dejpeg": {"quality": [10, 10], "twice": 0.5, "full_chroma": 0.5},
    "demosaic": {},
    "deblur": {"motion": [3, 12], "defocus": 0.3, "sharp": 0.1, "sigma": 2.0, "compressed": 0.3},
    "enhance": {"stops": [1, 3], "error": 0.0, "shot": [3e-5, 3e-4]},
    "upscale": {"scale": 2},
}
SIDE = 48


def smooth(side: int, seed: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    rng = np.random.default_rng(seed)
    planes = [np.sin(4 * rows + k) * np.cos(3 * columns - k) for k in rng.uniform(0, 3, 3)]
    return np.rint(127 + 100 * np.stack(planes, axis=2)).astype(np.uint8)


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_of_one_size_and_follow_from_the_generator(task: str) -> None:
    scale = OPTIONS[task].get("scale", 1)
    clean = smooth(scale * (SIDE + MARGINS[task]))
    first, target = degrade(task, clean, np.random.default_rng(3), OPTIONS[task])
    again, _ = degrade(task, clean, np.random.default_rng(3), OPTIONS[task])
    assert first.shape == (SIDE, SIDE, 3) and target.shape == (scale * SIDE, scale * SIDE, 3)
    assert first.dtype == np.float32
    assert target.dtype == (np.float32 if task == "enhance" else np.uint8)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_seen_lies_over_what_is_wanted(task: str) -> None:
    for seed in range(6):
        scale = OPTIONS[task].get("scale", 1)
        clean = smooth(scale * (SIDE + MARGINS[task]))
        degraded, target = degrade(task, clean, np.random.default_rng(seed), OPTIONS[task])
        true = in_bytes(target).reshape(SIDE, scale, SIDE, scale, 3).mean((1, 3)) / 255
        exact = np.abs(degraded - true)[4:-4, 4:-4].mean()
        moved = np.abs(np.roll(degraded, 4, axis=1) - true)[4:-4, 4:-4].mean()
        assert exact < moved


def test_noise_is_of_the_sigma_asked_for_and_equal_in_the_channels_of_gray() -> None:
    clean = smooth(128)
    degraded, target = degrade("denoise", clean, np.random.default_rng(0), {"sigma": [30, 30]})
    noise = (degraded - target / np.float32(255)) * 255
    assert np.std(noise) == pytest.approx(30, rel=0.03)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.05
    gray, target = degrade("denoise", clean, np.random.default_rng(0), {"sigma": [30, 30], "gray": 1.0})
    assert np.array_equal(gray[..., 0], gray[..., 2])
    assert np.array_equal(target[..., 0], target[..., 1])


def test_a_single_compression_is_that_of_the_benchmark_on_a_shifted_grid() -> None:
    clean = smooth(SIDE + MARGINS["dejpeg"])
    options = {"quality": [30, 30], "full_chroma": 0.0}
    degraded, target = degrade("dejpeg", clean, np.random.default_rng(2), options)
    places = [(top, left) for top in range(8) for left in range(8)]
    whole = jpeg(clean, 30, "4:2:0")
    shifted = [whole[top : top + SIDE, left : left + SIDE] for top, left in places]
    matches = [
        place for place, image in zip(places, shifted, strict=True) if np.allclose(degraded * 255, image)
    ]
    assert len(matches) == 1 and matches[0] != (0, 0)
    top, left = matches[0]
    assert np.array_equal(target, clean[top : top + SIDE, left : left + SIDE])


def test_the_mosaic_keeps_its_phase() -> None:
    clean = smooth(SIDE + MARGINS["demosaic"])
    degraded, target = degrade("demosaic", clean, np.random.default_rng(0), {})
    whole = malvar(sample(clean.astype(np.float32) / 255, "RGGB"), "RGGB")
    assert np.allclose(degraded, whole[2:-2, 2:-2])
    assert np.allclose(degraded[::2, ::2, 0] * 255, target[::2, ::2, 0], atol=1e-3)
    assert np.allclose(degraded[1::2, 1::2, 2] * 255, target[1::2, 1::2, 2], atol=1e-3)


def test_validation_is_fixed_and_draws_several_levels() -> None:
    recipe = Recipe("r", "nlsn", "denoise", {}, 1, degradation={"sigma": [5, 50]}, validation_draws=2)
    photos = [Pair(smooth(64, seed), smooth(64, seed)) for seed in range(2)]
    first, again = validation_pairs(photos, recipe), validation_pairs(photos, recipe)
    assert len(first) == 4
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.degraded, other.degraded)
    deviations = [float(np.std(pair.degraded - pair.clean / 255)) for pair in first]
    assert len({round(d, 4) for d in deviations}) == 4


def test_noise_beyond_white_is_kept_and_compression_loses_a_little() -> None:
    white = np.full((32, 32, 3), 255, dtype=np.uint8)
    assert add_noise(white, 10, 1).max() > 1
    photo = smooth(64)
    errors = [np.abs(jpeg(photo, quality).astype(int) - photo).mean() for quality in (95, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert jpeg(photo[:, :, 0], 50).shape == (64, 64)


def test_blur_is_by_motion_focus_or_nothing_in_the_shares_asked_for() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (SIDE + 32, SIDE + 32, 3), dtype=np.uint8)

    def left(options: dict[str, Any]) -> list[float]:
        """How much of the contrast of white noise each draw leaves: a disc and a motion leave little."""
        pairs = [degrade("deblur", clean, np.random.default_rng(seed), options) for seed in range(40)]
        return [float(np.std(seen) / np.std(target / 255)) for seen, target in pairs]

    assert np.mean([share > 0.99 for share in left({"motion": [9, 9], "sharp": 0.5})]) == pytest.approx(
        0.5, abs=0.2
    )
    assert max(left({"motion": [9, 9]})) < 0.6
    assert max(left({"motion": [3, 3], "defocus": 1.0})) < 0.9


def test_what_is_wanted_of_a_wrongly_brightened_patch_is_as_bright() -> None:
    clean = smooth(SIDE)
    options = {"stops": [2, 2], "error": 0.5, "shot": [1e-7, 1e-7]}
    means = []
    for seed in range(12):
        seen, wanted = degrade("enhance", clean, np.random.default_rng(seed), options)
        assert seen.mean() == pytest.approx(wanted.mean(), abs=0.02)
        means.append(wanted.mean())
    assert np.std(means) > 0.03  # how bright it should be is not learnt


def test_a_recipe_for_real_photos_is_validated_on_squares_that_were_made_small() -> None:
    recipe = Recipe("a", "nlsn", "upscale", {"scale": 2}, 1, degradation={"kind": "real"}, validation_draws=2)
    photo = smooth(150)
    pairs = validation_pairs([Pair(photo[::2, ::2], photo)], recipe)
    assert [pair.degraded.shape for pair in pairs] == [(63, 63, 3)] * 2
    assert [pair.clean.shape for pair in pairs] == [(126, 126, 3)] * 2
    assert not np.array_equal(pairs[0].degraded, pairs[1].degraded)


def test_a_share_of_patches_was_made_small_by_nothing_but_shrinking() -> None:
    rng = np.random.default_rng(5)
    pasts = [past_of_patch(rng, {"scale": 4, "sharp": 0.5}) for _ in range(300)]
    plain = [past.blur is None and past.resize[0] == 1 for past in pasts]
    assert 0.4 < np.mean(plain) < 0.6
    assert not any(past_of_patch(rng, {"scale": 4}).resize[0] == 1 for _ in range(50))
