"""The means of regions, shadows above all, are those of the samples, whatever a network made of them."""

from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging import cfa, xtrans
from restorecli.imaging.mean_kept import mean_kept
from restorecli.photo import RawNoise

NOISE = RawNoise((4e-3, 2e-3, 3e-3), (4e-4, 1e-4, 2e-4))


@pytest.mark.parametrize("pattern", ["GRBG", xtrans.PATTERN], ids=len)
@pytest.mark.parametrize("bias", [0.8, 1.15])
def test_shadows_that_came_out_too_dark_or_bright_get_their_mean_back(pattern: str, bias: float) -> None:
    truth = np.full((600, 604, 3), (0.03, 0.02, 0.025), np.float32)
    truth[:, 300:] *= 2
    rng = np.random.default_rng(0)
    held = cfa.channels(truth.shape[:2], pattern)
    clean = cfa.sample(truth, pattern)
    deviation = np.sqrt(np.array(NOISE.shot)[held] * clean + np.array(NOISE.read)[held])
    mosaic = (clean + deviation * rng.standard_normal(clean.shape)).astype(np.float32)
    assert mosaic.min() < 0
    result = truth * np.float32(bias)
    mean_kept(result, mosaic, pattern, NOISE)
    for part in (slice(0, 240), slice(360, 604)):
        found, wanted = result[:, part].mean((0, 1)), truth[:, part].mean((0, 1))
        np.testing.assert_allclose(found, wanted, rtol=0.012)
    assert result[:, :200].std((0, 1)).max() < 0.002


@pytest.mark.parametrize("bias", [0.8, 1.0, 1.15])
def test_a_result_that_follows_the_noise_is_not_darkened(bias: float) -> None:
    """What is left of the noise in a result must not decide how much its samples count."""
    rng, truth = np.random.default_rng(1), 0.01
    mosaic = (truth + 0.02 * rng.standard_normal((480, 480))).astype(np.float32)
    result = np.repeat((truth * bias + 0.3 * (mosaic - truth))[..., None], 3, axis=2)
    mean_kept(result, mosaic, "RGGB", RawNoise((0.02,) * 3, (1e-4,) * 3))
    held = cfa.channels(mosaic.shape, "RGGB")
    for channel in range(3):
        own = held == channel
        assert result[..., channel][own].mean() == pytest.approx(mosaic[own].mean(), rel=0.01)


def test_what_lacks_at_one_level_is_not_put_into_another() -> None:
    dark, bright = 0.004, 0.2
    truth = np.full((240, 240, 3), dark, np.float32)
    truth[:, 120:] = bright
    result = truth.copy()
    result[:, 120:] *= 0.97
    mean_kept(result, cfa.sample(truth, "RGGB"), "RGGB", RawNoise((4e-3,) * 3, (4e-6,) * 3))
    np.testing.assert_allclose(result[:, :108], dark, rtol=0.01)
    np.testing.assert_allclose(result[:, 132:], bright, rtol=0.01)


def test_what_dark_parts_have_too_much_is_given_back_to_brighter_ones_beside_them() -> None:
    """Both are far below a single sample's noise: a mean over what is near in place and level mixes them."""
    rng = np.random.default_rng(5)
    squares = np.add(*np.mgrid[:768, :768] // 48) % 2
    truth = np.repeat(np.where(squares, 0.008, 0.002)[..., None], 3, axis=2).astype(np.float32)
    noise = RawNoise((1e-4,) * 3, (2e-5,) * 3)
    clean = cfa.sample(truth, "RGGB")
    mosaic = clean + np.sqrt(1e-4 * clean + 2e-5) * rng.standard_normal(clean.shape)
    result = (0.005 + 0.6 * (truth - 0.005)).astype(np.float32)  # 60 % too bright, 15 % too dark
    mean_kept(result, mosaic.astype(np.float32), "RGGB", noise)
    assert result[squares == 0].mean() == pytest.approx(0.002, rel=0.3)  # 47 % with means alone
    assert result[squares == 1].mean() == pytest.approx(0.008, rel=0.08)


def test_levels_near_each_other_may_lack_more_and_less() -> None:
    """As the network does at ISO 12800: too bright far below the noise, right at half, then too dark."""
    rng = np.random.default_rng(6)
    levels, wrong = np.array([0.003, 0.008, 0.02]), np.array([1.26, 0.99, 0.95])
    stripes = np.mgrid[:1152, :1152][1] // 64 % 3
    truth = np.repeat(levels[stripes][..., None], 3, axis=2).astype(np.float32)
    noise = RawNoise((4e-3,) * 3, (2.5e-4,) * 3)
    clean = cfa.sample(truth, "RGGB")
    mosaic = clean + np.sqrt(4e-3 * clean + 2.5e-4) * rng.standard_normal(clean.shape)
    result = truth * wrong[stripes][..., None].astype(np.float32)
    mean_kept(result, mosaic.astype(np.float32), "RGGB", noise)
    held = cfa.channels(mosaic.shape, "RGGB")
    for stripe, level in enumerate(levels):
        inside = (stripes == stripe) & (np.mgrid[:1152, :1152][1] % 64 // 16 % 3 != 0)
        counted = [mosaic[inside & (held == channel)].mean() for channel in range(3)]
        np.testing.assert_allclose(result[inside].mean(0), counted, atol=0.013 * max(level, 0.008))


def test_a_result_that_is_right_stays_and_burnt_out_parts_are_not_darkened() -> None:
    rows, columns = np.mgrid[:100, :130]
    truth = np.stack([0.2 + rows / 1000, 0.3 + columns / 1000, 0.1 + rows / 2000], 2).astype(np.float32)
    mosaic = cfa.sample(truth, "RGGB")
    result = truth.copy()
    mean_kept(result, mosaic, "RGGB", NOISE)
    np.testing.assert_allclose(result, truth, atol=1e-6)
    white = np.ones((60, 60, 3), np.float32)
    cut = np.full((60, 60), 0.95, np.float32)  # noise above white is cut off
    mean_kept(white, cut, "RGGB", NOISE)
    np.testing.assert_allclose(white, 1)
