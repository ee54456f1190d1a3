"""The synthetic camera's noise is as strong and as correlated as that measured on real pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from restorecli.quality.camera_noise import Camera, draw_camera, reduced, shoot
from restorecli.quality.degrade import Bytes

Array = NDArray[np.float64]
DRAWS, SIDE = 120, 96
HIGH_ISO = (3e-4, 6e-3)  # shot noise; what is weaker is drawn too, but rounding to 8 bit whitens it
LUMA = np.array([0.299, 0.587, 0.114])


def slopes() -> Bytes:
    """A picture of all tones without texture, so that what differs after a shot is noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    tones = 0.1 + 0.7 * np.stack([rows, 0.5 * rows + 0.4 * columns, columns], axis=2)
    return np.rint(255 * tones).astype(np.uint8)


def planes(noise: Array) -> Array:
    """Luma, blue minus luma, red minus luma; without their means."""
    luma = noise @ LUMA
    parts = np.stack([luma, noise[..., 2] - luma, noise[..., 0] - luma], axis=-1)
    return parts - parts.mean(axis=(0, 1))


def covariance(plane: Array, distance: int) -> float:
    """The mean of that along rows and along columns."""
    along = (plane[:, distance:] * plane[:, :-distance]).mean()
    across = (plane[distance:] * plane[:-distance]).mean()
    return float((along + across) / 2)


def correlation(planes: Sequence[Array], distance: int) -> float:
    return sum(covariance(plane, distance) for plane in planes) / sum(plane.var() for plane in planes)


@pytest.fixture(scope="module")
def residuals() -> list[Array]:
    """What cameras that reduce noise, as those of the pairs do, add at ISO 1600 to 6400."""
    rng, clean = np.random.default_rng(1), slopes()
    cameras = (draw_camera(rng, HIGH_ISO) for _ in range(DRAWS))
    return [
        planes(shoot(clean, camera, rng).astype(np.float64) - clean)
        for camera in cameras
        if camera.chroma_blur > 0
    ]


# Measured on the residuals of CC15 (15 pairs, JPEG inside the camera) and of 100 JPEG crops of five cameras.
STRENGTH = {"luma": (0, 4.3, 3.6), "blue": (1, 4.8, 2.8), "red": (2, 3.9, 2.0)}
CORRELATION = {
    ("luma", 1): (0.58, 0.61),
    ("luma", 2): (0.13, 0.26),
    ("luma", 3): (0.01, 0.16),
    ("luma", 4): (0.01, 0.15),
    ("luma", 8): (0.01, 0.09),
    ("red", 1): (0.90, 0.91),
    ("red", 2): (0.73, 0.82),
    ("red", 4): (0.39, 0.60),
    ("red", 8): (0.07, 0.29),
    ("red", 16): (0.02, 0.11),
}


@pytest.mark.parametrize("plane", STRENGTH)
def test_on_average_the_noise_is_as_strong_as_real_noise(residuals: list[Array], plane: str) -> None:
    index, *measured = STRENGTH[plane]
    deviation = np.mean([noise[..., index].var() for noise in residuals]) ** 0.5
    assert 0.85 * min(measured) < deviation < 1.3 * max(measured)


@pytest.mark.parametrize(("plane", "distance"), CORRELATION)
def test_on_average_the_noise_is_as_correlated_as_real_noise(
    residuals: list[Array], plane: str, distance: int
) -> None:
    index = STRENGTH[plane][0]
    found = correlation([noise[..., index] for noise in residuals], distance)
    measured = CORRELATION[plane, distance]
    assert min(measured) - 0.08 < found < max(measured) + 0.08


def test_the_strengths_of_the_draws_span_those_of_all_isos() -> None:
    rng, clean = np.random.default_rng(2), slopes()
    noises = [shoot(clean, draw_camera(rng), rng).astype(np.float64) - clean for _ in range(DRAWS)]
    deviations = [planes(noise)[..., 0].std() for noise in noises]
    assert np.quantile(deviations, 0.1) < 1
    assert max(deviations) > 8  # CC15 at ISO 6400: 6.3


def plain(**changes: object) -> Camera:
    """A camera that does nothing to its noise."""
    camera = Camera(2e-3, 1e-5, (2.0, 1.0, 1.6), 0.2, 0.5, 0, False, 0, 0, 2, 0, 1, 0, None, False, None)
    return replace(camera, **changes)  # type: ignore[arg-type]


def noise_of(camera: Camera, clean: Bytes, seed: int = 0) -> Array:
    return shoot(clean, camera, np.random.default_rng(seed)).astype(np.float64) - clean


def test_the_same_seed_gives_the_same_camera_and_the_same_noise() -> None:
    first, again = (draw_camera(np.random.default_rng(5)) for _ in range(2))
    assert first == again
    shots = [shoot(slopes(), first, np.random.default_rng(seed)) for seed in (7, 7, 8)]
    assert shots[0].dtype == np.uint8 and shots[0].shape == slopes().shape
    assert np.array_equal(shots[0], shots[1]) and not np.array_equal(shots[0], shots[2])


def test_shot_noise_is_four_times_the_variance_at_twice_the_deviation() -> None:
    gray = np.full((160, 160, 3), 120, np.uint8)
    weak, strong = (noise_of(plain(shot=shot, read=0.0), gray).std() for shot in (4e-4, 16e-4))
    assert strong / weak == pytest.approx(2, rel=0.05)


def test_noise_is_that_of_the_sensor_seen_through_the_tone_curve() -> None:
    """In linear light the variance grows with the light; the tone curve's slope is steep in the dark."""
    camera = plain(shot=4e-4, read=0.0, contrast=0.0, mixing=0.0, balance=(1.0, 1.0, 1.0))
    light = np.array([0.02, 0.2, 0.7])
    encoded = np.rint(255 * (1.055 * light ** (1 / 2.4) - 0.055))
    slope = 1.055 / 2.4 * light ** (1 / 2.4 - 1)
    expected = 255 * slope * np.sqrt(camera.shot * light)
    rows, columns = np.indices((160, 160)) % 2
    measured_there = (rows == 0) & (columns == 0)  # red samples: not interpolated
    for level, deviation in zip(encoded, expected, strict=True):
        noise = noise_of(camera, np.full((160, 160, 3), level, np.uint8))
        assert noise[..., 0][measured_there].std() == pytest.approx(deviation, rel=0.06)


def test_noise_reduction_correlates_the_noise_and_leaves_what_it_says() -> None:
    rng = np.random.default_rng(3)
    white = rng.standard_normal((128, 128, 3)).astype(np.float32) / 20
    camera = plain(luma_blur=0.8, luma_left=0.6, chroma_blur=2.0, chroma_ratio=0.5)
    before, after = (planes(noise.astype(np.float64)) for noise in (white, reduced(white, camera)))
    assert after[..., 0].std() == pytest.approx(0.6 * before[..., 0].std(), rel=0.01)
    in_cr = after[..., 2] / 1.402  # R−Y in the units of Cr
    assert in_cr.std() == pytest.approx(0.5 * after[..., 0].std(), rel=0.02)
    assert correlation([before[..., 2]], 2) < 0.05 < 0.6 < correlation([after[..., 2]], 2)
    assert correlation([after[..., 0]], 1) < correlation([after[..., 2]], 1)
    assert np.abs(reduced(white, plain()) - white).max() < 1e-5


def test_without_noise_the_picture_comes_back() -> None:
    silent = plain(shot=0.0, read=0.0)
    assert np.array_equal(shoot(slopes(), silent, np.random.default_rng(0)), slopes())
    dark = np.zeros((32, 32, 3), np.uint8)
    assert noise_of(plain(), dark).min() >= 0


def test_a_camera_that_smooths_by_colour_keeps_the_colours_noise_independent() -> None:
    rng = np.random.default_rng(4)
    white = rng.standard_normal((192, 192, 3)).astype(np.float32) / 20
    apart = reduced(white, plain(luma_blur=0.7, chroma_blur=3.0, by_channel=True))
    together = reduced(white, plain(luma_blur=0.7, chroma_blur=3.0, chroma_ratio=0.3))
    among = [
        float(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) for noise in (apart, together)
    ]
    assert abs(among[0]) < 0.1 < 0.5 < among[1]
    red, green = (correlation([apart[..., channel].astype(np.float64)], 2) for channel in (0, 1))
    assert red > green + 0.1


def test_noise_vanishes_towards_black_below_the_toe() -> None:
    dark, bright = np.full((64, 64, 3), 10, np.uint8), np.full((64, 64, 3), 120, np.uint8)
    with_toe, without = plain(toe=0.2), plain()
    assert noise_of(with_toe, dark).std() < 0.4 * noise_of(without, dark).std()
    assert np.array_equal(noise_of(with_toe, bright), noise_of(without, bright))
