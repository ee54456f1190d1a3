from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restorecli.quality.scores import luma, psnr, ssim

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
