"""The noise of a photo is found from its pixels, in smooth and textured pictures, clipped or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from restorecli.photo import FloatArray
from restorecli.tasks.estimate.noise import noise_sigma

HEIGHT, WIDTH = 160, 200


def scene(channels: int = 3) -> FloatArray:
    """A picture between 0.25 and 0.75: a slope, soft blobs and a hard edge."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    blobs = gaussian_filter(np.random.default_rng(1).normal(size=(HEIGHT, WIDTH)), 9)
    picture = 0.4 + 0.2 * rows + 0.1 * columns + blobs + 0.1 * (columns > 0.7)
    tints = np.array([1.0, 0.9, 0.8])[:channels]
    return np.clip(picture[:, :, None] * tints, 0.25, 0.75).astype(np.float32)


def noise(shape: tuple[int, ...], sigma: float, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, sigma / 255, shape).astype(np.float32)


def as_bytes(pixels: FloatArray) -> FloatArray:
    return np.round(np.clip(pixels, 0, 1) * 255).astype(np.float32) / 255


@pytest.mark.parametrize("sigma", [5, 15, 30, 60])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_found_within_five_percent(sigma: float, channels: int) -> None:
    picture = scene(channels)
    estimate = noise_sigma(picture + noise(picture.shape, sigma))
    assert estimate.sigma == pytest.approx(sigma, rel=0.05)
    assert len(estimate.per_channel) == channels
    assert not estimate.is_clean


@pytest.mark.parametrize("sigma", [5, 25, 60])
@pytest.mark.parametrize("level", [0.06, 0.5, 0.9])
def test_noise_cut_off_at_black_and_white_is_not_underestimated(sigma: float, level: float) -> None:
    pixels = as_bytes(np.float32(level) + noise((200, 200, 3), sigma))
    assert noise_sigma(pixels).sigma == pytest.approx(sigma, rel=0.1)


def test_channels_are_told_apart() -> None:
    picture = scene()
    noisy = picture + noise(picture.shape, 10) * np.array([0.5, 1, 2], np.float32)
    assert noise_sigma(noisy).per_channel == pytest.approx((5, 10, 20), rel=0.08)


def test_the_estimate_grows_with_the_noise() -> None:
    """Twice the deviations from a flat picture are twice the noise, exactly; a level does not matter."""
    deviations = noise((128, 128, 3), 20)
    single, double = noise_sigma(0.5 + deviations), noise_sigma(0.5 + 2 * deviations)
    assert double.sigma == pytest.approx(2 * single.sigma, rel=1e-4)
    assert noise_sigma(2.5 + deviations).sigma == pytest.approx(single.sigma, rel=1e-3)


@pytest.mark.parametrize("size", [(160, 200), (151, 97), (700, 503)])
def test_flipping_the_picture_changes_nothing(size: tuple[int, int]) -> None:
    pixels = 0.5 + noise((*size, 1), 12) * np.linspace(0.5, 2, size[1], dtype=np.float32)[:, None]
    expected = noise_sigma(pixels).sigma
    for turned in (pixels[::-1], pixels[:, ::-1], pixels.swapaxes(0, 1)):
        assert noise_sigma(turned).sigma == pytest.approx(expected, rel=1e-3)


def test_smooth_pictures_without_noise_are_clean() -> None:
    assert noise_sigma(scene()).is_clean
    assert noise_sigma(as_bytes(scene())).is_clean


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_picture_of_one_value_is_clean(level: float) -> None:
    estimate = noise_sigma(np.full((64, 64, 3), level, np.float32))
    assert estimate.sigma == pytest.approx(0, abs=1e-3)
    assert estimate.is_clean


def test_fine_texture_everywhere_is_not_taken_for_noise() -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    weave = 0.5 + 0.15 * np.sin(2.1 * columns + 0.3 * rows) * np.sin(1.9 * rows)
    pixels = np.repeat(weave[:, :, None], 3, 2).astype(np.float32)
    assert noise_sigma(pixels).is_clean


def test_texture_beside_smooth_parts_does_not_raise_the_estimate() -> None:
    pixels = scene()
    pixels[:, : WIDTH // 2] += noise((HEIGHT, WIDTH // 2, 3), 40, seed=3)
    assert noise_sigma(pixels + noise(pixels.shape, 10, seed=4)).sigma == pytest.approx(10, rel=0.06)


def test_clipped_sky_does_not_lower_the_estimate() -> None:
    picture = scene()
    picture[: HEIGHT // 2] = 1.3
    assert noise_sigma(as_bytes(picture + noise(picture.shape, 20))).sigma == pytest.approx(20, rel=0.06)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (7, 300), (8, 8), (12, 15)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiny_pictures_get_no_estimate(size: tuple[int, int], channels: int) -> None:
    assert noise_sigma(np.full((*size, channels), 0.5, np.float32)) is None


def test_small_pictures_get_one() -> None:
    assert noise_sigma(0.5 + noise((24, 24, 3), 25)).sigma == pytest.approx(25, rel=0.2)


def kodak(folder: Path) -> list[FloatArray]:
    files = sorted((folder / "kodak24").glob("*.png"))[::3]
    return [np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 for file in files]


@pytest.mark.shared
@pytest.mark.parametrize("sigma", [5, 25, 60])
@pytest.mark.parametrize("rounded", [False, True])
def test_kodak_images_are_within_six_percent_on_average(
    shared_data: Path, sigma: float, rounded: bool
) -> None:
    errors = []
    for seed, picture in enumerate(kodak(shared_data)):
        noisy = picture + noise(picture.shape, sigma, seed)
        errors.append(noise_sigma(as_bytes(noisy) if rounded else noisy).sigma / sigma - 1)
    assert abs(np.mean(errors)) < 0.06
    assert np.abs(errors).max() < 0.12


@pytest.mark.shared
def test_kodak_and_most_of_urban_are_called_clean(shared_data: Path) -> None:
    assert all(noise_sigma(picture).is_clean for picture in kodak(shared_data))
    urban = sorted((shared_data / "urban100_20" / "HR").glob("*.png"))
    values = [np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 for file in urban]
    assert sum(noise_sigma(picture).is_clean for picture in values) >= len(urban) - 1
