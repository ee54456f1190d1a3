from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorecli.photo import Photo
from restorecli.resample import resize
from restorecli.tasks.upscale import BEYOND, Upscale, bleed_colour

RNG = np.random.default_rng(7)


def enlarge(photo: Photo, task: Upscale) -> Photo:
    """Run a task with nearest-neighbour enlargement as its network."""
    job = task.prepare(photo)
    factor = 1 if task.enlarge_first else task.scale
    return task.finish(job, [F.interpolate(x, scale_factor=factor).clone() for x in job.inputs])


def picture(channels: int, alpha: np.ndarray | None = None) -> Photo:
    return Photo(RNG.random((5, 7, channels), dtype=np.float32), alpha)


def test_colour_reaches_the_network_as_it_is_and_comes_back() -> None:
    photo = picture(3)
    restored = enlarge(photo, Upscale(3))
    assert restored.pixels.shape == (15, 21, 3)
    assert np.array_equal(restored.pixels[::3, ::3], photo.pixels)


def test_gray_is_three_equal_channels_and_comes_back_gray() -> None:
    photo = picture(1)
    (tensor,) = Upscale(2).prepare(photo).inputs
    assert tensor.shape == (1, 3, 5, 7)
    assert torch.equal(tensor[:, 0], tensor[:, 2])
    restored = enlarge(photo, Upscale(2))
    assert restored.pixels.shape == (10, 14, 1)
    np.testing.assert_allclose(restored.pixels[::2, ::2], photo.pixels, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_constant_alpha_is_kept_exactly_without_a_run(value: float) -> None:
    photo = picture(3, np.full((5, 7), value, dtype=np.float32))
    assert len(Upscale(2).prepare(photo).inputs) == 1
    restored = enlarge(photo, Upscale(2))
    assert restored.alpha is not None
    assert np.array_equal(restored.alpha, np.full((10, 14), np.float32(value)))


def test_varying_alpha_is_enlarged_too() -> None:
    photo = picture(3, RNG.random((5, 7), dtype=np.float32))
    restored = enlarge(photo, Upscale(2))
    assert restored.alpha is not None and photo.alpha is not None
    np.testing.assert_allclose(restored.alpha[::2, ::2], photo.alpha, atol=1e-6)


def test_colour_under_transparency_is_that_of_the_nearest_visible_pixel() -> None:
    pixels = np.zeros((3, 6, 3), dtype=np.float32)
    pixels[:, 0] = (1, 0, 0)
    pixels[:, 5] = (0, 0, 1)
    alpha = np.zeros((3, 6), dtype=np.float32)
    alpha[:, 0] = alpha[:, 5] = 1
    filled = bleed_colour(pixels, alpha)
    assert np.array_equal(filled[:, :3], np.broadcast_to(np.float32([1, 0, 0]), (3, 3, 3)))
    assert np.array_equal(filled[:, 3:], np.broadcast_to(np.float32([0, 0, 1]), (3, 3, 3)))


def test_nothing_is_filled_where_all_is_hidden_or_all_is_seen() -> None:
    pixels = RNG.random((4, 4, 3), dtype=np.float32)
    for value in (0.0, 1.0):
        assert bleed_colour(pixels, np.full((4, 4), value, dtype=np.float32)) is pixels


def test_overshoot_of_the_network_is_clipped() -> None:
    task = Upscale(2)
    job = task.prepare(picture(3))
    pixels = task.finish(job, [torch.full((1, 3, 10, 14), 1.3)]).pixels
    assert pixels.max() == 1


def test_values_beyond_one_are_kept_with_a_warning() -> None:
    pixels = np.full((6, 6, 3), 2.5, dtype=np.float32)
    restored = enlarge(Photo(pixels), Upscale(2))
    np.testing.assert_allclose(restored.pixels, 2.5, atol=1e-5)
    assert BEYOND in restored.warnings


def test_a_same_size_network_is_fed_the_bicubic_enlargement() -> None:
    photo = picture(3)
    (tensor,) = Upscale(3, enlarge_first=True).prepare(photo).inputs
    expected = np.clip(resize(photo.pixels, 15, 21, 3.0), 0, 1)
    np.testing.assert_allclose(tensor[0].permute(1, 2, 0).numpy(), expected)
