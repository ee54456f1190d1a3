from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from restorecli.comparison.display import on_ground, show
from restorecli.imaging import cfa, icc
from restorecli.imaging.colour import linear_to_srgb
from tests.comparison.scenes import scene
from tests.dng_maker import cfa_dng, linear_dng

SCENE = scene(60, 80)


def file_of(picture: object, kind: str = "PNG", **more: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **more)  # type: ignore[arg-type]
    return stream.getvalue()


def test_eight_bits_are_shown_as_they_are() -> None:
    shown = show(file_of(SCENE), "a.png")
    assert (shown.pixels == SCENE).all()
    assert (shown.kind, shown.notes) == ("PNG, 8 bit", ())


def test_gray_and_sixteen_bits_are_shown_in_three_channels_of_eight() -> None:
    gray = SCENE[..., 1].astype(np.uint16) * 257
    shown = show(file_of(gray), "a.png")
    assert (shown.pixels == SCENE[..., 1:2]).all() and shown.pixels.shape == (60, 80, 3)
    assert shown.kind == "PNG, 16 bit, gray"


def test_a_photo_that_lies_on_its_side_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = show(file_of(SCENE, exif=exif), "a.png")
    assert (shown.pixels == np.rot90(SCENE, -1)).all()


def test_a_profile_is_followed() -> None:
    profile = icc.rgb_profile(icc.SPACES["display-p3"], icc.srgb_curve(), "P3")
    srgb = ImageCms.createProfile("sRGB")
    expected = ImageCms.profileToProfile(Image.fromarray(SCENE), io.BytesIO(profile), srgb)
    shown = show(file_of(SCENE, icc_profile=profile), "a.png")
    assert np.abs(shown.pixels.astype(int) - np.asarray(expected)).max() <= 1
    assert np.abs(shown.pixels.astype(int) - SCENE).max() > 10


def test_what_is_transparent_shows_a_ground_and_what_is_opaque_does_not() -> None:
    alpha = np.zeros((60, 80, 1), np.uint8)
    alpha[:, 40:] = 255
    shown = show(file_of(np.dstack([SCENE, alpha])), "a.png").pixels
    assert (shown[:, 40:] == SCENE[:, 40:]).all()
    assert len(np.unique(shown[:, :40])) == 1


def test_half_transparent_lies_half_way_to_the_ground() -> None:
    pixels, clear = np.ones((1, 1, 1), np.float32), np.zeros((1, 1), np.float32)
    ground = on_ground(pixels, clear)
    assert on_ground(pixels, clear + np.float32(0.5)) == pytest.approx((ground + 1) / 2)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_camera_raw_is_developed_as_shot_at_the_size_of_its_result(pattern: str) -> None:
    linear = (np.indices((64, 96)).sum(axis=0) / 200)[..., None] * np.array([0.9, 0.6, 0.4])
    mosaic = cfa.sample(linear.astype(np.float32), pattern)
    data = cfa_dng(np.rint(mosaic * 16000).astype(np.uint16), pattern, white=16000)
    shown = show(data, "a.dng")
    expected = linear_to_srgb(linear.astype(np.float32)) * 255
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(shown.pixels[inner] - expected[inner]).max() < 2
    assert shown.kind.startswith("camera RAW") and "developed plainly" in shown.notes[0]


def test_a_linear_dng_is_developed_the_same_way() -> None:
    linear = np.full((32, 48, 3), (0.5, 0.25, 0.125), np.float32)
    shown = show(linear_dng(np.rint(linear * 16000).astype(np.uint16), white=16000), "a.dng")
    assert np.abs(shown.pixels - linear_to_srgb(linear) * 255).max() < 1.5
