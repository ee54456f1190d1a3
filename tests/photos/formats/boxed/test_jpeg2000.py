"""JPEG 2000: what boxes say of the channels, on codestreams put into boxes by hand (ISO/IEC 15444-1, I)."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import colour
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth, Metadata, Photo
from restorecli.photos.read import read, size
from restorecli.photos.write import write

RNG = np.random.default_rng(8)
HEIGHT, WIDTH = 24, 32
RGB = (np.mgrid[0:HEIGHT, 0:WIDTH, 0:3].sum(axis=0) * 4 + RNG.integers(0, 60, (HEIGHT, WIDTH, 3))).astype(
    np.uint8
)
ALPHA = np.tile(np.arange(WIDTH, dtype=np.uint8) * 8, (HEIGHT, 1))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def codestream(samples: np.ndarray, **more: object) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(samples, codecformat="j2k", reversible=True, mct=False, **more))


def jp2(samples: np.ndarray, space: int, *inside: bytes, bits: int = 8, behind: bytes = b"") -> bytes:
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    head = struct.pack(">IIHBBBB", *samples.shape[:2], channels, bits - 1, 7, 0, 0)
    colr = box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", box(b"ihdr", head) + colr + b"".join(inside))
        + behind
        + box(b"jp2c", codestream(samples, **({} if bits in (8, 16) else {"bitspersample": bits})))
    )


def cdef(*entries: tuple[int, int, int]) -> bytes:
    cells = b"".join(struct.pack(">HHH", *entry) for entry in entries)
    return box(b"cdef", struct.pack(">H", len(entries)) + cells)


def seen(data: bytes) -> np.ndarray:
    return np.rint(read(data).pages[0].pixels * 255)


def test_channels_are_sorted_by_the_channel_definition():
    data = jp2(RGB[:, :, ::-1].copy(), 16, cdef((0, 0, 3), (1, 0, 2), (2, 0, 1)))
    assert np.array_equal(seen(data), RGB)


@pytest.mark.parametrize("first", [False, True])
def test_alpha_is_found_wherever_it_is_stored(first):
    if first:
        data = jp2(np.dstack([ALPHA, RGB]), 16, cdef((0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)))
    else:
        data = jp2(np.dstack([RGB, ALPHA]), 16, cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)))
    photo = read(data).pages[0]
    assert np.array_equal(np.rint(photo.pixels * 255), RGB)
    assert np.array_equal(np.rint(photo.alpha * 255), ALPHA)


def test_sycc_becomes_rgb():
    ycc = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    expected = np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(seen(jp2(ycc, 18)) - expected).max() <= 2


def test_cmyk_becomes_rgb_with_a_warning():
    ink = np.dstack([255 - RGB, np.full((HEIGHT, WIDTH), 51, np.uint8)])
    photo = read(jp2(ink, 12)).pages[0]
    assert np.allclose(photo.pixels, RGB / 255 * 0.8, atol=1e-5)
    assert any("CMYK" in text for text in photo.warnings)


def test_a_palette_is_looked_up():
    indexed = Image.fromarray(RGB).quantize(32)
    table = np.array(indexed.getpalette()[:96], np.uint8)
    pclr = box(b"pclr", struct.pack(">HB", 32, 3) + bytes([7, 7, 7]) + table.tobytes())
    cmap = box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, index) for index in range(3)))
    assert np.array_equal(seen(jp2(np.asarray(indexed), 16, pclr, cmap)), np.asarray(indexed.convert("RGB")))


@pytest.mark.parametrize("bits", [8, 16])
def test_signed_samples_are_shifted_up(bits):
    unsigned = RGB.astype(int) * (257 if bits == 16 else 1)
    signed = (unsigned - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)
    photo = read(codestream(signed)).pages[0]
    assert np.array_equal(np.rint(photo.pixels * (2**bits - 1)), unsigned)
    assert photo.depth is (Depth.UINT8 if bits == 8 else Depth.UINT16)


def test_12_bit_samples_keep_every_bit():
    deep = RGB.astype(np.uint16) * 16 + 7
    photo = read(jp2(deep, 16, bits=12)).pages[0]
    assert np.array_equal(np.rint(photo.pixels * 4095), deep)


def test_exif_xmp_and_resolution_are_read():
    block = Image.Exif()
    block[0x010F] = "Maker"
    exif = block.tobytes().removeprefix(b"Exif\0\0")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    behind = box(b"uuid", b"JpgTiffExif->JP2" + exif)
    behind += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp)
    resc = box(b"res ", box(b"resc", struct.pack(">HHHHbb", 11811, 1, 5906, 1, 0, 0)))
    meta = read(jp2(RGB, 16, resc, behind=behind)).pages[0].metadata
    assert b"Maker" in meta.exif
    assert meta.xmp == xmp
    assert meta.dpi == pytest.approx((150, 300), abs=0.02)


def test_size_from_the_header_alone():
    assert size(jp2(RGB, 16)) == (WIDTH, HEIGHT)


def test_a_file_without_a_codestream_is_damaged():
    whole = jp2(RGB, 16)
    with pytest.raises(UnreadableError, match="no picture"):
        read(whole[: whole.index(b"jp2c")])


def test_pillow_and_this_reader_agree_on_plain_files():
    data = jp2(RGB, 16)
    assert np.array_equal(seen(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    ("ranges", "white"),
    [(b"", "D50"), (struct.pack(">6I4s", 100, 0, 256, 100, 256, 140, b"\0D65"), "D65")],
    ids=["default", "stated"],
)
def test_cielab_has_the_ranges_and_the_white_of_its_colour_box(ranges, white):
    samples = (RGB // 4 + np.array([100, 90, 80])).astype(np.uint8)
    plain = jp2(samples, 14)
    at = plain.index(b"colr") - 4
    longer = box(b"colr", plain[at + 8 : at + 15] + ranges)
    head = plain.index(b"jp2h") - 4
    data = plain[:head] + box(b"jp2h", plain[head + 8 : at] + longer) + plain[at + 15 :]
    scale, zero = ([100, 256, 256], [0, 100, 140]) if ranges else ([100, 170, 200], [0, 128, 96])
    lab = (samples - np.array(zero, float)) / 255 * scale
    xy = {"D50": (0.3457, 0.3585), "D65": (0.3127, 0.329)}[white]
    expected = colour.XYZ_to_sRGB(colour.Lab_to_XYZ(lab, xy), xy, chromatic_adaptation_transform="Bradford")
    assert np.abs(read(data).pages[0].pixels - np.clip(expected, 0, 1)).max() < 0.002


def with_depths(samples: np.ndarray, depths: tuple[int, ...], reversible: bool) -> tuple[bytes, np.ndarray]:
    """A codestream whose components have these depths, and what they mean, 0–1."""
    planes, means = [], []
    for plane, bits in zip(np.moveaxis(samples, -1, 0), depths, strict=True):
        value = np.rint(plane / 255 * (2**bits - 1))
        means.append(value / (2**bits - 1))
        planes.append((value - 2 ** (bits - 1)) * (1 if reversible else 2 ** (8 - bits)) + 128)
    options = {"reversible": True} if reversible else {"level": 100}
    stored = np.dstack(planes).astype(np.uint8)
    data = bytearray(
        imagecodecs.jpeg2k_encode(
            stored[:, :, 0] if len(planes) == 1 else stored, codecformat="j2k", mct=False, **options
        )
    )
    for index, bits in enumerate(depths):
        data[42 + 3 * index] = bits - 1
    return bytes(data), np.dstack(means)


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("depths", [(8, 5, 8), (5, 6, 5), (8, 8, 8, 1), (8, 8, 8, 4)])
def test_components_of_different_depths_are_as_bright_as_they_are_meant(depths, reversible):
    samples = np.dstack([RGB, ALPHA])[:, :, : len(depths)]
    one, meant = with_depths(samples[:, :, :1], depths[:1], reversible)
    assert np.allclose(imagecodecs.jpeg2k_decode(one), meant[:, :, 0] * (2 ** depths[0] - 1), atol=1)
    data, meant = with_depths(samples, depths, reversible)
    page = read(data).pages[0]
    seen = page.pixels if page.alpha is None else np.dstack([page.pixels, page.alpha])
    # A sample of a lossy file may be one step off; of an alpha of one bit that is all there is.
    allowed = np.array([0.5 / 255 + (0 if reversible else 1 / (2**bits - 1)) for bits in depths])
    assert (np.abs(seen - meant) <= allowed + 1e-6).all()
    assert page.depth is Depth.UINT8


def test_channels_that_are_no_colours_are_left_out_with_a_warning():
    samples = np.dstack([ALPHA // 2, RGB, ALPHA])
    data = jp2(samples, 16, cdef((0, 65535, 65535), (1, 0, 3), (2, 0, 2), (3, 0, 1), (4, 1, 0)))
    page = read(data).pages[0]
    assert np.array_equal(np.rint(page.pixels * 255), RGB[:, :, ::-1])
    assert page.alpha is not None and np.array_equal(np.rint(page.alpha * 255), ALPHA)
    assert page.warnings == ("1 extra channels were left out",)


@pytest.mark.parametrize("of", [0, 65535])
def test_colours_that_are_of_no_colour_in_particular_are_in_their_order(of):
    gray = read(jp2(np.dstack([RGB[:, :, 0], ALPHA]), 17, cdef((0, 0, of), (1, 1, 0)))).pages[0]
    assert np.array_equal(np.rint(gray.pixels[:, :, 0] * 255), RGB[:, :, 0])
    assert gray.alpha is not None and np.array_equal(np.rint(gray.alpha * 255), ALPHA)
    assert gray.warnings == ()
    assert np.array_equal(seen(jp2(RGB, 16, cdef((0, 0, of), (1, 0, of), (2, 0, of)))), RGB)


def test_what_openjpeg_cannot_put_together_is_unsupported_and_not_damaged(capfd):
    table = box(b"pclr", struct.pack(">HB", 2, 3) + bytes([7, 7, 7]) + bytes(6))
    swapped = box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in (2, 1, 0)))
    with pytest.raises(UnsupportedError, match="palette"):
        read(jp2(RGB[:, :, 0] // 200, 16, table, swapped))
    odd = bytearray(codestream(RGB))
    odd[42 + 4] = odd[42 + 7] = 4
    with pytest.raises(UnsupportedError, match="subsampled"):
        read(bytes(odd))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("described", [False, True])
def test_a_georeference_goes_into_a_tiff_and_is_warned_of_elsewhere(tmp_path, order, described):
    buffer = io.BytesIO()
    scale, tie = (10.0, 7.0, 0.0), (0.0, 0.0, 0.0, 4e5, 5e6, 0.0)
    tags = [(33550, 12, 3, scale, True), (33922, 12, 6, tie, True), (34735, 3, 4, (1, 1, 0, 0), True)]
    tifffile.imwrite(buffer, np.zeros((1, 1), np.uint8), byteorder=order, extratags=tags, metadata=None)
    geotiff = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03") + buffer.getvalue()
    exif = b"JpgTiffExif->JP2II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 6, 26, 0) + b"Maker\0"
    data = jp2(RGB, 16) + box(b"uuid", geotiff) + (box(b"uuid", exif) if described else b"")
    page = read(data).pages[0]
    enlarged = replace(page, pixels=np.repeat(np.repeat(page.pixels, 2, 0), 2, 1))
    assert write([enlarged], tmp_path / "a.tiff", format="tiff").warnings == ()
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        found = file.pages.first.tags
        assert found[33550].value == (5.0, 3.5, 0.0) and found[33922].value == tie
        assert found[34735].value == (1, 1, 0, 0)
        assert not described or found[271].value == "Maker"
    assert any("GeoTIFF" in text for text in write([page], tmp_path / "a.png").warnings)


def test_xml_of_other_programs_is_warned_of():
    gml = box(b"asoc", box(b"lbl ", b"gml.data") + box(b"xml ", b"<gml:FeatureCollection/>"))
    assert read(jp2(RGB, 16, behind=gml)).pages[0].warnings == ("the georeference in GML was left out",)
    other = read(jp2(RGB, 16, behind=box(b"xml ", b"<a/>") * 2)).pages[0].warnings
    assert other == ("data of another program in XML was left out",)


@pytest.mark.parametrize("dpi", [0.5, 72, 96, 180, 300, 333.3, 1200, 101_600])
def test_any_resolution_is_written_and_read_again(tmp_path, dpi):
    meta = Metadata(dpi=(dpi, 2 * dpi))
    write([Photo(np.zeros((8, 9, 3), np.float32), metadata=meta)], tmp_path / "a.jp2", format="jp2")
    assert read(tmp_path / "a.jp2").pages[0].metadata.dpi == pytest.approx(meta.dpi, rel=1e-6)
