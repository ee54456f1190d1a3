"""Kernels of blur, and what is blurred by them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve

from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.quality.degradations.blur import (
    LONGEST,
    RADII,
    blurred,
    convolved,
    draw_disc,
    draw_motion,
    gaussian_kernel,
    motion_kernel,
)

DRAWS = 60


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (from the middle) and covariance of rows and columns."""
    places = np.stack([n.ravel() for n in np.indices(kernel.shape)]) - kernel.shape[0] // 2
    centre = places @ kernel.ravel()
    away = places - centre[:, None]
    return centre, (away * kernel.ravel()) @ away.T


def extent(kernel: np.ndarray) -> int:
    rows, columns = np.nonzero(kernel > 1e-6)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1


@pytest.mark.parametrize("seed", range(0, DRAWS, 6))
@pytest.mark.parametrize("draw", [draw_motion, draw_disc])
def test_kernels_are_of_sum_one_centred_odd_and_follow_from_the_seed(draw, seed: int) -> None:  # type: ignore[no-untyped-def]
    kernel = draw(np.random.default_rng(seed))
    assert kernel.dtype == np.float32 and kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2
    assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(moments(kernel)[0]).max() < 0.02
    assert np.array_equal(kernel, draw(np.random.default_rng(seed)))
    assert not np.array_equal(kernel, draw(np.random.default_rng(seed + 1)))


def test_motions_are_as_long_as_asked_for_and_up_to_25_pixels() -> None:
    for seed in range(10):
        assert extent(motion_kernel(np.random.default_rng(seed), 17)) in (16, 17, 18)
    lengths = [extent(draw_motion(np.random.default_rng(seed))) for seed in range(DRAWS)]
    assert max(lengths) <= LONGEST + 1 and min(lengths) >= 3
    assert min(lengths) < 7 and max(lengths) > 21  # the whole range is drawn


def test_motions_point_anywhere() -> None:
    """The main directions of many draws have no preference."""
    angles = []
    for seed in range(DRAWS):
        values, vectors = np.linalg.eigh(moments(draw_motion(np.random.default_rng(seed)))[1])
        angles.append(np.arctan2(*vectors[:, np.argmax(values)]))
    assert abs(np.exp(2j * np.array(angles)).mean()) < 0.3


@pytest.mark.parametrize("radius", [2.5, 3.3, RADII[1]])
def test_a_disc_has_the_variance_of_a_disc(radius: float) -> None:
    variance = moments(disc_kernel(radius))[1]
    wanted = radius**2 / 4 + 1 / 12  # that of a disc, and of the pixels it is gathered in
    assert np.allclose(np.diag(variance), wanted, rtol=0.05)


def test_a_gaussian_is_long_in_its_direction() -> None:
    variance = moments(gaussian_kernel(3, 1, np.pi / 6))[1]
    (low, high), vectors = np.linalg.eigh(variance)
    assert (low, high) == (pytest.approx(1, rel=0.05), pytest.approx(9, rel=0.05))
    row, column = vectors[:, 1]
    assert abs(row / column) == pytest.approx(np.tan(np.pi / 6), rel=0.05)


def test_pictures_are_convolved_as_scipy_does_it_and_in_linear_light() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
    kernel = motion_kernel(rng, 9)
    light = srgb_to_linear(image.astype(np.float32) / 255)
    wanted = np.stack([convolve(light[..., c], kernel, mode="mirror") for c in range(3)], axis=2)
    assert np.allclose(convolved(light, kernel), wanted, atol=1e-5)
    assert np.allclose(blurred(image, kernel), linear_to_srgb(np.clip(wanted, 0, 1)), atol=1e-4)


def test_a_picture_smaller_than_the_kernel_is_blurred() -> None:
    image = np.full((5, 4, 1), 90, np.uint8)
    assert np.allclose(blurred(image, motion_kernel(np.random.default_rng(1), 25)) * 255, 90, atol=0.01)
