"""A photo whose channels are equal comes out with equal channels, whatever tint a network gives it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from restorecli.imaging import icc
from restorecli.imaging.colour import luma
from restorecli.photo import Depth, Photo
from restorecli.photos.giants.picture import open_giant
from restorecli.photos.read import read
from restorecli.photos.write import write

GRAY = np.random.default_rng(0).integers(0, 256, (300, 40), dtype=np.uint8)
EQUAL = np.repeat(GRAY[:, :, None], 3, axis=2)
TINT = np.array([0.02, -0.01, 0.03], np.float32)
PROFILES = {
    "none": None,
    "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "Display P3": icc.working_profile("display-p3"),
    "gamma 2.2, wide": icc.rgb_profile(icc.SPACES["rec2020"], icc.gamma_curve(2.2), "wide"),
    "uneven white": icc.rgb_profile((0.3128, 0.3291, *icc.SPACES["srgb"][2:]), icc.gamma_curve(1.9), "odd"),
}


def one_pixel_coloured(place: tuple[int, int]) -> np.ndarray:
    changed = EQUAL.copy()
    changed[(*place, 1)] ^= 1
    return changed


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.jpg"])
def test_equal_channels_are_found(name: str, tmp_path: Path) -> None:
    Image.fromarray(EQUAL).save(tmp_path / name)
    photo = read(tmp_path / name).pages[0]
    assert photo.colourless and not photo.is_gray


@pytest.mark.parametrize("place", [(0, 0), (299, 39), (256, 3)])
def test_a_single_coloured_pixel_makes_it_a_colour_photo(place: tuple[int, int], tmp_path: Path) -> None:
    Image.fromarray(one_pixel_coloured(place)).save(tmp_path / "a.png")
    assert not read(tmp_path / "a.png").pages[0].colourless


def test_gray_files_are_gray_and_not_colourless(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    photo = read(tmp_path / "a.png").pages[0]
    assert photo.is_gray and not photo.colourless


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_of_a_photo_that_is_not_held_every_block_is_looked_at(kind: str, tmp_path: Path) -> None:
    for number, samples in enumerate((EQUAL, one_pixel_coloured((0, 0)), one_pixel_coloured((299, 39)))):
        path = tmp_path / f"{number}.{kind}"
        if kind == "tif":
            tifffile.imwrite(path, samples, photometric="rgb", tile=(64, 48), compression="zlib")
        else:
            Image.fromarray(samples).save(path)
        page = open_giant(path, path.name).pages[0]
        assert page.parts is not None
        with closing(page.parts):
            assert page.colourless == (number == 0)
            assert np.array_equal(page.parts.pixels(0, 300), read(path).pages[0].pixels)  # from the top again


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("depth", [Depth.UINT8, Depth.UINT16, Depth.FLOAT32])
def test_results_have_equal_channels_in_the_file(profile: bytes | None, depth: Depth, tmp_path: Path) -> None:
    Image.fromarray(EQUAL).save(tmp_path / "a.png", icc_profile=profile)
    photo = read(tmp_path / "a.png").pages[0]
    tinted = replace(photo, pixels=np.clip(photo.pixels + TINT, 0, 1), depth=depth)
    write([tinted], tmp_path / "b.tif", format="tiff")
    samples = tifffile.imread(tmp_path / "b.tif")
    assert samples.shape == EQUAL.shape
    assert np.all(samples == samples[:, :, :1])


def test_the_gray_that_comes_out_is_the_luma(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).random((20, 30, 3), dtype=np.float32)
    write([Photo(pixels, colourless=True)], tmp_path / "a.png", format="png")
    written = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.array_equal(written, np.repeat(np.rint(luma(pixels) * 255), 3, axis=2))


def test_what_nothing_changed_comes_out_as_it_was(tmp_path: Path) -> None:
    Image.fromarray(EQUAL).save(tmp_path / "a.png")
    write(read(tmp_path / "a.png").pages, tmp_path / "b.png", format="png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), EQUAL)


def test_colours_of_other_photos_stay(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).random((20, 30, 3), dtype=np.float32)
    write([Photo(pixels)], tmp_path / "a.png", format="png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.rint(pixels * 255))
