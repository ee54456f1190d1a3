from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from restorecli import giants
from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photo import Photo
from restorecli.quality.degradations.blur import convolved, motion_kernel
from restorecli.tasks.base import Need
from restorecli.tasks.brighten import Brighten, Darkness
from restorecli.tasks.deblur import IN_PARTS, Blurred, Deblur, extent
from restorecli.tasks.same_size import SameSize
from tests.tasks.estimate.test_even_blur import scene
from tests.tasks.test_brighten import Same


def shaken(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """A coloured scene and how a camera that shook saw it."""
    rng = np.random.default_rng(2)
    tints = np.array([1, 0.8, 0.6], np.float32)[:channels]
    light = np.clip(scene(2) * tints, 0, 1)
    blurred = convolved(light, motion_kernel(rng, 17)) + rng.normal(0, 0.002, light.shape)
    return linear_to_srgb(light), linear_to_srgb(np.clip(blurred, 0, 1).astype(np.float32))


@cache
def need_of(channels: int) -> Need:
    return Deblur().examine(Photo(shaken(channels)[1]))


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.mark.parametrize("channels", [1, 3])
def test_what_a_shaken_camera_blurred_is_divided_out_and_told(channels: int) -> None:
    truth, seen = shaken(channels)
    need = need_of(channels)
    assert isinstance(need, Blurred) and need.kernel is not None
    width, height = extent(need.kernel)
    assert need.details["even_blur"] == f"{width}x{height}" and f"{width} × {height}" in need.notes[0]
    job = Deblur().prepare(Photo(seen), need, Same())
    made = Deblur().finish(job, [given.clone() for given in job.inputs])
    assert made.pixels.shape == seen.shape
    assert error(made.pixels, truth) < 0.55 * error(seen, truth)


def test_other_photos_go_to_the_network_as_they_are() -> None:
    sharp = Photo(linear_to_srgb(np.repeat(scene(1), 3, axis=2)))
    need = Deblur().examine(sharp)
    assert isinstance(need, Blurred) and need.kernel is None and not need.notes
    ours, usual = (task.prepare(sharp, need, Same()) for task in (Deblur(), SameSize("deblur")))
    assert np.array_equal(ours.inputs[0].numpy(), usual.inputs[0].numpy())


def test_a_photo_restored_in_parts_is_left_to_the_network_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deblur, "examine", None)  # a sample's blur is not looked for
    _, seen = shaken(3)
    need = giants.examined(Deblur(), replace(Photo(seen), parts=SimpleNamespace(sample=lambda: seen)))
    assert type(need) is Need and IN_PARTS in need.notes and need.channels == 3


def test_hidden_colours_and_alpha_stay() -> None:
    _, seen = shaken(3)
    alpha = np.ones(seen.shape[:2], np.float32)
    alpha[:30] = 0
    photo = Photo(seen, alpha=alpha)
    need = replace(need_of(3), kernel=disc_kernel(3))
    job = Deblur().prepare(photo, need, Same())
    made = Deblur().finish(job, [given.clone() for given in job.inputs])
    assert np.array_equal(made.pixels[:30], seen[:30]) and np.array_equal(made.alpha, alpha)
    assert not np.array_equal(made.pixels[40:], seen[40:])


def test_preparing_takes_no_more_memory_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restorecli.imaging.blur.deconvolution._BLOCK", 128)
    photo = Photo(np.random.default_rng(0).random((1000, 1000, 3), dtype=np.float32))
    needs = (Deblur(), replace(need_of(3), kernel=disc_kernel(2))), (Brighten(), Darkness(stops=2))
    for task, need in needs:
        tracemalloc.start()
        task.prepare(photo, need, Same())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        pixels = photo.pixels[..., 0].size
        assert 12 * pixels <= peak <= task.preparing * pixels + (12 << 20)  # some rows at a time besides


def test_brightness_stays() -> None:
    _, seen = shaken(3)
    job = Deblur().prepare(Photo(seen), need_of(3), Same())
    light = [srgb_to_linear(p).mean() for p in (seen, job.inputs[0][0].permute(1, 2, 0).numpy())]
    assert light[1] == pytest.approx(light[0], rel=0.01)
