"""Colour arithmetic against scikit-image, Pillow and the published constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restorecli.imaging import colour

RGB = np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)


def test_luma_is_that_of_jpeg():
    samples = np.rint(RGB * 255).astype(np.uint8)
    expected = np.asarray(Image.fromarray(samples).convert("YCbCr")).astype(float)
    found = colour.luma(samples.astype(np.float32) / 255) * 255
    assert found.dtype == np.float32
    assert np.abs(found[..., 0] - expected[..., 0]).max() <= 1


def test_the_luma_of_gray_is_gray():
    gray = np.full((1, 1, 3), 0.3, np.float32)
    assert colour.luma(gray).shape == (1, 1, 1)
    assert colour.luma(gray)[0, 0, 0] == pytest.approx(0.3)


def test_known_points_of_the_srgb_curve():
    coded = np.array([0, 0.04045, 0.5, 1, -0.5], np.float32)
    assert colour.srgb_to_linear(coded) == pytest.approx([0, 0.0031308, 0.2140411, 1, -0.2140411], rel=1e-4)


@given(st.floats(-20, 20, width=32))
def test_the_srgb_curve_goes_both_ways(value):
    one = np.array([value], np.float32)
    back = colour.linear_to_srgb(colour.srgb_to_linear(one))
    assert back.dtype == np.float32
    assert back[0] == pytest.approx(value, rel=2e-5, abs=1e-6)
