from __future__ import annotations

import numpy as np
import pytest
import torch

from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.tasks.brighten import MOST, Brighten, Darkness
from restorecli.tasks.estimate.exposure import brightened
from tests.tasks.estimate.test_exposure import scene


class Same(Network):
    """A network that changes nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def dark(stops: float) -> np.ndarray:
    return linear_to_srgb(srgb_to_linear(scene()) * np.float32(2**-stops))


def test_bright_and_usual_photos_are_left_alone() -> None:
    for pixels in (scene(), brightened(scene(), 2), np.full((40, 40, 3), 0.8, np.float32)):
        need = Brighten().examine(Photo(pixels))
        assert need.leave == "it is not dark"


def test_a_dark_photo_gets_the_light_of_a_usual_one_and_keeps_its_colours() -> None:
    photo = Photo(dark(3.5))
    need = Brighten().examine(photo)
    assert isinstance(need, Darkness) and not need.leave
    assert need.details["stops"] == need.stops
    job = Brighten().prepare(photo, need, Same())
    made = Brighten().finish(job, job.inputs)
    assert np.allclose(made.pixels, brightened(photo.pixels, 2**need.stops), atol=1e-6)
    before, after = (srgb_to_linear(p.pixels).mean((0, 1)) for p in (photo, made))
    assert after / after.sum() == pytest.approx(before / before.sum(), abs=0.02)
    assert after.mean() > 4 * before.mean()


def test_black_photos_are_brightened_by_no_more_than_8_bit_hold() -> None:
    need = Brighten().examine(Photo(np.zeros((32, 32, 3), np.float32)))
    assert need.details["stops"] == MOST


def test_gray_and_hidden_colours_stay() -> None:
    alpha = np.ones((64, 80), np.float32)
    alpha[:20] = 0
    photo = Photo(dark(3)[..., :1], alpha=alpha)
    need = Brighten().examine(photo)
    job = Brighten().prepare(photo, need, Same())
    made = Brighten().finish(job, [given.clone() for given in job.inputs])
    assert need.channels == 1 and made.pixels.shape == photo.pixels.shape
    assert np.array_equal(made.pixels[:20], photo.pixels[:20])
    assert np.array_equal(made.alpha, alpha)
