from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from restorecli.errors import WeightsError
from restorecli.photo import Depth, Metadata, Photo
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.same_size import BEYOND, BY_CHANNEL, SameSize
from tests.tasks.stubs import Stub, restored

RNG = np.random.default_rng(3)
TASKS = [Denoise(25), SameSize("deblur"), SameSize("enhance")]
HALF = 0.5


def picture(channels: int = 3) -> npt.NDArray[np.float32]:
    return RNG.random((6, 9, channels), dtype=np.float32)


def chw(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.transpose(pixels, (2, 0, 1))[None]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("working", ["srgb", "display-p3"])
def test_the_network_sees_the_working_pixels_themselves(task: SameSize | Denoise, working: str) -> None:
    photo = Photo(picture(), depth=Depth.UINT16, metadata=Metadata(working=working))
    network = Stub(lambda x: 1 - x)
    result = restored(photo, task, network)
    assert len(network.seen) == 1
    assert np.array_equal(network.seen[0].numpy(), chw(photo.pixels))
    np.testing.assert_allclose(result.pixels, 1 - photo.pixels, atol=1e-7)
    assert (result.depth, result.metadata) == (photo.depth, photo.metadata)


def test_a_step_of_sixteen_bits_survives() -> None:
    pixels = (RNG.integers(0, 65536, (6, 9, 3)) / 65535).astype(np.float32)
    result = restored(Photo(pixels, depth=Depth.UINT16), Denoise(25), Stub())
    assert np.array_equal(np.rint(result.pixels * 65535), np.rint(pixels * 65535))


def test_gray_goes_through_gray_weights_as_one_channel() -> None:
    photo, network = Photo(picture(1)), Stub(lambda x: x * HALF, channels=1)
    result = restored(photo, Denoise(25), network)
    assert Denoise(25).examine(photo).channels == 1
    assert np.array_equal(network.seen[0].numpy(), chw(photo.pixels))
    np.testing.assert_allclose(result.pixels, photo.pixels * HALF)


def test_gray_goes_through_colour_weights_as_three_equal_channels_and_comes_back_gray() -> None:
    photo = Photo(picture(1))
    tint = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    network = Stub(lambda x: x * HALF + tint)
    result = restored(photo, Denoise(25), network)
    assert np.array_equal(network.seen[0].numpy(), np.repeat(chw(photo.pixels), 3, axis=1))
    expected = photo.pixels * HALF + 0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3
    assert result.is_gray
    np.testing.assert_allclose(result.pixels, expected, atol=1e-6)


def test_a_colour_file_that_is_nearly_gray_stays_colour() -> None:
    pixels = np.repeat(picture(1), 3, axis=2)
    pixels[0, 0, 0] += 1 / 255
    assert Denoise(25).examine(Photo(pixels)).channels == 3
    assert restored(Photo(np.clip(pixels, 0, 1)), Denoise(25), Stub()).pixels.shape == (6, 9, 3)


def test_colour_goes_through_gray_weights_channel_by_channel_with_a_warning() -> None:
    photo = Photo(picture())
    network = Stub(lambda x: x * HALF, channels=1)
    result = restored(photo, Denoise(25), network)
    assert np.array_equal(torch.cat(network.seen, dim=1).numpy(), chw(photo.pixels))
    np.testing.assert_allclose(result.pixels, photo.pixels * HALF)
    assert BY_CHANNEL in result.warnings


@pytest.mark.parametrize("task", TASKS)
def test_alpha_and_the_colours_it_hides_stay_and_do_not_reach_the_network(task: SameSize | Denoise) -> None:
    pixels, alpha = picture(), RNG.random((6, 9), dtype=np.float32)
    pixels[:, 4:] = (0, 1, 0)
    alpha[:, 4:] = 0
    network = Stub(lambda x: 1 - x)
    result = restored(Photo(pixels, alpha), task, network)
    assert result.alpha is alpha
    assert np.array_equal(result.pixels[:, 4:], pixels[:, 4:])
    np.testing.assert_allclose(result.pixels[:, :4], 1 - pixels[:, :4], atol=1e-7)
    seen = network.seen[0].numpy()[0].transpose(1, 2, 0)
    assert np.array_equal(seen[:, 4:], np.repeat(pixels[:, 3:4], 5, axis=1))


def test_values_beyond_zero_to_one_are_kept_and_the_network_sees_the_limit() -> None:
    pixels = picture()
    pixels[0, 0], pixels[1, 1] = 3.5, -0.25
    network = Stub(lambda x: x * HALF)
    result = restored(Photo(pixels, depth=Depth.FLOAT32), Denoise(25), network)
    assert np.array_equal(network.seen[0].numpy(), chw(np.clip(pixels, 0, 1)))
    np.testing.assert_allclose(result.pixels[0, 0], HALF + 2.5)
    np.testing.assert_allclose(result.pixels[1, 1], -0.25)
    assert BEYOND in result.warnings


def test_what_overshoots_in_the_network_is_clipped() -> None:
    result = restored(Photo(picture()), Denoise(25), Stub(lambda x: x * 4 - 1))
    assert (result.pixels.min(), result.pixels.max()) == (0, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_noise_level_is_one_more_channel_where_the_network_takes_it(channels: int) -> None:
    photo = Photo(picture(channels))
    network = Stub(channels=channels, extra_input="noise map")
    result = restored(photo, Denoise(25), network)
    seen = network.seen[0].numpy()
    assert np.array_equal(seen[:, :channels], chw(photo.pixels))
    assert np.array_equal(seen[:, channels], np.full((1, 6, 9), np.float32(25 / 255)))
    assert np.array_equal(result.pixels, photo.pixels)


@pytest.mark.parametrize(
    "network", [Stub(scale=2), Stub(extra_input="quality map"), Stub(channels=4), Stub(channels=2)]
)
def test_weights_that_want_something_else_are_refused(network: Stub) -> None:
    with pytest.raises(WeightsError):
        restored(Photo(picture()), Denoise(25), network)
