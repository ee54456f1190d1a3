from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restorecli.quality.scores import luma, psnr, psnr_b, ssim

RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 256, (40, 52, 3), dtype=np.uint8)
NOISY = np.clip(TRUTH + RNG.normal(0, 12, TRUTH.shape), 0, 255).astype(np.uint8)


def test_luma_is_that_of_scikit_image() -> None:
    np.testing.assert_allclose(luma(TRUTH), rgb2ycbcr(TRUTH)[..., 0], atol=1e-10)


@pytest.mark.parametrize("border", [0, 3])
def test_psnr_is_that_of_scikit_image(border: int) -> None:
    inside = (slice(border, 40 - border), slice(border, 52 - border))
    expected = peak_signal_noise_ratio(TRUTH[inside], NOISY[inside], data_range=255)
    assert psnr(NOISY, TRUTH, border=border) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr(TRUTH, TRUTH, border=0) == float("inf")


@pytest.mark.parametrize("channels", [0, 3])
def test_ssim_is_that_of_scikit_image(channels: int) -> None:
    first, second = (NOISY, TRUTH) if channels else (luma(NOISY), luma(TRUTH))
    _, whole = structural_similarity(
        second,
        first,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        truncate=3.5,
        use_sample_covariance=False,
        channel_axis=-1 if channels else None,
        full=True,
    )
    assert ssim(first, second, border=0) == pytest.approx(float(whole[5:-5, 5:-5].mean()), abs=1e-6)


def test_ssim_of_equal_images_is_one() -> None:
    assert ssim(TRUTH, TRUTH, border=4) == pytest.approx(1)


def test_psnr_b_is_yim_and_boviks_formula_written_out() -> None:
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 256, (19, 26), dtype=np.uint8)
    image = np.kron(generator.integers(0, 256, (3, 4)), np.ones((8, 8), int))[:19, :26].astype(np.uint8)
    height, width = image.shape
    tested = image.astype(float)
    border, other, borders, others = 0.0, 0.0, 0, 0
    for y in range(height):
        for x in range(width - 1):
            step = (tested[y, x] - tested[y, x + 1]) ** 2
            border, borders = (border + step, borders + 1) if (x + 1) % 8 == 0 else (border, borders)
            other, others = (other + step, others + 1) if (x + 1) % 8 else (other, others)
    for y in range(height - 1):
        for x in range(width):
            step = (tested[y, x] - tested[y + 1, x]) ** 2
            border, borders = (border + step, borders + 1) if (y + 1) % 8 == 0 else (border, borders)
            other, others = (other + step, others + 1) if (y + 1) % 8 else (other, others)
    excess = border / borders - other / others
    assert excess > 0
    blocking = np.log2(8) / np.log2(min(height, width)) * excess
    error = np.mean((tested - truth) ** 2) + blocking
    assert psnr_b(image, truth) == pytest.approx(10 * np.log10(255**2 / error))


def test_psnr_b_is_less_than_psnr_only_where_steps_lie_on_the_block_grid() -> None:
    stairs = np.repeat(np.arange(5, dtype=np.uint8) * 40, 8)[None].repeat(32, axis=0)
    moved = np.roll(stairs, 4, axis=1)
    assert psnr_b(stairs, moved) < psnr(stairs, moved, border=0) - 0.5
    assert psnr_b(moved, stairs) == pytest.approx(psnr(moved, stairs, border=0))


def test_psnr_b_of_colour_is_the_mean_of_its_channels() -> None:
    channels = [psnr_b(NOISY[:, :, i], TRUTH[:, :, i]) for i in range(3)]
    assert psnr_b(NOISY, TRUTH) == pytest.approx(np.mean(channels))
