from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restorecli.imaging.resample import resize
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.tasks.base import Job, Need
from restorecli.tasks.channels import bleed_colour
from restorecli.tasks.upscale import BEYOND, Upscale

RNG = np.random.default_rng(7)


def network(scale: int, channels: int = 3) -> Network:
    facts = Network()
    facts.scale, facts.in_channels, facts.out_channels = scale, channels, channels
    return facts


def prepared(photo: Photo, task: Upscale, facts: Network | None = None) -> Job:
    return task.prepare(photo, Need(), facts or network(task.scale))


def enlarge(photo: Photo, task: Upscale, facts: Network | None = None) -> Photo:
    """Run a task with nearest-neighbour enlargement as its network."""
    facts = facts or network(task.scale)
    job = prepared(photo, task, facts)
    return task.finish(job, [F.interpolate(x, scale_factor=facts.scale).clone() for x in job.inputs])


def picture(channels: int, alpha: np.ndarray | None = None) -> Photo:
    return Photo(RNG.random((5, 7, channels), dtype=np.float32), alpha)


def test_colour_reaches_the_network_as_it_is_and_comes_back() -> None:
    photo = picture(3)
    restored = enlarge(photo, Upscale(3))
    assert restored.pixels.shape == (15, 21, 3)
    assert np.array_equal(restored.pixels[::3, ::3], photo.pixels)


def test_gray_is_three_equal_channels_and_comes_back_gray() -> None:
    photo = picture(1)
    (tensor,) = prepared(photo, Upscale(2)).inputs
    assert tensor.shape == (1, 3, 5, 7)
    assert torch.equal(tensor[:, 0], tensor[:, 2])
    restored = enlarge(photo, Upscale(2))
    assert restored.pixels.shape == (10, 14, 1)
    np.testing.assert_allclose(restored.pixels[::2, ::2], photo.pixels, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_constant_alpha_is_kept_exactly_without_a_run(value: float) -> None:
    photo = picture(3, np.full((5, 7), value, dtype=np.float32))
    assert len(prepared(photo, Upscale(2)).inputs) == 1
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
    job = prepared(picture(3), task)
    pixels = task.finish(job, [torch.full((1, 3, 10, 14), 1.3)]).pixels
    assert pixels.max() == 1


def test_values_beyond_one_are_kept_with_a_warning() -> None:
    pixels = np.full((6, 6, 3), 2.5, dtype=np.float32)
    restored = enlarge(Photo(pixels), Upscale(2))
    np.testing.assert_allclose(restored.pixels, 2.5, atol=1e-5)
    assert BEYOND in restored.warnings


def test_a_same_size_network_is_fed_the_bicubic_enlargement() -> None:
    photo = picture(3)
    (tensor,) = prepared(photo, Upscale(3), network(1)).inputs
    expected = np.clip(resize(photo.pixels, 15, 21, 3.0), 0, 1)
    np.testing.assert_allclose(tensor[0].permute(1, 2, 0).numpy(), expected)


def test_a_factor_that_no_network_has_ends_in_a_resize() -> None:
    photo = picture(3, RNG.random((5, 7), dtype=np.float32))
    task = Upscale(3, Fraction(5, 6))
    restored = enlarge(photo, task)
    assert task.suffix == "upscale-x2.5"
    assert restored.alpha is not None
    assert restored.pixels.shape == (13, 18, 3)  # 12.5 and 17.5, rounded up
    assert restored.alpha.shape == (13, 18)
    large = photo.pixels.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_allclose(restored.pixels, np.clip(resize(large, 13, 18, 5 / 6), 0, 1), atol=1e-6)


def test_values_beyond_one_survive_a_resize() -> None:
    restored = enlarge(Photo(np.full((6, 6, 3), 2.5, dtype=np.float32)), Upscale(2, Fraction(3, 4)))
    assert restored.pixels.shape == (9, 9, 3)
    np.testing.assert_allclose(restored.pixels, 2.5, atol=1e-5)


def test_colour_goes_through_gray_weights_channel_by_channel() -> None:
    photo = picture(3, RNG.random((5, 7), dtype=np.float32))
    job = prepared(photo, Upscale(2), network(2, channels=1))
    assert [tuple(x.shape) for x in job.inputs] == [(1, 1, 5, 7)] * 4
    restored = enlarge(photo, Upscale(2), network(2, channels=1))
    assert np.array_equal(restored.pixels[::2, ::2], photo.pixels)
