"""White balance, highlights, camera matrices and output spaces, against plain formulas."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ImageCms

from restorecli.imaging import cfa, develop, icc
from restorecli.imaging.colour import srgb_to_linear
from restorecli.photo import Raw

# Some camera's answer to CIE XYZ (rows R, G, B), as a DNG's ColorMatrix2 states it.
CAMERA_FROM_XYZ = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
# Linear sRGB → XYZ under D65, as IEC 61966-2-1 prints it.
XYZ_FROM_SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def raw(**facts: object) -> Raw:
    known: dict[str, object] = {
        "pattern": "RGGB",
        "gains": {"camera": (2.0, 1.0, 1.5), "daylight": (2.2, 1.0, 1.3)},
        "camera_from_xyz": CAMERA_FROM_XYZ,
        "orientation": 1,
        "crop": (0, 0, 8, 8),
    }
    return Raw(**{**known, **facts})  # type: ignore[arg-type]


def flat(red: float, green: float, blue: float, size: int = 8) -> np.ndarray:
    colours = np.full((size, size, 3), (red, green, blue), np.float32)
    return cfa.sample(colours, "RGGB")[:, :, None]


@pytest.mark.parametrize(
    ("wanted", "gains"),
    [("camera", (2.0, 1.0, 1.5)), ("daylight", (2.2, 1.0, 1.3)), ("none", (1.0, 1.0, 1.0))],
)
def test_a_white_balance_of_the_file_is_taken_as_it_is(
    wanted: str, gains: tuple[float, float, float]
) -> None:
    found = develop.balance(flat(0.1, 0.2, 0.1), raw(), wanted)
    assert (found.gains, found.source, found.note) == (gains, wanted, "")


def test_auto_makes_the_mean_gray_and_does_not_look_at_what_is_clipped() -> None:
    mosaic = flat(0.1, 0.2, 0.4)
    mosaic[:2, :4] = 1
    found = develop.balance(mosaic, raw(), "auto")
    assert found.gains == pytest.approx((2.0, 1.0, 0.5))


def test_auto_of_a_black_or_wholly_clipped_picture_is_neutral() -> None:
    for value in (0.0, 1.0):
        assert develop.balance(flat(value, value, value), raw(), "auto").gains == (1, 1, 1)


def test_without_the_cameras_balance_daylight_is_taken_and_said() -> None:
    found = develop.balance(flat(0.1, 0.2, 0.1), raw(gains={"daylight": (2.2, 1.0, 1.3)}), "camera")
    assert (found.gains, found.source) == ((2.2, 1.0, 1.3), "daylight")
    assert "daylight" in found.note


def test_daylight_that_the_file_does_not_state_comes_from_the_matrix() -> None:
    found = develop.balance(flat(0.1, 0.2, 0.1), raw(gains={}), "daylight")
    answer = CAMERA_FROM_XYZ @ XYZ_FROM_SRGB @ np.ones(3)  # to D65, sRGB's white
    assert found.gains == pytest.approx(tuple(answer[1] / answer), rel=1e-3)
    assert found.source == "daylight"


def test_with_neither_the_mean_is_taken_for_gray_and_it_is_said() -> None:
    found = develop.balance(flat(0.1, 0.2, 0.4), raw(gains={}, camera_from_xyz=None), "camera")
    assert (found.gains, found.source) == (pytest.approx((2.0, 1.0, 0.5)), "auto")
    assert found.note


def test_a_zero_in_the_cameras_balance_counts_as_missing() -> None:
    found = develop.balance(flat(0.1, 0.2, 0.4), raw(gains={"camera": (0.0, 1.0, 0.0)}), "camera")
    assert found.source == "daylight"


def test_values_that_came_balanced_stay() -> None:
    assert develop.balance(flat(0.1, 0.2, 0.4), raw(balanced=True), "camera").gains == (1, 1, 1)


def test_clipped_highlights_are_white_whatever_the_gains() -> None:
    for gains in ((2.0, 1.0, 1.5), (0.6, 1.0, 2.0)):
        white = develop.white(gains, (1.0, 0.9, 1.0), "clip")
        factors = tuple(gain / white for gain in gains)
        burnt = develop.balanced(flat(1.0, 0.9, 1.0), "RGGB", factors)  # type: ignore[arg-type]
        np.testing.assert_allclose(np.minimum(burnt, 1), 1, atol=1e-6)
        assert min(np.array(factors) * (1.0, 0.9, 1.0)) == pytest.approx(1)


def test_blending_scales_so_that_nothing_lies_above_one() -> None:
    white = develop.white((2.0, 1.0, 1.5), (1.0, 0.9, 1.0), "blend")
    assert white == 2.0


def test_blending_keeps_what_is_not_clipped_and_turns_the_wholly_clipped_gray() -> None:
    colours = np.array([[[0.2, 0.4, 0.1], [1.0, 0.5, 0.75], [0.45, 0.5, 0.8]]], np.float32)
    result = develop.blend(colours, 0.5)
    np.testing.assert_array_equal(result[0, 0], colours[0, 0])
    np.testing.assert_allclose(result[0, 1], 0.75, atol=1e-6)
    np.testing.assert_allclose(result.mean(axis=2), colours.mean(axis=2), atol=1e-6)
    # One colour clipped: hue between that of the clipped and of the unclipped values, less saturated.
    assert np.ptp(result[0, 2]) < np.ptp(colours[0, 2])
    assert result[0, 2, 2] == result[0, 2].max()


def test_the_camera_matrix_brings_a_seen_colour_back() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random((5, 7, 3))
    camera_from_srgb = CAMERA_FROM_XYZ @ XYZ_FROM_SRGB
    white = camera_from_srgb.sum(axis=1)
    pixels = (truth @ camera_from_srgb.T / white).astype(np.float32)
    develop.render(pixels, raw(), "linear")
    np.testing.assert_allclose(pixels, truth, atol=2e-3)


@pytest.mark.parametrize("space", develop.COLOUR_SPACES)
def test_gray_stays_gray_and_white_stays_white(space: str) -> None:
    pixels = np.repeat(np.linspace(0, 1, 9, dtype=np.float32)[None, :, None], 3, axis=2)
    develop.render(pixels, raw(), space)
    np.testing.assert_allclose(pixels, pixels[..., 1:2].repeat(3, axis=2), atol=1e-6)
    np.testing.assert_allclose(pixels[0, -1], 1, atol=1e-6)


@pytest.mark.parametrize("space", ["display-p3", "prophoto", "camera", "linear"])
def test_every_output_space_shows_the_same_colours_by_its_profile(space: str) -> None:
    rng = np.random.default_rng(4)
    camera = (0.2 + 0.3 * rng.random((4, 4, 3))).astype(np.float32)
    srgb, other = camera.copy(), camera.copy()
    develop.render(srgb, raw(), "srgb")
    develop.render(other, raw(), space)
    profile, working = develop.profile(raw(), space)
    assert profile is not None
    assert working == (space if space == "display-p3" else "native")
    import imagecodecs

    shown = imagecodecs.cms_transform(
        np.ascontiguousarray(other), profile, icc.working_profile("srgb"), colorspace="rgb", intent=1
    )
    assert 0 < srgb.min() < srgb.max() < 1  # otherwise the comparison would be of clipped colours
    np.testing.assert_allclose(shown, srgb, atol=1.5e-3)


def test_exposure_is_in_stops_of_light() -> None:
    dark, bright = np.full((2, 2, 3), 0.1, np.float32), np.full((2, 2, 3), 0.1, np.float32)
    develop.render(dark, raw(), "srgb")
    develop.render(bright, raw(), "srgb", exposure=1.5)
    np.testing.assert_allclose(srgb_to_linear(bright), srgb_to_linear(dark) * 2**1.5, rtol=1e-5)


def test_colours_outside_the_space_and_brighter_than_white_are_not_clipped() -> None:
    pixels = np.array([[[0.9, 0.0, 0.0], [1.5, 1.5, 1.5]]], np.float32)
    develop.render(pixels, raw(), "srgb")
    assert pixels.min() < 0
    assert pixels[0, 1].min() > 1


@pytest.mark.parametrize("matrix", [None, np.zeros((3, 3)), np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_a_matrix_that_says_nothing_leaves_the_cameras_colours(matrix: np.ndarray | None) -> None:
    assert develop.space_from_camera(matrix, "srgb") is None
    pixels = np.full((2, 2, 3), 0.25, np.float32)
    develop.render(pixels, raw(camera_from_xyz=matrix), "linear")
    np.testing.assert_allclose(pixels, 0.25)
    assert develop.profile(raw(camera_from_xyz=matrix), "camera")[0] is None


def test_profiles_are_such_that_little_cms_reads_them() -> None:
    for space in develop.COLOUR_SPACES:
        profile, _ = develop.profile(raw(camera="Maker Ünknown"), space)
        assert profile is not None
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space == "RGB "


def test_a_file_that_asks_for_automatic_balance_gets_it_and_it_is_said() -> None:
    mosaic = flat(0.1, 0.2, 0.4)
    asking = raw(gains={"daylight": (2.2, 1.0, 1.3)}, auto_balance=True)
    found = develop.balance(mosaic, asking, "camera")
    assert found.source == "auto"
    assert found.gains == pytest.approx((2.0, 1.0, 0.5))
    assert "left white balance" in found.note
    assert develop.balance(mosaic, asking, "daylight").source == "daylight"


def test_the_gray_world_is_that_of_x_trans_too() -> None:
    pattern = "GRGGBGBGBRGRGRGGBGGBGGRGRGRBGBGBGGRG"
    colours = np.full((30, 36, 3), (0.1, 0.2, 0.4), np.float32)
    mosaic = cfa.sample(colours, pattern)[:, :, None]
    found = develop.balance(mosaic, raw(pattern=pattern), "auto")
    assert found.gains == pytest.approx((2.0, 1.0, 0.5))
    balanced = develop.balanced(mosaic, pattern, found.gains)
    np.testing.assert_allclose(balanced, 0.2, rtol=1e-5)
