"""Where the noise of a mosaic is known from, and what becomes of it on the way through demosaicing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli.errors import UnsupportedError, UsageError
from restorecli.imaging import bayer, cfa, xtrans
from restorecli.imaging.raw_noise import MAP_UNIT
from restorecli.photo import Photo, Raw, RawNoise
from restorecli.tasks.base import to_pixels
from restorecli.tasks.demosaic import LEFT_IN, Demosaic, MosaicNeed, mosaic_run
from restorecli.tasks.mosaics import NOISE_MAP
from tests.tasks.stubs import Stub, restored

PROFILE = RawNoise((1e-3, 1e-3, 1e-3), (1e-6, 1e-6, 1e-6), "the DNG's noise profile")
PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR", *xtrans.PATTERNS[:5])


def joint(form: str) -> Stub:
    """A network that takes a noise map, gives the colours it is shown, and notes what it is fed."""

    def answer(x: Tensor) -> Tensor:
        return x[:, :3]

    stub = Stub(answer)
    stub.in_channels = 4
    stub.demosaic_input, stub.extra_input = form, NOISE_MAP
    return stub


def for_pattern(pattern: str) -> Stub:
    return joint("cells-XTRANS" if len(pattern) == 36 else "malvar-RGGB")


def scene(height: int = 60, width: int = 66) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 66
    return np.stack([0.1 + 0.3 * x, 0.4 - 0.2 * y, 0.2 + 0.1 * x + 0.1 * y], axis=2).astype(np.float32)


def raw_photo(pattern: str = "RGGB", noise: RawNoise | None = PROFILE, **facts: object) -> Photo:
    mosaic = cfa.sample(scene(), pattern)[..., None]
    known: dict[str, object] = {"gains": {"camera": (2.0, 1.0, 1.5)}, "camera_from_xyz": None}
    known |= {"orientation": 1, "crop": (0, 0, *mosaic.shape[:2]), "noise": noise}
    return Photo(mosaic, format="raw", raw=Raw(pattern, **{**known, **facts}))  # type: ignore[arg-type]


def told(task: Demosaic, photo: Photo) -> Mapping[str, str | float]:
    return task.examine(photo).details


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_scene_comes_back_in_every_phase_and_its_noise_map_lies_over_it(pattern: str) -> None:
    network = for_pattern(pattern)
    result = restored(raw_photo(pattern), Demosaic(color_space="camera"), network)
    expected = scene() * np.array([2.0, 1.0, 1.5])
    np.testing.assert_allclose(result.pixels[4:-4, 4:-4], expected[4:-4, 4:-4], atol=0.02)
    held = cfa.channels(expected.shape[:2], pattern)
    own = np.take_along_axis(result.pixels, held[..., None], axis=2)
    wanted = np.take_along_axis(expected, held[..., None], axis=2)
    np.testing.assert_allclose(own, wanted, atol=1e-4)
    seen = to_pixels(network.seen[0])
    assert seen.shape[2] == 4
    assert all(side % (3 if len(pattern) == 36 else 2) == 0 for side in seen.shape[:2])
    assert (seen[..., 3] > 0).all()


def test_the_map_is_in_its_unit_and_of_the_strength_asked_for() -> None:
    maps = []
    for strength in (0.5, 1.0):
        network = joint("malvar-RGGB")
        restored(raw_photo(), Demosaic(denoise=strength), network)
        maps.append(to_pixels(network.seen[0])[..., 3])
    np.testing.assert_allclose(maps[1], 2 * maps[0], rtol=0.02)
    # a green sample of 0.4 (gain 1) by hand: its deviation times the slope of sRGB's curve there
    slope = 1.055 / 2.4 * 0.4 ** (1 / 2.4 - 1)
    assert maps[1][0, 1] * MAP_UNIT == pytest.approx(slope * (1e-3 * 0.4 + 1e-6) ** 0.5, rel=0.05)


def test_off_leaves_the_map_empty_and_the_rest_as_it_is() -> None:
    network = joint("malvar-RGGB")
    result = restored(raw_photo(), Demosaic(denoise=0.0), network)
    assert not to_pixels(network.seen[0])[..., 3].any()
    plain = restored(raw_photo(noise=None), Demosaic(denoise=0.0), joint("malvar-RGGB"))
    np.testing.assert_array_equal(result.pixels, plain.pixels)


def test_the_source_of_the_noise_is_told() -> None:
    assert told(Demosaic(), raw_photo())["noise"] == PROFILE.source
    known = told(Demosaic(), raw_photo(noise=None, camera="Sony ILCE-7RM3", iso=1600))
    assert "table of cameras" in str(known["noise"])
    usual = told(Demosaic(), raw_photo(noise=None, camera="Nobody's", iso=1600))
    assert "usual sensor at ISO 1600" in str(usual["noise"]) or usual["noise"] == "measured in the mosaic"
    assert told(Demosaic(denoise=0.0), raw_photo())["denoise"] == 0


def test_noise_that_nothing_tells_is_measured() -> None:
    rng = np.random.default_rng(0)
    light = cfa.sample(np.repeat(np.repeat(scene(), 6, 0), 6, 1), "RGGB")
    noisy = rng.poisson(light / 2e-3) * 2e-3 + 1e-3 * rng.standard_normal(light.shape)
    photo = Photo(noisy.astype(np.float32)[..., None], raw=raw_photo(noise=None).raw)
    details = told(Demosaic(), photo)
    assert details["noise"] == "measured in the mosaic"
    assert "noise measured in the mosaic" in Demosaic().examine(photo).notes
    assert details["noise_shot"] == pytest.approx(2e-3, rel=0.2)


def test_sigma_is_the_same_everywhere() -> None:
    network = joint("malvar-RGGB")
    restored(raw_photo(), Demosaic(sigma=10.0), network)
    assert to_pixels(network.seen[0])[..., 3] == pytest.approx(10 / 255 / MAP_UNIT)


def test_weights_without_a_noise_map_leave_the_noise_in_and_say_so() -> None:
    plain = Stub(lambda x: x)
    plain.demosaic_input = "malvar-RGGB"
    task = Demosaic()
    photo = raw_photo()
    job = task.prepare(photo, task.examine(photo), plain)
    assert LEFT_IN in job.photo.warnings and job.covers == ()
    taking = task.prepare(photo, task.examine(photo), joint("malvar-RGGB"))
    assert taking.covers == ("denoise",) and LEFT_IN not in taking.photo.warnings
    off = Demosaic(denoise=0.0)
    assert off.prepare(photo, off.examine(photo), joint("malvar-RGGB")).covers == ()


@pytest.mark.parametrize("pattern", ["GBRG", xtrans.PATTERNS[7]])
def test_hot_pixels_are_replaced_before_the_network_unless_it_is_off(pattern: str) -> None:
    photo = raw_photo(pattern)
    photo.pixels[20, 21] = 1.0
    need = Demosaic().examine(photo)
    assert need.details["faulty_pixels"] == 1
    assert any("1 hot or dead pixel" in note for note in need.notes)
    mended = restored(photo, Demosaic(color_space="camera"), for_pattern(pattern)).pixels
    kept = restored(photo, Demosaic(color_space="camera", hot_pixels=False), for_pattern(pattern)).pixels
    assert np.abs(mended[20, 21] - mended[26, 21]).max() < 0.05 < np.abs(kept[20, 21] - kept[26, 21]).max()
    assert photo.pixels[20, 21] == 1.0


def test_x_trans_asks_for_weights_of_its_own_and_bayer_weights_refuse_it() -> None:
    need = Demosaic().examine(raw_photo(xtrans.PATTERN))
    assert isinstance(need, MosaicNeed) and need.degradation == "xtrans"
    assert need.details["pattern"] == "X-Trans"
    assert Demosaic().examine(raw_photo("BGGR")).degradation == ""
    with pytest.raises(UnsupportedError, match="X-Trans"):
        restored(raw_photo(xtrans.PATTERN), Demosaic(), joint("malvar-RGGB"))
    with pytest.raises(UnsupportedError, match="Bayer"):
        restored(raw_photo("RGGB"), Demosaic(), joint("cells-XTRANS"))


def test_x_trans_stored_as_a_picture() -> None:
    mosaic = Photo(cfa.sample(scene(), xtrans.PATTERN)[..., None])
    result = restored(mosaic, Demosaic("XTRANS"), joint("cells-XTRANS"))
    np.testing.assert_allclose(result.pixels[4:-4, 4:-4], scene()[4:-4, 4:-4], atol=0.02)
    zeros = Photo(cfa.as_zeros(mosaic.pixels[..., 0], xtrans.PATTERN))
    found = restored(zeros, Demosaic(), joint("cells-XTRANS"))
    np.testing.assert_array_equal(found.pixels, result.pixels)
    with pytest.raises(UnsupportedError, match="no X-Trans"):
        Demosaic("XTRANS").examine(Photo(np.zeros((4, 4, 1), np.float32)))


def test_tiles_of_x_trans_begin_with_cells_and_its_symmetries_keep_them() -> None:
    settings = mosaic_run(joint("cells-XTRANS"))
    assert settings["alignment"] == 3
    held = cfa.as_zeros(cfa.sample(np.ones((12, 18, 3), np.float32), xtrans.PATTERN), xtrans.PATTERN)
    cells = torch.from_numpy(xtrans.exchange(held)).permute(2, 0, 1)[None]
    from restorecli.engine.ensemble import transform

    for name in settings["transforms"]:
        assert torch.equal(transform(cells, name), cells)


def test_for_dng_noise_is_marked_as_taken_out() -> None:
    made = restored(raw_photo(), Demosaic(camera_rgb=True), joint("malvar-RGGB"))
    assert made.raw is not None and made.raw.denoised
    kept = restored(raw_photo(), Demosaic(camera_rgb=True, denoise=0.0), joint("malvar-RGGB"))
    assert kept.raw is not None and not kept.raw.denoised


@pytest.mark.parametrize("strength", [-1.0, 5.0, float("nan")])
def test_strengths_that_make_no_sense_are_refused(strength: float) -> None:
    with pytest.raises(UsageError):
        Demosaic(denoise=strength)


def test_every_bayer_phase_is_among_those_tried() -> None:
    assert set(bayer.PATTERNS) < set(PATTERNS)
