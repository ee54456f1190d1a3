"""The noise of a photo is found from its pixels: smooth or textured, clipped, with flat parts, a camera's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from restorecli.photo import FloatArray
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.protocols.real_noise import SHOT_PER_ISO
from restorecli.tasks.estimate.noise import TEXTURED, NoiseEstimate, noise_sigma

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


def bars(picture: FloatArray, level: float) -> FloatArray:
    picture[:20] = picture[-20:] = level / 255
    return picture


def frame(picture: FloatArray, colour: tuple[int, ...]) -> FloatArray:
    inside = picture[16:-16, 16:-16].copy()
    picture[:] = np.array(colour, np.float32)[: picture.shape[2]] / 255
    picture[16:-16, 16:-16] = inside
    return picture


def page(picture: FloatArray) -> FloatArray:
    """A photo on a page whose paper is 250, with lines of print."""
    paper = np.full((HEIGHT * 2, WIDTH * 2, picture.shape[2]), 250 / 255, np.float32)
    paper[::12, 10:190] = 0.1
    paper[80 : 80 + HEIGHT, 100 : 100 + WIDTH] = picture
    return paper


FLAT_PARTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "black bars": lambda picture: bars(picture, 0),
    "bars at 1": lambda picture: bars(picture, 1),
    "bars at 16": lambda picture: bars(picture, 16),
    "bars in the middle of the tones": lambda picture: bars(picture, 128),
    "frame of 254": lambda picture: frame(picture, (254, 254, 254)),
    "frame of a colour": lambda picture: frame(picture, (180, 60, 20)),
    "paper": page,
    "footer of 12 pixels": lambda picture: np.concatenate([picture[:-12], 0 * picture[-12:] + 0.2]),
    "blacks clipped at 24": lambda picture: np.maximum(picture - 0.25, np.float32(24 / 255)),
    "highlights clipped below white": lambda picture: np.minimum(picture + 0.2, np.float32(3700 / 4095)),
    "a gray channel cut off": lambda picture: (
        np.concatenate([picture[:, :, :1] * 0 + 1, picture[:, :, 1:]], axis=2)
        if picture.shape[2] == 3
        else picture
    ),
}


def as_words(pixels: FloatArray) -> FloatArray:
    return np.round(np.clip(pixels, 0, 1) * 65535).astype(np.float32) / 65535


@pytest.mark.parametrize("stored", [as_bytes, as_words], ids=["8 bit", "16 bit"])
@pytest.mark.parametrize("part", FLAT_PARTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_flat_parts_do_not_count(
    part: str, stored: Callable[[FloatArray], FloatArray], channels: int
) -> None:
    noisy = stored(scene(channels) + noise(scene(channels).shape, 15))
    estimate = noise_sigma(stored(FLAT_PARTS[part](noisy.copy())))
    shown = max(estimate.per_channel)
    assert shown == pytest.approx(15, rel=0.1)
    assert not estimate.is_clean and not estimate.is_faint


@pytest.mark.parametrize("hidden", [0.1, 0.5, 0.9])
def test_hidden_pixels_do_not_count(hidden: float) -> None:
    picture = scene()
    pixels = as_bytes(picture + noise(picture.shape, 15))
    mask = np.zeros(picture.shape[:2], bool)
    mask[:, : WIDTH // 2] = True
    rough = np.random.default_rng(5).normal(hidden, 0.002, (*mask.shape, 1)).clip(0, 1).astype(np.float32)
    covered = np.where(mask[:, :, None], rough, pixels)
    assert noise_sigma(covered).sigma < 12
    assert noise_sigma(covered, mask).sigma == pytest.approx(15, rel=0.06)
    assert noise_sigma(covered, np.ones_like(mask)).sigma == 0


def shots(iso: int, count: int, flat: str = "") -> list[NoiseEstimate]:
    """Estimates of a clean scene as shot by ``count`` cameras."""
    clean = np.rint(scene() * 255).astype(np.uint8)
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        shot = shoot(clean, draw_camera(rng, (SHOT_PER_ISO * iso,) * 2), rng) / np.float32(255)
        found.append(noise_sigma(FLAT_PARTS[flat](shot) if flat else shot))
    return found


@pytest.mark.parametrize("iso", [1600, 6400])
def test_the_noise_of_cameras_is_seen(iso: int) -> None:
    estimates = shots(iso, 12)
    assert not any(estimate.is_faint for estimate in estimates)


def test_the_noise_of_cameras_shows_at_half_size_more_than_pixel_by_pixel() -> None:
    smoothed = [estimate for estimate in shots(3200, 12) if estimate.unevenness > TEXTURED]
    assert len(smoothed) >= 6
    assert all(estimate.coarse > 1.2 * estimate.sigma for estimate in smoothed)
    white = noise_sigma(scene() + noise(scene().shape, 15))
    assert white.coarse == pytest.approx(white.sigma, rel=0.1)
    assert white.strongest >= white.sigma


@pytest.mark.parametrize("part", ["bars at 16", "frame of a colour", "paper"])
def test_flat_parts_do_not_hide_the_noise_of_cameras(part: str) -> None:
    assert not any(estimate.is_faint for estimate in shots(1600, 6, part))


def test_one_tone_without_noise_does_not_hide_it_in_the_others() -> None:
    """As where a camera smooths its shadows until nothing is left."""
    picture = scene()
    noisy = picture + noise(picture.shape, 10)
    shadows = picture[:, :, 1:2] < np.quantile(picture[:, :, 1], 0.08)
    estimate = noise_sigma(np.where(shadows, picture, noisy).astype(np.float32))
    assert estimate.sigma == pytest.approx(10, rel=0.15)


def test_clean_pictures_show_no_noise() -> None:
    assert noise_sigma(as_bytes(scene())).is_faint
    assert noise_sigma(np.full((64, 64, 3), 0.3, np.float32)).is_faint


@pytest.mark.shared
def test_all_of_cc15_shows_noise_and_its_means_hardly_any(shared_data: Path) -> None:
    folder = shared_data / "cc15"
    real, mean = (
        [
            noise_sigma(np.asarray(Image.open(file).convert("RGB"), np.float32) / 255)
            for file in sorted(folder.glob(f"*_{kind}.png"))
        ]
        for kind in ("real", "mean")
    )
    assert len(real) == 15 and not any(estimate.is_faint for estimate in real)
    assert sum(estimate.is_faint for estimate in mean) >= 13


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
    assert np.abs(errors).max() < (0.25 if sigma == 5 else 0.12)  # one is texture from edge to edge


@pytest.mark.shared
def test_kodak_and_most_of_urban_are_called_clean(shared_data: Path) -> None:
    assert all(noise_sigma(picture).is_clean for picture in kodak(shared_data))
    urban = sorted((shared_data / "urban100_20" / "HR").glob("*.png"))
    values = [np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 for file in urban]
    assert sum(noise_sigma(picture).is_clean for picture in values) >= len(urban) - 1
