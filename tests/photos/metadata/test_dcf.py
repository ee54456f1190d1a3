"""JPEGs of cameras in Adobe RGB, which say so in EXIF alone."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from restorecli.imaging import icc
from restorecli.photos.metadata import dcf
from restorecli.photos.read import read

SAMPLES = np.full((16, 16, 3), (90, 150, 110), np.uint8)


def camera_jpeg(colour_space: int, index: bytes, order: str = "<", **options: object) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
    space = struct.pack(order + "HHIHH", 0xA001, 3, 1, colour_space, 0)
    inner = struct.pack(order + "H", 2) + space + struct.pack(order + "HHIII", 0xA005, 4, 1, 56, 0)
    interoperability = struct.pack(order + "HHHI4sI", 1, 1, 2, 4, index, 0)
    block = mark + struct.pack(order + "I", 8) + first + inner + interoperability
    buffer = io.BytesIO()
    Image.fromarray(SAMPLES).save(
        buffer, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + block, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("space", "index"), [(0xFFFF, b"R03\0"), (2, b"R98\0")])
def test_a_camera_s_adobe_rgb_is_taken_as_that(space, index, order):
    page = read(camera_jpeg(space, index, order)).pages[0]
    assert page.metadata.profile == dcf.adobe_rgb()
    light = (SAMPLES[0, 0] / 255) ** (563 / 256)
    matrix = np.linalg.solve(icc.colorants(icc.SPACES["srgb"]), icc.colorants(dcf._ADOBE))
    linear = matrix @ light
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(page.pixels[8, 8] - expected).max() < 0.01


@pytest.mark.parametrize(("space", "index"), [(1, b"R98\0"), (1, b"R03\0"), (0xFFFF, b"R98\0")])
def test_others_are_not(space, index):
    assert read(camera_jpeg(space, index)).pages[0].metadata.profile is None


def test_an_embedded_profile_goes_before():
    profile = icc.working_profile("display-p3")
    assert read(camera_jpeg(2, b"R03\0", icc_profile=profile)).pages[0].metadata.profile == profile
    assert not dcf.is_adobe_rgb(b"II*\0")
