from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from restorecli.imaging.blur.disc import disc_kernel
from restorecli.quality.degradations.blur import convolved, motion_kernel
from restorecli.tasks.estimate.even_blur import LEAST, covered, even_blur, likeness, windows


def scene(seed: int, height: int = 260, width: int = 300) -> np.ndarray:
    """Overlapping discs and boxes of flat light, softly shaded: H×W×1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    light = np.full((height, width), 0.3)
    for _ in range(220):
        size, level = rng.uniform(4, 40), rng.uniform(0.02, 0.9)
        top, left = rng.uniform(0, height), rng.uniform(0, width)
        round_one = (y - top) ** 2 + (x - left) ** 2 < size**2
        boxed = (np.abs(y - top) < size) & (np.abs(x - left) < size / 2)
        light[round_one if rng.random() < 0.5 else boxed] = level
    shade = gaussian_filter(rng.normal(size=light.shape), 30)
    return np.clip(gaussian_filter(light, 0.5) * (1 + shade), 0, 1).astype(np.float32)[..., None]


def seen(truth: np.ndarray, kernel: np.ndarray, seed: int, noise: float = 0.003) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (convolved(truth, kernel) + rng.normal(0, noise, truth.shape)).astype(np.float32)[..., 0]


@pytest.mark.parametrize(("seed", "extent"), [(1, 13), (2, 19)])
def test_the_trace_of_a_shaken_camera_is_found(seed: int, extent: int) -> None:
    kernel = motion_kernel(np.random.default_rng(seed), extent)
    found = even_blur(seen(scene(seed), kernel, seed))
    assert found is not None
    assert found.sum() == pytest.approx(1, abs=1e-5) and found.min() >= 0
    assert found.shape[0] == found.shape[1] and found.shape[0] % 2 == 1
    assert likeness(found, kernel) > 0.85


def test_missed_focus_is_found_as_the_disc_that_it_is() -> None:
    found = even_blur(seen(scene(3), disc_kernel(4.3), 3))
    assert found is not None
    assert likeness(found, disc_kernel(4.3)) > 0.97
    assert any(np.array_equal(found, disc_kernel(radius)) for radius in np.arange(1.5, 10, 0.1))


@pytest.mark.parametrize("seed", range(2))
def test_sharp_pictures_have_none(seed: int) -> None:
    assert even_blur(seen(scene(seed), np.ones((1, 1), np.float32), seed)) is None


def test_noise_flat_and_tiny_pictures_have_none() -> None:
    rng = np.random.default_rng(0)
    assert even_blur(np.full((200, 200), 0.4, np.float32)) is None
    assert even_blur(rng.normal(0.4, 0.02, (200, 200)).astype(np.float32)) is None
    assert even_blur(scene(1, 40, 300)[..., 0]) is None


def test_two_halves_that_were_blurred_in_two_ways_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restorecli.tasks.estimate.even_blur.WINDOW", 240)
    kernels = [motion_kernel(np.random.default_rng(seed), 17) for seed in (3, 11)]
    halves = [seen(scene(seed, 250, 250), kernel, seed) for seed, kernel in enumerate(kernels)]
    assert likeness(*kernels) < 0.8
    assert even_blur(np.concatenate(halves, 1)) is None


def test_windows_are_those_that_tell_most_and_do_not_overlap() -> None:
    light = np.full((500, 1500), 0.5, np.float32)
    places = np.indices(light.shape)
    marked = (slice(20, 480), slice(40, 480)), (slice(20, 480), slice(1000, 1460))
    for weight, part in zip((1, 2), marked, strict=True):
        light[part] += weight * scene(1, 460, part[1].stop - part[1].start)[..., 0] / 8
    first, second = windows(light)
    assert first.shape == second.shape == (448, 448)
    columns = [places[1][np.isin(light, part[::9, ::9]) & (light != 0.5)].mean() for part in (first, second)]
    assert columns[0] > 900 and columns[1] < 600
    assert len(windows(light[:300, :300])) == 1


def test_how_much_a_kernel_covers_is_counted_in_pixels() -> None:
    assert covered(np.full((5, 5), 1 / 25, np.float32)) == pytest.approx(25)
    assert covered(disc_kernel(4)) == pytest.approx(np.pi * 16, rel=0.12)
    assert covered(disc_kernel(1.5)) < LEAST
