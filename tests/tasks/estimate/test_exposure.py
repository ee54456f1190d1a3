from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.tasks.estimate.exposure import KNEE, brightened, stops_too_dark


def scene(seed: int = 0, contrast: float = 0.9) -> np.ndarray:
    """A usual picture's tones: log-normal light, some of it white."""
    rng = np.random.default_rng(seed)
    light = np.exp(rng.normal(np.log(0.18), contrast, (64, 80, 1))) * rng.uniform(0.7, 1.3, (64, 80, 3))
    return linear_to_srgb(np.clip(light, 0, 1).astype(np.float32))


def test_light_below_the_knee_is_multiplied() -> None:
    dark = linear_to_srgb(np.random.default_rng(0).uniform(0, KNEE / 8, (20, 30, 3)).astype(np.float32))
    gained = srgb_to_linear(brightened(dark, 8))
    assert np.allclose(gained, 8 * srgb_to_linear(dark), atol=1e-5)


def test_colours_stay_in_proportion_and_order_even_where_they_would_be_too_bright() -> None:
    pixels = np.random.default_rng(1).uniform(0.05, 1, (40, 300, 3)).astype(np.float32)
    before, after = srgb_to_linear(pixels), srgb_to_linear(brightened(pixels, 6))
    assert after.max() <= 1
    ratios = after / before
    assert np.allclose(ratios, ratios[..., :1], rtol=1e-3)
    gray = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None].repeat(3, 2)
    assert (np.diff(brightened(gray, 6)[0, :, 0]) > -1e-6).all()


@pytest.mark.parametrize("stops", [2.0, 3.0, 4.0])
def test_every_stop_of_darkness_is_told(stops: float) -> None:
    usual = scene()
    dark = linear_to_srgb(srgb_to_linear(usual) * np.float32(2**-stops))
    assert stops_too_dark(dark) - stops_too_dark(usual) == pytest.approx(stops, abs=0.8)
    brighter = brightened(dark, 2 ** stops_too_dark(dark))
    assert abs(stops_too_dark(brighter)) < 1.3


def test_usual_and_bright_pictures_are_not_dark() -> None:
    assert all(stops_too_dark(scene(seed)) < 1.3 for seed in range(5))
    assert stops_too_dark(np.full((40, 40, 3), 0.9, np.float32)) < 0


def test_gray_and_black_pictures_can_be_looked_at() -> None:
    gray = scene()[..., :1]
    assert stops_too_dark(gray) == pytest.approx(stops_too_dark(gray.repeat(3, 2)), abs=0.01)
    assert np.isfinite(stops_too_dark(np.zeros((8, 8, 3), np.float32)))
    assert not brightened(np.zeros((8, 8, 3), np.float32), 32).any()
