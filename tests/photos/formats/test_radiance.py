"""Radiance HDR files written by hand: order of lines, XYZE, and primaries."""

from __future__ import annotations

import numpy as np
import pytest

from restorecli.errors import UnreadableError
from restorecli.imaging import icc
from restorecli.photos.metadata.profiles import to_srgb
from restorecli.photos.read import read, size

LIGHT = np.random.default_rng(8).uniform(0.05, 0.9, (10, 14, 3))


def curve(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def picture(light: np.ndarray, resolution: bytes, lines: bytes = b"FORMAT=32-bit_rle_rgbe\n") -> bytes:
    exponents = np.floor(np.log2(light.max(axis=-1))) + 1
    mantissas = (light * (256 / 2**exponents)[:, :, None]).astype(np.uint8)
    samples = np.dstack([mantissas, (exponents + 128).astype(np.uint8)])
    return b"#?RADIANCE\n# a comment\n" + lines + b"\n" + resolution + b"\n" + samples.tobytes()


@pytest.mark.parametrize(
    ("resolution", "turn"),
    [
        (b"-Y 10 +X 14", lambda light: light),
        (b"+Y 10 +X 14", lambda light: light[::-1]),
        (b"-Y 10 -X 14", lambda light: light[:, ::-1]),
        (b"+Y 10 -X 14", lambda light: light[::-1, ::-1]),
        (b"+X 14 -Y 10", lambda light: light.swapaxes(0, 1)),
        (b"-X 14 +Y 10", lambda light: light[::-1, ::-1].swapaxes(0, 1)),
    ],
)
def test_lines_are_in_the_order_that_the_file_says(resolution, turn):
    data = picture(turn(LIGHT), resolution)
    page = read(data).pages[0]
    assert size(data) == (14, 10)
    assert np.abs(page.pixels - curve(LIGHT)).max() < 0.02
    assert page.metadata.profile == icc.linear_profile(False)


def test_xyze_and_primaries_are_turned_into_colours():
    radiance = (1 / 3, 1 / 3, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060)
    xyz = LIGHT @ icc.primaries_xyz(radiance).T
    page = read(picture(xyz, b"-Y 10 +X 14", b"FORMAT=32-bit_rle_xyze\n")).pages[0]
    assert np.abs(page.pixels - curve(LIGHT)).max() < 0.05
    wide = LIGHT @ np.linalg.solve(icc.colorants(icc.SPACES["rec2020"]), icc.colorants(icc.SPACES["srgb"])).T
    named = b"FORMAT=32-bit_rle_rgbe\nPRIMARIES=.708 .292 .170 .797 .131 .046 .3127 .3290\n"
    page = read(picture(wide, b"-Y 10 +X 14", named)).pages[0]
    assert np.abs(to_srgb(page.pixels, page.metadata) - curve(LIGHT)).max() < 0.03


@pytest.mark.parametrize("resolution", [b"-Y 10 +Y 14", b"-Y x +X 14", b"", b"-Y 10 +X 99999999999"])
def test_a_size_that_is_none_is_damage(resolution):
    with pytest.raises(UnreadableError):
        read(picture(LIGHT, resolution))
