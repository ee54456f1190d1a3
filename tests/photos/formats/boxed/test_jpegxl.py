"""JPEG XL: EXIF and XMP from the boxes around the code stream, colours by the profile."""

from __future__ import annotations

import io
import struct
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from restorecli.imaging import icc
from restorecli.photos.metadata.profiles import to_srgb
from restorecli.photos.read import read
from restorecli.photos.write import write

RGB = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_exif_and_xmp_are_read_whether_compressed_or_not():
    bare = bytes(imagecodecs.jpegxl_encode(RGB, lossless=True, usecontainer=False))
    exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 6, 26, 0) + b"Maker\0"
    head = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    plain = box(b"Exif", bytes(4) + exif) + box(b"xml ", XMP)
    packed = box(b"brob", b"Exif" + bytes(imagecodecs.brotli_encode(bytes(4) + exif)))
    packed += box(b"brob", b"xml " + bytes(imagecodecs.brotli_encode(XMP)))
    for beside in (plain, packed):
        photo = read(head + beside + box(b"jxlc", bare)).pages[0]
        assert np.array_equal(np.rint(photo.pixels * 255), RGB)
        assert b"Maker" in photo.metadata.exif
        assert photo.metadata.xmp == XMP


def patches() -> np.ndarray:
    samples = np.full((32, 32, 3), (200, 80, 60), np.uint8)
    samples[16:] = 60, 180, 90
    return samples


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("space", ["display-p3", "prophoto"])
def test_colours_are_those_of_the_profile(tmp_path, space, lossless):
    pylibjxl = pytest.importorskip("pylibjxl", reason="the extra jxl is not installed")
    profile, samples = icc.working_profile(space), patches()
    data = pylibjxl.encode(samples, lossless=lossless, distance=0.0 if lossless else 0.1, icc=profile)
    document = read(data)
    assert document.pages[0].metadata.profile == profile and not document.warnings
    found = to_srgb(document.pages[0].pixels, document.pages[0].metadata) * 255
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    expected = ImageCms.profileToProfile(Image.fromarray(samples), source, srgb, 1)
    assert np.abs(found - np.asarray(expected, int)).max() <= 2
    write(document, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as back:
        assert back.info["icc_profile"] == profile
        assert np.abs(np.asarray(back, int) - samples).max() <= 1


def test_without_the_extra_srgb_is_assumed_and_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pylibjxl", None)
    photo = read(bytes(imagecodecs.jpegxl_encode(RGB, lossless=True))).pages[0]
    assert any("restorecli[jxl]" in text for text in photo.warnings)
    assert np.array_equal(np.rint(photo.pixels * 255), RGB)
