"""The noise of mosaics: fitted to one, known of cameras, and told to networks sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from restorecli.imaging import cfa, noise_fit, noise_table, xtrans
from restorecli.imaging.colour import linear_to_srgb
from restorecli.imaging.raw_noise import MAP_UNIT, noise_map
from restorecli.photo import RawNoise

PATTERNS = pytest.mark.parametrize("pattern", ["RGGB", "BGGR", xtrans.PATTERN], ids=len)


def smooth_light(side: int = 512) -> np.ndarray:
    planes = [gaussian_filter(np.random.default_rng(seed).random((side, side)), 40) for seed in range(3)]
    return np.stack([0.02 + 0.6 * (p - p.min()) / np.ptp(p) for p in planes], axis=2).astype(np.float32)


def exposed(light: np.ndarray, shot: float, read: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counted = rng.poisson(light / shot) * shot + rng.standard_normal(light.shape) * read**0.5
    return counted.astype(np.float32)


@PATTERNS
@pytest.mark.parametrize("shot", [3e-4, 4e-3])
def test_the_fit_finds_the_noise_that_was_put_in(pattern: str, shot: float) -> None:
    read = (3 * shot) ** 2
    found = noise_fit.fit(exposed(cfa.sample(smooth_light(), pattern), shot, read), pattern)
    assert found is not None
    for level in (0.05, 0.3):
        true, told = shot * level + read, found.shot * level + found.read
        assert told**0.5 == pytest.approx(true**0.5, rel=0.08)


def test_texture_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(1)
    texture = gaussian_filter(rng.random((256, 256)), 1.2).astype(np.float32)
    texture = 0.3 + 2 * (texture - texture.mean())
    assert noise_fit.fit(texture, "RGGB") is None


def test_a_mosaic_too_small_to_tell_tells_nothing() -> None:
    assert noise_fit.fit(np.full((20, 20), 0.5, np.float32), "RGGB") is None


@PATTERNS
def test_the_map_is_the_deviation_after_the_curve(pattern: str) -> None:
    noise = RawNoise((1e-3, 2e-3, 4e-3), (1e-6, 1e-6, 1e-6))
    level = 0.2
    flat = np.full((30, 36), level, np.float32)
    told = noise_map(flat, pattern, noise) * MAP_UNIT
    rng = np.random.default_rng(0)
    for channel in range(3):
        deviation = (noise.shot[channel] * level + noise.read[channel]) ** 0.5
        curved = linear_to_srgb((level + deviation * rng.standard_normal(200_000)).astype(np.float32))
        own = told[cfa.channels(flat.shape, pattern) == channel]
        assert own == pytest.approx(float(curved.std()), rel=0.03)


def test_the_map_does_not_depend_on_how_many_rows_are_worked_on_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = RawNoise((1e-3,) * 3, (1e-5,) * 3)
    for pattern in ("GRBG", xtrans.PATTERN):
        mosaic = exposed(cfa.sample(smooth_light(64), pattern), 1e-3, 1e-5)
        whole = noise_map(mosaic, pattern, noise)
        monkeypatch.setattr("restorecli.imaging.raw_noise._ROWS", 12)
        np.testing.assert_allclose(noise_map(mosaic, pattern, noise), whole, atol=1e-5)
        monkeypatch.undo()


def test_shading_that_was_evened_out_has_raised_the_noise() -> None:
    noise, flat = RawNoise((1e-3,) * 3, (1e-6,) * 3), np.full((20, 20), 0.2, np.float32)
    plain = noise_map(flat, "RGGB", noise, curved=False)
    lifted = noise_map(flat, "RGGB", noise, np.full_like(flat, 4.0), curved=False)
    # 0.2 after lifting was 0.05 before: a quarter of the light, whose noise is four times as strong then
    expected = 4 * (1e-3 * 0.05 + 1e-6) ** 0.5 / (1e-3 * 0.2 + 1e-6) ** 0.5
    assert lifted / plain == pytest.approx(expected, rel=1e-4)


def test_no_noise_is_a_map_of_zeros() -> None:
    nothing = RawNoise((0.0,) * 3, (0.0,) * 3)
    assert not noise_map(np.full((8, 8), 0.5, np.float32), "RGGB", nothing).any()


def test_noise_follows_what_samples_are_multiplied_by() -> None:
    noise = RawNoise((1e-3, 2e-3, 3e-3), (1e-5, 2e-5, 3e-5))
    gains = (2.0, 1.0, 1.5)
    balanced = noise.multiplied(gains)
    for channel, gain in enumerate(gains):
        before = noise.shot[channel] * 0.3 + noise.read[channel]
        after = balanced.shot[channel] * 0.3 * gain + balanced.read[channel]
        assert after == pytest.approx(gain**2 * before)
    assert noise.stronger(0.5).shot == pytest.approx([value / 4 for value in noise.shot])


def test_known_cameras_and_the_usual_one() -> None:
    known = noise_table.of_camera("SONY ILCE-7RM3", 3200)
    assert known is not None and "table" in known.source
    # 0.384 counts per electron of 16383 at ISO 100
    assert known.shot[1] == pytest.approx(32 * 0.384277 / 16383)
    assert noise_table.of_camera("SONY ILCE-7RM3", 0) is None
    assert noise_table.of_camera("Unknown Thing", 100) is None
    usual, faster = noise_table.usual(800), noise_table.usual(1600)
    assert faster.shot[0] == pytest.approx(2 * usual.shot[0])
    assert "not known" in usual.source
