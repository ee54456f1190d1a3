from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import WeightsError
from restorecli.loading import Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photo import Photo, Raw
from restorecli.stages import Stage, pass_through
from restorecli.tasks.base import Need
from restorecli.tasks.demosaic import Demosaic, mosaic_run
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.upscale import Upscale


class Nearest(Network):
    """Enlarges by repeating pixels."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.settings = scale, {"scale": scale}
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3) * self.one


class Shelf:
    """Networks by scale; notes who asked how."""

    def __init__(self) -> None:
        self.asked: list[tuple[ModelRequest, Mapping[str, Any]]] = []

    def get(self, request: ModelRequest, run: Any) -> Loaded:
        network = Nearest(request.scale or 1).eval()
        fixed = run(network) if callable(run) else run
        self.asked.append((request, fixed))
        settings = RunSettings(tile=0, precision="fp32", device="cpu", **fixed)
        name = f"{request.task}-{network.scale}"
        return Loaded(Resolved("rnan", "light", name, None, None), network, prepare(network, settings))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def upscale(scale: int) -> Stage:
    return Stage(Upscale(scale), ModelRequest("upscale", scale=scale))


RAW_FIRST = Stage(Demosaic(), ModelRequest("demosaic"), only_raw=True, run=mosaic_run)


def camera_raw() -> Photo:
    raw = Raw("RGGB", {"camera": (1.0, 1.0, 1.0)}, None, orientation=6, crop=(2, 2, 8, 12))
    return Photo(np.full((12, 16, 1), 0.25, dtype=np.float32), format="raw", raw=raw)


def test_stages_enlarge_what_the_one_before_has_made(shelf: Shelf) -> None:
    pixels = np.random.default_rng(0).random((3, 5, 3), dtype=np.float32)
    passed = pass_through(Photo(pixels), [upscale(2), upscale(4)], shelf)
    assert np.array_equal(passed.photo.pixels, pixels.repeat(8, axis=0).repeat(8, axis=1))
    assert [used.name for used in passed.used] == ["upscale-2", "upscale-4"]
    assert passed.tiles == 2


def test_camera_raw_is_developed_before_another_task(shelf: Shelf) -> None:
    passed = pass_through(camera_raw(), [RAW_FIRST, upscale(2)], shelf)
    assert [request.task for request, _ in shelf.asked] == ["demosaic", "upscale"]
    assert shelf.asked[0][1]["alignment"] == 2
    assert shelf.asked[1][1] == {}
    assert passed.photo.raw is None
    assert passed.photo.pixels.shape == (24, 16, 3)  # cropped to 8×12, turned, enlarged
    assert any("camera RAW" in note for note in passed.notes)


def test_developed_raw_may_be_left_alone_by_the_task(shelf: Shelf) -> None:
    task = Denoise(noise="gaussian")
    passed = pass_through(camera_raw(), [RAW_FIRST, Stage(task, ModelRequest("denoise"))], shelf)
    assert [request.task for request, _ in shelf.asked] == ["demosaic"]
    assert passed.photo.pixels.shape == (12, 8, 3)
    assert "left_as_it_is" in passed.details


class Half(Network):
    """Takes half of everything away."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.5 * self.one


class Halving(Shelf):
    """Gives `Half` to everybody."""

    def get(self, request: ModelRequest, run: Any) -> Loaded:
        network = Half().eval()
        ready = prepare(network, RunSettings(tile=0, precision="fp32", device="cpu"))
        return Loaded(Resolved("rnan", "light", "half", None, None), network, ready)


@pytest.mark.parametrize(
    ("strength", "left"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5), (1.5, 0.375), (2.0, 0.25)]
)
def test_strength_keeps_a_part_of_one_run_or_of_a_second(strength: float, left: float) -> None:
    photo = Photo(np.full((6, 8, 3), 0.8, dtype=np.float32))
    stage = Stage(Denoise(strength=strength), ModelRequest("denoise"))
    passed = pass_through(photo, [stage], Halving())
    np.testing.assert_allclose(passed.photo.pixels, 0.8 * left, rtol=1e-5)
    assert passed.tiles == (0 if strength == 0 else 1 if strength <= 1 else 2)
    assert (passed.photo is photo) == (strength == 0)
    assert passed.details.get("strength", 1.0) == strength


def test_other_photos_are_not_developed(shelf: Shelf) -> None:
    photo = Photo(np.zeros((4, 4, 3), dtype=np.float32))
    pass_through(photo, [RAW_FIRST, upscale(2)], shelf)
    assert [request.task for request, _ in shelf.asked] == ["upscale"]


def test_weights_of_another_scale_are_refused(shelf: Shelf) -> None:
    stage = Stage(Denoise(25), ModelRequest("denoise", scale=2))
    with pytest.raises(WeightsError, match="enlarge by 2"):
        pass_through(Photo(np.zeros((4, 4, 3), dtype=np.float32)), [stage], shelf)


def judged(task: Any) -> Stage:
    return Stage(task, ModelRequest(task.suffix), judges_input=True)


class Bright(Denoise):
    """Finds noise in photos that are bright."""

    def examine(self, photo: Photo) -> Need:
        return Need(leave="" if photo.pixels.mean() > self.strength else "it is dark")


@pytest.mark.parametrize(
    ("least", "value", "done"),
    [
        (0.3, 0.8, ["first", "denoise"]),  # bright before and after it was halved
        (0.5, 0.8, ["first"]),  # bright as it was read only
        (0.9, 0.8, ["first"]),  # never bright
    ],
)
def test_what_the_photo_as_read_does_not_need_is_not_done_later(
    least: float, value: float, done: list[str]
) -> None:
    first = Stage(Denoise(), ModelRequest("first"))
    photo = Photo(np.full((6, 8, 3), value, dtype=np.float32))
    passed = pass_through(photo, [first, judged(Bright(strength=least))], Halving())
    assert list(passed.did) == done
    assert passed.details["done"] == ", ".join(done)


def test_several_stages_are_told_apart_in_words_and_details() -> None:
    photo = Photo(np.full((6, 8, 3), 0.8, dtype=np.float32))
    stages = [Stage(Denoise(25, strength=0), ModelRequest("one")), judged(Bright(strength=0.9))]
    passed = pass_through(photo, stages, Halving())
    assert passed.photo is photo
    assert passed.notes == ("no one: strength 0 changes nothing", "no denoise: it is dark")
    assert passed.details["no_one"] == "strength 0 changes nothing"
    assert passed.details["left_as_it_is"] == "strength 0 changes nothing; it is dark"


class Blurs(Nearest):
    """Takes the mean of 3×3 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return nn.functional.avg_pool2d(padded, 3, stride=1) * self.one


class Denoisers(Shelf):
    def get(self, request: ModelRequest, run: Any) -> Loaded:
        network = Blurs(1).eval()
        settings = RunSettings(tile=0, precision="fp32", device="cpu")
        return Loaded(Resolved("nlsn", "light", "blur", None, None), network, prepare(network, settings))


def grain(sigma: float, side: int = 160) -> Photo:
    noise = np.random.default_rng(5).normal(0, sigma / 255, (side, side, 3))
    return Photo((0.5 + noise).astype(np.float32))


DENOISE = Stage(Denoise(), ModelRequest("denoise"))


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize(("sigma", "kept"), [(1.7, 0.6), (5.0, 1.0)])
def test_of_faint_noise_a_part_is_taken_out(
    sigma: float, kept: float, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorecli.trial.SMALL", 10**6 if small else 10**4)
    photo = grain(sigma)
    passed = pass_through(photo, [DENOISE], Denoisers())
    whole = pass_through(photo, [Stage(Denoise(sigma), ModelRequest("denoise"))], Denoisers())
    change, full = (result.photo.pixels - photo.pixels for result in (passed, whole))
    share = float((change * full).sum() / np.square(full).sum())
    assert share == pytest.approx(kept, abs=0.06) == passed.details.get("effect", 1.0)
    np.testing.assert_allclose(change, share * full, atol=1e-5)
    assert passed.tiles == whole.tiles == 1


def test_a_photo_of_which_nothing_is_taken_out_is_passed_on_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restorecli.tasks.denoise.HARDLY_ANY", 20.0)
    monkeypatch.setattr("restorecli.tasks.denoise.PLAIN", 40.0)
    photo = grain(5.0)
    passed = pass_through(photo, [DENOISE], Denoisers())
    assert passed.photo is photo and not passed.used and "left_as_it_is" in passed.details
    assert any("left as it is" in note for note in passed.notes)


def test_the_second_run_of_a_strong_effect_goes_on_from_the_first() -> None:
    photo = grain(5.0)
    once, twice = (
        pass_through(photo, [Stage(Denoise(strength=strength), ModelRequest("denoise"))], Denoisers())
        for strength in (1.0, 2.0)
    )
    again = pass_through(once.photo, [Stage(Denoise(5.0), ModelRequest("denoise"))], Denoisers())
    np.testing.assert_allclose(twice.photo.pixels, again.photo.pixels, atol=1e-6)
