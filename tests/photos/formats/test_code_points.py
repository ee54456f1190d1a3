"""Colours by code points (cICP of PNG, nclx of AVIF): SDR by a profile's way, HDR by its light."""

from __future__ import annotations

import struct

import colour
import colour.models as models
import imagecodecs
import numpy as np
import pytest
import tifffile

from restorecli.imaging.cicp import HLG, PQ
from restorecli.photo import Depth
from restorecli.photos.formats import png
from restorecli.photos.formats.boxed import av1
from restorecli.photos.formats.boxed.boxes import mastering, mastering_boxes
from restorecli.photos.read import read
from restorecli.photos.write import write

RNG = np.random.default_rng(5)
P3 = models.RGB_COLOURSPACES["Display P3"]
SRGB = models.RGB_COLOURSPACES["sRGB"]
REC2020 = models.RGB_COLOURSPACES["ITU-R BT.2020"]


def tagged(samples: np.ndarray, *code: int, before: bytes = b"") -> bytes:
    """A PNG with a cICP chunk."""
    extra = before + png.chunk(b"cICP", bytes(code))
    return b"".join(bytes(part) for part in png.insert_chunks(imagecodecs.png_encode(samples), extra))


def cicp_of(data: bytes) -> bytes:
    at = data.index(b"cICP")
    return data[at + 4 : at + 8]


def gamma(value: int) -> bytes:
    return png.chunk(b"gAMA", struct.pack(">I", value))


def test_a_png_in_display_p3_has_the_colours_of_p3(tmp_path):
    samples = np.full((4, 4, 3), (180, 120, 90), np.uint8)
    document = read(tagged(samples, 12, 13, 0, 1))
    expected = colour.RGB_to_RGB(samples / 255, P3, SRGB, None, True, True)
    assert document.pages[0].metadata.working == "srgb"
    assert np.abs(document.pages[0].pixels - expected).max() < 1e-3
    write(document, tmp_path / "a.png")
    back = (tmp_path / "a.png").read_bytes()
    assert cicp_of(back) == bytes([12, 13, 0, 1])
    assert np.array_equal(imagecodecs.png_decode(back), samples)
    write(document, tmp_path / "a.bmp", format="bmp")
    found = read(tmp_path / "a.bmp").pages[0].pixels
    assert np.abs(found - expected).max() < 1 / 255


def test_an_avif_in_display_p3_has_the_colours_of_p3():
    samples = np.full((16, 16, 3), (180, 120, 90), np.uint8)
    data = bytes(imagecodecs.avif_encode(samples, level=100, primaries=12, transfer=13))
    expected = colour.RGB_to_RGB(samples / 255, P3, SRGB, None, True, True)
    assert np.abs(read(data).pages[0].pixels - expected).max() < 0.01


def test_code_points_go_before_gamma_and_profile():
    samples = RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    both = read(tagged(samples, 1, 13, 0, 1, before=gamma(62500))).pages[0]
    assert np.allclose(both.pixels * 255, samples, atol=1e-3)


@pytest.mark.parametrize(("transfer", "exponent"), [(4, 2.2), (5, 2.8), (8, 1.0), (1, 2.4), (14, 2.4)])
def test_transfer_characteristics_are_applied(transfer, exponent):
    samples = np.tile(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], (2, 1, 3))
    seen = read(tagged(samples, 1, transfer, 0, 1)).pages[0].pixels
    expected = models.eotf_inverse_sRGB((samples / 255.0) ** exponent)
    assert np.abs(seen - expected)[:, 4:].max() < 2e-3


def test_gray_follows_the_curve_only():
    samples = np.arange(0, 256, 3, dtype=np.uint8)[None]
    seen = read(tagged(samples, 9, 4, 0, 1)).pages[0]
    assert seen.is_gray
    assert (
        np.abs(seen.pixels[0, 4:, 0] - models.eotf_inverse_sRGB((samples / 255.0) ** 2.2)[0, 4:]).max() < 2e-3
    )


def test_narrow_range_samples_are_stretched():
    samples = np.array([[[16, 16, 16], [235, 235, 235], [126, 126, 126]]], np.uint8)
    seen = read(tagged(samples, 1, 13, 0, 0)).pages[0].pixels
    assert np.allclose(seen[0, :, 0], [0, 1, 110 / 219], atol=1e-4)


def test_unknown_code_points_are_warned_of():
    photo = read(tagged(np.zeros((2, 2, 3), np.uint8), 3, 99, 0, 1)).pages[0]
    assert any("3/99" in text for text in photo.warnings)


def hdr_samples(transfer: int) -> np.ndarray:
    """16-bit signal of colours within BT.709, from dark to four times reference white."""
    light = RNG.random((24, 32, 3)) * np.linspace(0.01, 4, 32)[None, :, None]
    wide = np.maximum(light @ colour.matrix_RGB_to_RGB(SRGB, REC2020, None).T, 0) * 203
    if transfer == PQ:
        signal = models.eotf_inverse_ST2084(wide)
    else:
        with np.errstate(invalid="ignore"):
            signal = models.eotf_inverse_BT2100_HLG(wide, L_B=0, L_W=1000)
    return np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_seen_in_0_to_1_and_comes_back_as_it_was(tmp_path, transfer):
    samples = hdr_samples(transfer)
    document = read(tagged(samples, 9, transfer, 0, 1))
    photo = document.pages[0]
    assert photo.metadata.working == "srgb"
    assert 0 <= photo.pixels.min() <= photo.pixels.max() <= 1
    assert 0.4 < photo.pixels.mean() < 0.9
    assert write(document, tmp_path / "a.png").warnings == ()
    back = (tmp_path / "a.png").read_bytes()
    assert cicp_of(back) == bytes([9, transfer, 0, 1])
    assert np.abs(imagecodecs.png_decode(back).astype(int) - samples).max() <= 24


def test_dark_tones_of_hdr_are_as_bright_as_in_an_ordinary_photo():
    light = np.full((8, 8, 3), 0.05)
    light[0] = 4
    signal = models.eotf_inverse_ST2084(light @ colour.matrix_RGB_to_RGB(SRGB, REC2020, None).T * 203)
    seen = read(tagged(np.rint(signal * 65535).astype(np.uint16), 9, PQ, 0, 1)).pages[0].pixels
    assert seen[4, 4, 0] == pytest.approx(models.eotf_inverse_sRGB(0.05), abs=0.01)


def test_hdr_becomes_a_10_bit_avif_with_code_points(tmp_path):
    samples = np.repeat(np.repeat(hdr_samples(PQ)[::4, ::4], 4, axis=0), 4, axis=1)
    document = read(tagged(samples, 9, PQ, 0, 1))
    write(document, tmp_path / "a.avif", format="avif", jpeg_quality=100)
    decoded = imagecodecs.avif_decode((tmp_path / "a.avif").read_bytes())
    assert np.abs(decoded.astype(int) * 65535 / 1023 - samples).max() < 65535 * 8 / 1023
    again = read(tmp_path / "a.avif").pages[0]
    assert again.depth is Depth.UINT16
    assert again.metadata.cicp[:2] == (9, PQ)


@pytest.mark.parametrize("name", ["jpg", "tiff", "webp", "bmp"])
def test_formats_without_hdr_get_it_tone_mapped_and_say_so(tmp_path, name):
    document = read(tagged(hdr_samples(PQ), 9, PQ, 0, 1))
    info = write(document, tmp_path / f"a.{name}", format=name)
    assert any("Reinhard" in text for text in info.warnings)
    found = read(tmp_path / f"a.{name}").pages[0].pixels
    assert np.abs(found - document.pages[0].pixels).mean() < 0.03


def test_float_tiff_holds_the_light_itself(tmp_path):
    samples = hdr_samples(PQ)
    info = write(read(tagged(samples, 9, PQ, 0, 1)), tmp_path / "a.tiff", format="tiff", depth=Depth.FLOAT32)
    assert info.warnings == ()
    wide = models.eotf_ST2084(samples / 65535.0) / 203
    expected = wide @ colour.matrix_RGB_to_RGB(REC2020, SRGB, None).T
    assert np.allclose(tifffile.imread(tmp_path / "a.tiff"), expected, rtol=0.01, atol=2e-3)


MASTERING = (
    png.chunk(
        b"mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10_000_000, 50)
    ),
    png.chunk(b"cLLI", struct.pack(">II", 10_000_000, 4_000_000)),
)


def test_the_mastering_display_of_an_hdr_png_is_kept_and_elsewhere_warned_of(tmp_path):
    document = read(tagged(hdr_samples(PQ), 9, PQ, 0, 1, before=b"".join(MASTERING)))
    assert write(document, tmp_path / "a.png").warnings == ()
    assert all(part in (tmp_path / "a.png").read_bytes() for part in MASTERING)
    assert write(document, tmp_path / "a.avif", format="avif").warnings == ()
    kept = read(tmp_path / "a.avif").pages[0].metadata.mastering
    assert [png.chunk(name.encode(), body) for name, body in kept] == list(MASTERING)
    warnings = write(document, tmp_path / "a.jpg", format="jpg").warnings
    assert "jpg cannot carry mastering display data: left out" in warnings
    short = tagged(hdr_samples(PQ), 9, PQ, 0, 1, before=png.chunk(b"mDCV", b"short"))
    assert "the damaged mDCV entry was ignored" in read(short).warnings


def test_the_mastering_display_of_an_avif_is_kept_in_a_png():
    green_blue_red = struct.pack(">8H2I", 8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450, 10_000_000, 50)
    properties = [(b"mdcv", green_blue_red), (b"clli", struct.pack(">HH", 1000, 400))]
    found = list(mastering([*properties, (b"colr", b"")]))
    assert [png.chunk(name.encode(), body) for name, body in found] == list(MASTERING)
    assert [(each[4:8], each[8:]) for each in mastering_boxes(found)] == properties


@pytest.mark.parametrize("primaries", [12, 9])
def test_an_avif_without_a_colour_box_has_the_colours_of_its_stream(primaries):
    samples = np.full((16, 16, 3), (180, 120, 90), np.uint8)
    data = bytes(imagecodecs.avif_encode(samples, level=100, primaries=primaries, transfer=13))
    with_box, without = (read(each).pages[0] for each in (data, data.replace(b"colr", b"free")))
    assert without.metadata.cicp == with_box.metadata.cicp and without.metadata.cicp[:2] == (primaries, 13)
    assert np.array_equal(with_box.pixels, without.pixels)


def test_the_colours_of_a_stream_of_several_pictures_are_found_too():
    # The sequence header of two pictures, from libavif 1.4: 1.3 leaves the colours out of it.
    stream = bytes.fromhex("12000a0d0000000227fe6d7c880868342032")
    assert not stream[4] & 8  # not a reduced header
    assert av1.colours_of(stream) == (1, 13, 6, True)
    for cut in range(len(stream)):
        av1.colours_of(stream[:cut])
