from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restorecli.imaging.resample import cubic_kernel, resize
from restorecli.quality.degrade import crop_to_multiple, imresize, shrink
from restorecli.quality.scores import luma, psnr

SET5 = Path(__file__).parents[3] / "shared" / "data" / "set5"
PUBLISHED_BICUBIC = {2: 33.66, 3: 30.39, 4: 28.42}


def rgb(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.shared
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrinking_gives_the_files_matlab_made(scale: int) -> None:
    if not SET5.is_dir():
        pytest.skip("Set5 is not beside the checkout")
    for file in sorted((SET5 / "HR").glob("*.png")):
        made_by_matlab = rgb(SET5 / f"LR_bicubic_x{scale}" / file.name)
        assert np.array_equal(shrink(crop_to_multiple(rgb(file), scale), scale), made_by_matlab)


@pytest.mark.shared
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_baseline_is_the_published_one(scale: int) -> None:
    if not SET5.is_dir():
        pytest.skip("Set5 is not beside the checkout")
    scores = []
    for file in sorted((SET5 / "HR").glob("*.png")):
        truth = crop_to_multiple(rgb(file), scale)
        enlarged = imresize(shrink(truth, scale), *truth.shape[:2], scale)
        scores.append(psnr(luma(enlarged), luma(truth), border=scale))
    assert np.mean(scores) == pytest.approx(PUBLISHED_BICUBIC[scale], abs=0.02)


@given(length=st.integers(1, 40), new_length=st.integers(1, 40))
def test_a_constant_stays_constant(length: int, new_length: int) -> None:
    flat = np.full((length, length), 0.3)
    np.testing.assert_allclose(resize(flat, new_length, new_length), 0.3, atol=1e-12)


def test_enlarging_agrees_with_pillow_inside() -> None:
    noise = np.random.default_rng(0).random((12, 15)).astype(np.float32)
    pillow = np.asarray(Image.fromarray(noise).resize((45, 36), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(resize(noise, 36, 45, 3.0)[9:-9, 9:-9], pillow[9:-9, 9:-9], atol=1e-5)


def test_a_straight_ramp_is_enlarged_to_a_straight_ramp() -> None:
    ramp = np.linspace(0, 1, 20)[None, :].repeat(5, axis=0)
    steps = np.diff(resize(ramp, 5, 40)[:, 8:-8], axis=1)
    np.testing.assert_allclose(steps, steps[0, 0], atol=1e-12)


def test_the_kernel_interpolates_and_sums_to_one() -> None:
    assert cubic_kernel(np.array([0.0, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.0]
    for phase in (0.1, 0.5, 0.9):
        assert cubic_kernel(phase + np.arange(-2.0, 2.0)).sum() == pytest.approx(1)


def test_cropping_cuts_the_bottom_and_right() -> None:
    image = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5)
    assert np.array_equal(crop_to_multiple(image, 3), image[:6, :3])
