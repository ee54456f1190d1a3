from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from restorecli.errors import WeightsError
from restorecli.photo import Depth, Metadata, Photo
from restorecli.photos.read import read
from restorecli.tasks.base import partly
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.same_size import BEYOND, BY_CHANNEL, SameSize
from tests.tasks.stubs import Stub, restored

RNG = np.random.default_rng(3)
TASKS = [Denoise(), SameSize("deblur"), SameSize("enhance")]
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
    result = restored(Photo(pixels, depth=Depth.UINT16), Denoise(), Stub())
    assert np.array_equal(np.rint(result.pixels * 65535), np.rint(pixels * 65535))


def test_gray_goes_through_gray_weights_as_one_channel() -> None:
    photo, network = Photo(picture(1)), Stub(lambda x: x * HALF, channels=1)
    result = restored(photo, Denoise(), network)
    assert Denoise().examine(photo).channels == 1
    assert np.array_equal(network.seen[0].numpy(), chw(photo.pixels))
    np.testing.assert_allclose(result.pixels, photo.pixels * HALF)


def test_gray_goes_through_colour_weights_as_three_equal_channels_and_comes_back_gray() -> None:
    photo = Photo(picture(1))
    tint = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    network = Stub(lambda x: x * HALF + tint)
    result = restored(photo, Denoise(), network)
    assert np.array_equal(network.seen[0].numpy(), np.repeat(chw(photo.pixels), 3, axis=1))
    expected = photo.pixels * HALF + 0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3
    assert result.is_gray
    np.testing.assert_allclose(result.pixels, expected, atol=1e-6)


def test_a_colour_file_that_is_nearly_gray_stays_colour() -> None:
    pixels = np.repeat(picture(1), 3, axis=2)
    pixels[0, 0, 0] += 1 / 255
    assert Denoise().examine(Photo(pixels)).channels == 3
    assert restored(Photo(np.clip(pixels, 0, 1)), Denoise(), Stub()).pixels.shape == (6, 9, 3)


def test_colour_goes_through_gray_weights_channel_by_channel_with_a_warning() -> None:
    photo = Photo(picture())
    network = Stub(lambda x: x * HALF, channels=1)
    result = restored(photo, Denoise(), network)
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
    result = restored(Photo(pixels, depth=Depth.FLOAT32), Denoise(), network)
    assert np.array_equal(network.seen[0].numpy(), chw(np.clip(pixels, 0, 1)))
    np.testing.assert_allclose(result.pixels[0, 0], HALF + 2.5)
    np.testing.assert_allclose(result.pixels[1, 1], -0.25)
    assert BEYOND in result.warnings


def test_what_overshoots_in_the_network_is_clipped() -> None:
    result = restored(Photo(picture()), Denoise(), Stub(lambda x: x * 4 - 1))
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


def grainy(sigma: float, blur: float = 0.0) -> Photo:
    noise = gaussian_filter(np.random.default_rng(5).normal(size=(96, 96, 3)), (blur, blur, 0))
    return Photo((0.5 + noise / noise.std() * sigma / 255).astype(np.float32))


@pytest.mark.parametrize("noise", ["gaussian", "real"])
def test_noise_is_estimated_and_a_photo_without_it_is_left_alone(noise: str) -> None:
    task = Denoise(noise=noise)
    need = task.examine(grainy(12))
    assert not need.leave and need.level == pytest.approx(12, rel=0.15)
    assert need.details["sigma_source"] == "estimated" and need.details["sigma_coarse"] > 8
    assert task.examine(grainy(0.5)).leave
    assert task.examine(Photo(np.full((64, 64, 3), 0.5, np.float32))).leave


def test_smoothed_noise_counts_as_real_and_not_as_white() -> None:
    photo = grainy(5, blur=1.0)
    assert not Denoise(noise="real").examine(photo).leave
    assert "--noise real" in Denoise(noise="gaussian").examine(photo).leave


def test_as_much_is_kept_of_the_change_as_the_network_finds_noise() -> None:
    weigh = Denoise(strength=0.5).examine(grainy(5)).weigh
    assert weigh is not None
    shares = [weigh(taken).share for taken in (0.2, 1.0, 1.3, 1.6, 2.0, 9.0)]
    np.testing.assert_allclose(shares, [0, 0, 0.3, 0.6, 1, 1])
    assert weigh(0.8).leave and not weigh(1.3).leave
    assert weigh(1.3).details == {"taken_out": 1.3, "effect": 0.3} and "30 %" in weigh(1.3).notes[0]
    assert weigh(9.0).details == {"taken_out": 9.0}


def test_what_was_asked_for_is_not_weighed() -> None:
    assert Denoise(25).examine(grainy(5)).weigh is None
    assert Denoise(noise="gaussian").examine(grainy(12)).weigh is None


def test_noise_is_sought_where_the_photo_is_not_hidden() -> None:
    photo = grainy(12)
    alpha = np.ones((96, 96), np.float32)
    alpha[:, 48:] = 0
    pixels = photo.pixels.copy()
    pixels[:, 48:] = 0.5 + 0.2 * (photo.pixels[:, 48:] - 0.5)
    level = Denoise().examine(Photo(pixels, alpha)).level
    assert level == pytest.approx(12, rel=0.2)


def test_what_is_too_small_to_tell_is_left_alone_only_by_weights_that_could_harm_it() -> None:
    tiny = Photo(picture())
    assert Denoise(noise="gaussian").examine(tiny).leave
    assert not Denoise(noise="real").examine(tiny).leave


@pytest.mark.parametrize(
    ("strength", "shares"), [(0.25, (0.25,)), (1.0, (1.0,)), (1.5, (1.0, 0.5)), (2.0, (1.0, 1.0))]
)
@pytest.mark.parametrize("sigma", [None, 25.0])
def test_strength_says_how_much_of_which_run_is_kept(
    strength: float, shares: tuple[float, ...], sigma: float | None
) -> None:
    need = Denoise(sigma, strength=strength).examine(grainy(12))
    assert need.shares == shares
    assert need.details.get("strength", 1.0) == strength


def test_strength_zero_leaves_everything_alone() -> None:
    assert Denoise(25, strength=0).examine(grainy(12)).leave


def test_a_part_of_a_change_is_between_the_photos() -> None:
    before, after = Photo(picture()), Photo(picture(), warnings=("kept",))
    middle = (before.pixels + after.pixels) / 2
    half = partly(before, after, 0.5)
    np.testing.assert_allclose(half.pixels, middle, atol=1e-6)
    assert half.pixels.dtype == np.float32 and half.warnings == ("kept",)
    assert partly(before, after, 1) is after


@pytest.mark.parametrize(
    "network", [Stub(scale=2), Stub(extra_input="quality map"), Stub(channels=4), Stub(channels=2)]
)
def test_weights_that_want_something_else_are_refused(network: Stub) -> None:
    with pytest.raises(WeightsError):
        restored(Photo(picture()), Denoise(25), network)


@pytest.mark.parametrize(
    ("quality", "said"), [(20, True), (60, True), (61, False), (95, False), (None, False)]
)
@pytest.mark.parametrize("sigma", [None, 15.0])
def test_denoising_a_strong_jpeg_says_that_dejpeg_is_the_thing(
    quality: int | None, said: bool, sigma: float | None, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / ("a.png" if quality is None else "a.jpg")
    Image.fromarray(pixels).save(path, **({} if quality is None else {"quality": quality}))
    need = Denoise(sigma).examine(read(path).pages[0])
    assert any("restore dejpeg" in note for note in need.notes) == said
    assert need.details.get("jpeg_quality") == (quality if said else None)
