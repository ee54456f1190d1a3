"""EXIF, XMP and mastering display of HDR pictures in AVIF files, which their encoder does not write."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from restorecli.photos.formats import encode, png
from restorecli.photos.formats.boxed.avif_metadata import with_metadata
from restorecli.photos.formats.boxed.boxes import box, places, primary_item, primary_properties
from restorecli.photos.read import read
from restorecli.photos.write import write

EXIF = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 6, 26, 0) + b"Maker\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
RNG = np.random.default_rng(4)


def bare(channels: int) -> bytes:
    samples = RNG.integers(0, 1024, (24, 40, channels), dtype=np.uint16)
    given = samples[:, :, 0] if channels == 1 else samples
    return bytes(imagecodecs.avif_encode(given, level=90, bitspersample=10, primaries=9, transfer=16))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("exif", "xmp"), [(EXIF, XMP), (EXIF, None), (None, XMP), (None, None)])
@pytest.mark.parametrize("display", [(), (("cLLI", struct.pack(">II", 10_000_000, 4_000_000)),)])
def test_other_readers_find_the_metadata_and_the_same_pixels(channels, exif, xmp, display):
    plain = bare(channels)
    made = with_metadata(plain, exif, xmp, display)
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (40, 24)
        assert (image.info.get("exif") or None, image.info.get("xmp") or None) == (exif, xmp)
    assert np.array_equal(imagecodecs.avif_decode(made), imagecodecs.avif_decode(plain))
    assert primary_item(made) == primary_item(plain)
    assert len(list(places(made))) == len(list(places(plain))) + bool(exif) + bool(xmp)
    properties = primary_properties(plain)
    if display:
        properties.append((b"clli", struct.pack(">HH", 1000, 400)))
    assert primary_properties(made) == properties


def test_an_hdr_photo_keeps_its_metadata_from_png_to_avif_and_back(tmp_path):
    samples = RNG.integers(9000, 40000, (16, 16, 3), dtype=np.uint16)
    chunks = png.chunk(b"cICP", bytes((9, 16, 0, 1))) + png.chunk(b"eXIf", EXIF)
    chunks += png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    data = b"".join(map(bytes, png.insert_chunks(imagecodecs.png_encode(samples), chunks)))
    assert write(read(data), tmp_path / "a.avif", format="avif").warnings == ()
    back = read(tmp_path / "a.avif").pages[0]
    assert b"Maker" in back.metadata.exif and back.metadata.xmp == XMP
    assert back.metadata.cicp[:2] == (9, 16) and back.metadata.hdr_peak is not None
    assert write([back], tmp_path / "b.png").warnings == ()
    assert b"Maker" in read(tmp_path / "b.png").pages[0].metadata.exif


def test_an_orientation_that_only_xmp_states_does_not_turn_an_avif():
    turned = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:D xmlns:tiff="t" tiff:Orientation="6"/></x:xmpmeta>'
    page = read(with_metadata(bare(3), None, turned)).pages[0]
    assert (page.width, page.height) == (40, 24)


@pytest.mark.parametrize("bits", [10, 12])
def test_the_depth_is_known_without_pixel_information(bits):
    samples = RNG.integers(0, 2**bits, (16, 16, 3), dtype=np.uint16)
    whole = bytes(imagecodecs.avif_encode(samples, level=100, bitspersample=bits, pixelformat="444"))
    expected = read(whole).pages[0].pixels
    assert np.abs(expected - samples / (2**bits - 1)).mean() < 0.01
    assert np.array_equal(read(whole.replace(b"pixi", b"skip")).pages[0].pixels, expected)


def test_content_credentials_are_warned_of():
    credentials = box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + bytes(40))
    warnings = read(bare(3) + credentials).pages[0].warnings
    assert warnings == ("data of another program was left out: Content Credentials",)
    chunk = png.chunk(b"caBX", b"jumb") + png.chunk(b"tIME", bytes(7))
    data = b"".join(
        map(bytes, png.insert_chunks(imagecodecs.png_encode(np.zeros((4, 4), np.uint8)), chunk * 2))
    )
    assert read(data).pages[0].warnings == (
        "data of another program was left out: Content Credentials (caBX)",
    )


def test_a_layout_that_is_not_handled_costs_the_metadata_and_not_the_picture(tmp_path, monkeypatch):
    def refused(*given: object) -> bytes:
        raise ValueError("items in several pieces")

    monkeypatch.setattr(encode, "with_metadata", refused)
    samples = np.full((8, 8, 3), 20000, np.uint16)
    chunk = png.chunk(b"cICP", bytes((9, 16, 0, 1)))
    data = b"".join(map(bytes, png.insert_chunks(imagecodecs.png_encode(samples), chunk)))
    info = write(read(data), tmp_path / "a.avif", format="avif")
    assert any("could not be put into the AVIF" in text for text in info.warnings)
    assert read(tmp_path / "a.avif").pages[0].width == 8
    with pytest.raises(ValueError, match="no items"):
        with_metadata(b"no boxes", EXIF, None)
