"""PNG files by numpy's filters: the same pixels in any reader, at libpng's size."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restorecli.photos.formats.packing import png_write


def encoded(samples: np.ndarray) -> bytes:
    return b"".join(png_write.body(samples))


def scene(height: int, width: int, channels: int, dtype: type) -> np.ndarray:
    """Something like an enlarged photo: smooth, with edges and a little grain."""
    rng = np.random.default_rng(5)
    small = Image.fromarray(rng.integers(0, 255, (height // 16 + 2, width // 16 + 2), dtype=np.uint8))
    layers = [
        np.asarray(small.rotate(90 * k).resize((width, height), Image.Resampling.BICUBIC), np.float64)
        for k in range(channels)
    ]
    picture = np.stack(layers, axis=2) / 255
    picture[height // 3 :, : width // 3] *= 0.6
    peak = np.iinfo(dtype).max
    grain = rng.normal(0, 0.002, picture.shape)
    return (np.clip(picture + grain, 0, 1) * peak).round().astype(dtype)


@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 40)),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    kind=st.sampled_from(["noise", "flat", "ramp"]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_comes_back_pixel_for_pixel(size, channels, dtype, kind, seed):
    peak = np.iinfo(dtype).max
    samples = np.full((*size, channels), seed * peak // 9, dtype)
    if kind == "noise":
        samples = np.random.default_rng(seed).integers(0, peak, samples.shape, dtype=dtype, endpoint=True)
    elif kind == "ramp":
        samples = (np.add.outer(np.arange(size[0]), np.arange(size[1]))[..., None] * (seed + 1)).astype(dtype)
        samples = np.repeat(samples, channels, axis=2)
    decoded = imagecodecs.png_decode(encoded(samples))
    assert decoded.dtype == dtype and np.array_equal(decoded.reshape(samples.shape), samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pillow_reads_the_same(channels: int):
    samples = scene(130, 70, channels, np.uint8)
    image = Image.open(io.BytesIO(encoded(samples)))
    assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    assert np.array_equal(np.asarray(image).reshape(samples.shape), samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_hardly_larger_than_libpngs(channels: int, dtype: type):
    samples = scene(640, 480, channels, dtype)
    plain = samples[:, :, 0] if channels == 1 else samples
    assert len(encoded(samples)) <= 1.08 * len(imagecodecs.png_encode(np.ascontiguousarray(plain), level=3))


def test_bands_take_the_filter_that_suits_them():
    """Rows that repeat, columns that repeat: each half of the picture is predicted nearly everywhere."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.integers(0, 255, (1, 256, 1), dtype=np.uint8), 128, axis=0)
    columns = np.repeat(rng.integers(0, 255, (128, 1, 1), dtype=np.uint8), 256, axis=1)
    assert len(encoded(np.concatenate([rows, columns]))) < 3000


@pytest.mark.usefixtures("_packer")
def test_a_picture_beyond_the_limit_is_written_band_by_band(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(png_write, "_MOST_BYTES", 100)
    samples = scene(40, 30, 3, np.uint16)
    assert np.array_equal(imagecodecs.png_decode(encoded(samples)), samples)
