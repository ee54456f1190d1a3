"""Demosaicing between the photo and the network: phases, ranges, white balance, and what RAW files say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from restorecli.engine.ensemble import transform
from restorecli.errors import UnsupportedError, UsageError, WeightsError
from restorecli.imaging import bayer, cfa, develop
from restorecli.imaging.colour import srgb_to_linear
from restorecli.networks.network import Network
from restorecli.photo import Photo, Raw
from restorecli.tasks.base import to_pixels, to_tensor
from restorecli.tasks.demosaic import Demosaic, mosaic_run
from tests.tasks.stubs import Stub, restored

FORMS = ("zeros-GRBG", "malvar-RGGB")
CAMERA_FROM_XYZ = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
GAINS = (2.1, 1.0, 1.4)


def bilinear(form: str) -> Stub:
    """A network that interpolates linearly, and notes what it is fed."""
    pattern = form.split("-")[1]

    def answer(x: Tensor) -> Tensor:
        mosaic = cfa.sample(to_pixels(x), pattern)
        return to_tensor(bayer.bilinear(mosaic, pattern))

    stub = Stub(answer)
    stub.demosaic_input = form
    return stub


def scene(height: int = 24, width: int = 30) -> np.ndarray:
    """A smooth picture in 0–1: linear interpolation changes it little."""
    y, x = np.mgrid[:height, :width] / 30
    return np.stack([0.2 + 0.5 * x, 0.7 - 0.4 * y, 0.3 + 0.2 * x + 0.2 * y], axis=2).astype(np.float32)


def raw_photo(seen: np.ndarray, pattern: str = "RGGB", **facts: object) -> Photo:
    """RAW of a camera that sees ``seen`` (H×W×3, linear); no mosaic for the pattern ""."""
    known: dict[str, object] = {
        "gains": {"camera": GAINS},
        "camera_from_xyz": CAMERA_FROM_XYZ,
        "orientation": 1,
        "crop": (0, 0, *seen.shape[:2]),
    }
    pixels = cfa.sample(seen, pattern)[:, :, None] if pattern else seen
    return Photo(np.ascontiguousarray(pixels), format="raw", raw=Raw(pattern, **{**known, **facts}))  # type: ignore[arg-type]


def camera(balanced: np.ndarray) -> np.ndarray:
    """What a camera sees whose white-balanced values are ``balanced``."""
    return (balanced / np.array(GAINS)).astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("size", [(24, 30), (23, 29)])
def test_a_mosaic_of_any_phase_and_size_reaches_the_network_in_its_own(
    form: str, pattern: str, size: tuple[int, int]
) -> None:
    network, truth = bilinear(form), scene(*size)
    mosaic = Photo(cfa.sample(truth, pattern)[:, :, None])
    result = restored(mosaic, Demosaic(pattern), network)
    seen = to_pixels(network.seen[0])
    wanted = form.split("-")[1]
    if form.startswith("zeros"):
        assert cfa.recognise_zeros(seen, bayer.PATTERNS) == wanted
    else:
        np.testing.assert_allclose(seen, bayer.malvar(cfa.sample(seen, wanted), wanted), atol=1e-6)
    assert all(side % 2 == 0 for side in seen.shape[:2])
    assert result.pixels.shape == truth.shape
    np.testing.assert_allclose(result.pixels[1:-1, 1:-1], truth[1:-1, 1:-1], atol=1e-5)
    np.testing.assert_allclose(result.pixels, truth, atol=0.04)  # reflection bends a slope at the border
    np.testing.assert_array_equal(cfa.sample(result.pixels, pattern), mosaic.pixels[:, :, 0])


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_picture_with_zeros_says_its_pattern_itself(pattern: str) -> None:
    truth = scene()
    photo = Photo(cfa.as_zeros(cfa.sample(truth, pattern), pattern))
    assert Demosaic().examine(photo).details["pattern"] == pattern
    result = restored(photo, Demosaic(), bilinear("malvar-RGGB"))
    np.testing.assert_allclose(result.pixels[1:-1, 1:-1], truth[1:-1, 1:-1], atol=1e-5)


def test_three_equal_channels_are_one() -> None:
    truth = scene()
    mosaic = cfa.sample(truth, "GBRG")[:, :, None].repeat(3, axis=2)
    result = restored(Photo(mosaic), Demosaic("GBRG"), bilinear("zeros-GRBG"))
    np.testing.assert_allclose(result.pixels[1:-1, 1:-1], truth[1:-1, 1:-1], atol=1e-5)


@pytest.mark.parametrize(
    ("pixels", "pattern", "said"),
    [
        (scene()[..., :1], "auto", "gray"),
        (scene(), "auto", "colours already"),
        (scene(), "RGGB", "colours already"),
        (cfa.as_zeros(cfa.sample(scene(), "GRBG"), "GRBG"), "RGGB", "GRBG"),
        (scene()[:1, :, :1], "RGGB", "2×2"),
    ],
)
def test_a_picture_that_is_no_such_mosaic_is_refused(pixels: np.ndarray, pattern: str, said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        Demosaic(pattern).examine(Photo(pixels))


def test_the_network_sees_raw_balanced_scaled_to_white_and_with_srgbs_curve() -> None:
    network = bilinear("zeros-GRBG")
    photo = raw_photo(np.full((6, 8, 3), 0.2, np.float32), "GRBG")
    restored(photo, Demosaic(), network)
    red, green, blue = (to_pixels(network.seen[0])[..., channel].max() for channel in range(3))
    # The formula of IEC 61966-2-1, written down again.
    expected = [1.055 * (0.2 * gain) ** (1 / 2.4) - 0.055 for gain in GAINS]
    assert [red, green, blue] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("pattern", ["", *bayer.PATTERNS])
def test_raw_comes_back_as_what_was_seen(pattern: str) -> None:
    balanced = scene() * 0.6
    for form in FORMS:
        result = restored(
            raw_photo(camera(balanced), pattern), Demosaic(color_space="camera"), bilinear(form)
        )
        assert result.raw is None
        # The network interpolates values with a curve, so a linear slope comes back bent a little.
        np.testing.assert_allclose(result.pixels[1:-1, 1:-1], balanced[1:-1, 1:-1], atol=2e-3)


def test_raw_without_a_mosaic_needs_no_network() -> None:
    need = Demosaic().examine(raw_photo(camera(scene()), ""))
    assert not need.network
    assert any("no mosaic" in note for note in need.notes)


def test_noise_below_black_stays_below() -> None:
    photo = raw_photo(np.full((6, 6, 3), -0.01, np.float32))
    result = restored(photo, Demosaic(color_space="camera"), bilinear("zeros-GRBG"))
    np.testing.assert_allclose(result.pixels[..., 1], -0.01, atol=1e-5)


@pytest.mark.parametrize("highlights", ["clip", "blend"])
@pytest.mark.parametrize("space", ["srgb", "prophoto", "linear", "camera"])
def test_what_is_burnt_out_is_gray_not_magenta(highlights: str, space: str) -> None:
    photo = raw_photo(np.ones((8, 8, 3), np.float32))
    result = restored(photo, Demosaic(highlights=highlights, color_space=space), bilinear("malvar-RGGB"))
    assert np.ptp(result.pixels, axis=2).max() < 1e-3
    if highlights == "clip":
        np.testing.assert_allclose(result.pixels, 1, atol=1e-3)


def test_blending_keeps_what_clipping_loses_and_says_how_much_darker_it_is() -> None:
    seen = camera(scene()) * 2  # red clips nowhere in the sensor, but lies beyond 1 after balance
    seen = np.minimum(seen, 1)
    task = Demosaic(highlights="blend", color_space="camera")
    need = task.examine(raw_photo(seen))
    assert any(note.startswith(f"{np.log2(2.1):.1f} stops") for note in need.notes)
    clipped = restored(raw_photo(seen), Demosaic(color_space="camera"), bilinear("zeros-GRBG"))
    blended = restored(raw_photo(seen), task, bilinear("zeros-GRBG"))
    burnt = (clipped.pixels >= 0.999).all(axis=2)
    assert burnt.mean() > 0.1
    assert np.ptp(blended.pixels[burnt].mean(axis=1)) > 0.02
    below = (clipped.pixels < 0.9).all(axis=2)
    assert below.any()
    np.testing.assert_allclose(2.1 * blended.pixels[below], clipped.pixels[below], atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_result_is_cropped_and_upright(orientation: int) -> None:
    seen = camera(scene(12, 16) * 0.6)
    facts = {"orientation": orientation, "crop": (2, 3, 7, 9)}
    result = restored(raw_photo(seen, **facts), Demosaic(color_space="camera"), bilinear("zeros-GRBG"))
    expected = (seen * np.array(GAINS))[2:9, 3:12]
    turns = {  # by words of the EXIF standard: where row 0 and column 0 of the stored picture are
        1: expected,
        2: expected[:, ::-1],
        3: expected[::-1, ::-1],
        4: expected[::-1],
        5: expected.transpose(1, 0, 2),
        6: np.rot90(expected, -1),
        7: expected[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(expected, 1),
    }
    np.testing.assert_allclose(result.pixels, turns[orientation], atol=2e-3)


def test_pixels_that_are_not_square_are_made_square_and_it_is_said() -> None:
    for aspect, size in ((0.5, (16, 12)), (1.5, (8, 18))):
        photo = raw_photo(camera(scene(8, 12) * 0.6), pixel_aspect=aspect)
        assert any("not square" in note for note in Demosaic().examine(photo).notes)
        result = restored(photo, Demosaic(), bilinear("zeros-GRBG"))
        assert (result.height, result.width) == size


def test_without_a_camera_matrix_it_warns() -> None:
    result = restored(raw_photo(camera(scene()), camera_from_xyz=None), Demosaic(), bilinear("zeros-GRBG"))
    assert any("colours are not known" in warning for warning in result.warnings)


@pytest.mark.parametrize("pattern", ["", "GBRG"])
def test_for_dng_the_result_is_the_cameras_own_rgb(pattern: str) -> None:
    seen = camera(scene() * 1.6)  # red beyond 1 after balance: nothing is lost all the same
    photo = raw_photo(seen, pattern, orientation=6, crop=(1, 2, 10, 12))
    result = restored(photo, Demosaic(camera_rgb=True), bilinear("malvar-RGGB"))
    assert result.raw is not None
    assert (result.raw.pattern, result.raw.orientation, result.raw.crop) == ("", 6, (1, 2, 10, 12))
    np.testing.assert_allclose(result.pixels[1:-1, 1:-1], seen[1:-1, 1:-1], atol=2e-3)


def test_a_mosaic_stored_as_a_picture_makes_no_dng() -> None:
    with pytest.raises(UnsupportedError, match="DNG"):
        Demosaic("RGGB", camera_rgb=True).examine(Photo(scene()[..., :1]))


@pytest.mark.parametrize(
    ("space", "exposure"), [("srgb", 0.0), ("display-p3", 1.0), ("prophoto", 0.0), ("linear", -1.0)]
)
def test_the_profile_says_the_space(space: str, exposure: float) -> None:
    photo = raw_photo(camera(scene() * 0.4))
    result = restored(photo, Demosaic(color_space=space, exposure=exposure), bilinear("zeros-GRBG"))
    assert result.metadata.profile is not None
    assert result.metadata.working == (space if space in ("srgb", "display-p3") else "native")


def test_exposure_multiplies_light() -> None:
    photo = raw_photo(camera(scene() * 0.2))
    plain, bright = (
        restored(photo, Demosaic(exposure=stops), bilinear("zeros-GRBG")).pixels for stops in (0.0, 1.0)
    )
    np.testing.assert_allclose(srgb_to_linear(bright), 2 * srgb_to_linear(plain), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_self_ensembles_symmetries_keep_the_phase(form: str) -> None:
    network = bilinear(form)
    settings = mosaic_run(network)
    assert settings["alignment"] == 2
    assert len(settings["transforms"]) == 2
    wanted = form.split("-")[1]
    mosaic = torch.from_numpy(cfa.as_zeros(cfa.sample(scene(), wanted), wanted)).permute(2, 0, 1)[None]
    for name in settings["transforms"]:
        assert cfa.recognise_zeros(to_pixels(transform(mosaic, name)), bayer.PATTERNS) == wanted


@pytest.mark.parametrize("facts", [{"scale": 2}, {"channels": 1}])
def test_weights_that_take_no_mosaic_are_refused(facts: dict[str, int]) -> None:
    network = Stub(**facts)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="mosaic"):
        restored(raw_photo(camera(scene())), Demosaic(), network)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Demosaic(pattern="RGBG"),
        lambda: Demosaic(white_balance="tungsten"),
        lambda: Demosaic(highlights="rebuild"),
        lambda: Demosaic(color_space="adobe"),
        lambda: Demosaic(exposure=float("nan")),
    ],
)
def test_choices_that_do_not_exist_are_refused(make: Callable[[], Demosaic]) -> None:
    with pytest.raises(UsageError):
        make()


def test_what_networks_take_is_known_for_every_kind() -> None:
    assert mosaic_run(Network())["alignment"] == 2


def test_white_balance_is_found_once_per_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = develop.gray_world

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(develop, "gray_world", counted)
    tinted = scene() * np.array([0.5, 1.0, 0.8], np.float32)
    made = restored(raw_photo(tinted), Demosaic(white_balance="auto"), bilinear("malvar-RGGB"))
    assert len(calls) == 1
    assert made.raw is None
