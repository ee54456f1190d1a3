"""What travels with the pixels: profiles, EXIF, XMP, resolution, text, and the note of what was done."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, IptcImagePlugin

from restorecli.imaging import icc
from restorecli.photo import Depth, Metadata, Photo
from restorecli.photos.metadata import exif, profiles, shaper
from restorecli.photos.raster import Raster
from restorecli.photos.read import read
from restorecli.photos.write import write


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


RNG = np.random.default_rng(11)
ADOBE = icc.rgb_profile(
    (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), icc.gamma_curve(563 / 256), "wide"
)
P3 = icc.working_profile("display-p3")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
    b'GPano:FullPanoWidthPixels="15" GPano:CroppedAreaTopPixels="3" xmlns:dc="d" dc:creator="me"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
CARRIERS = ["png", "jpg", "webp", "tiff", "avif"]


def exif_block() -> bytes:
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x0131] = "Camera 1.0"
    inner = block.get_ifd(0x8769)
    inner[0x9003] = "2020:01:02 03:04:05"
    inner[0xA002], inner[0xA003] = 15, 12
    inner[0x829A] = 0.01
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes().removeprefix(b"Exif\0\0")


def photo(metadata: Metadata, depth: Depth = Depth.UINT8) -> Photo:
    return Photo(RNG.random((12, 15, 3), dtype=np.float32), depth=depth, metadata=metadata)


def loaded(block: bytes) -> Image.Exif:
    result = Image.Exif()
    result.load(b"Exif\0\0" + block)
    return result


@pytest.mark.parametrize("name", CARRIERS)
def test_everything_is_carried_by_every_format_that_can(tmp_path, name):
    meta = Metadata(
        profile=P3, exif=exif_block(), xmp=XMP, dpi=(300.0, 300.0), working="display-p3", size=(15, 12)
    )
    info = write([photo(meta)], tmp_path / f"a.{name}", format=name)
    assert info.warnings == ()
    back = read(tmp_path / f"a.{name}").pages[0].metadata
    assert back.profile == P3
    assert back.xmp == XMP
    if name in ("png", "jpg", "tiff"):
        assert back.dpi == pytest.approx((300, 300), abs=0.01)
    block = loaded(back.exif)
    assert block[0x010F] == "Maker"
    assert block.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert float(block.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
    assert block.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(CARRIERS, 2)))
def test_metadata_survives_from_format_to_format(tmp_path, source, target):
    meta = Metadata(profile=ADOBE, exif=exif_block(), xmp=XMP, size=(15, 12))
    write([photo(meta)], tmp_path / f"a.{source}", format=source)
    write(read(tmp_path / f"a.{source}"), tmp_path / f"b.{target}", format=target)
    back = read(tmp_path / f"b.{target}").pages[0].metadata
    assert (back.profile, back.xmp) == (ADOBE, XMP)
    assert loaded(back.exif).get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


@pytest.mark.parametrize("name", CARRIERS)
def test_pillow_sees_the_exif_that_was_written(tmp_path, name):
    write([photo(Metadata(exif=exif_block()))], tmp_path / f"a.{name}", format=name)
    seen = opened(tmp_path / f"a.{name}").getexif()
    assert seen[0x010F] == "Maker"
    assert seen.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


@pytest.mark.parametrize(("source", "target"), list(itertools.product(["png", "jpg", "tiff"], repeat=2)))
def test_captions_survive_from_format_to_format(tmp_path, source, target):
    records = b"\x1c\x02\x78\x00\x07caption\x1c\x02\x69\x00\x05title"
    write([photo(Metadata(iptc=records))], tmp_path / f"a.{source}", format=source)
    write(read(tmp_path / f"a.{source}"), tmp_path / f"b.{target}", format=target)
    assert read(tmp_path / f"b.{target}").pages[0].metadata.iptc == records
    if target != "png":
        seen = IptcImagePlugin.getiptcinfo(opened(tmp_path / f"b.{target}"))
        assert seen[(2, 120)] == b"caption"


def test_descriptions_are_kept_and_notes_of_an_old_shape_are_not(tmp_path):
    for text, kept in (("a cat", b"a cat"), (None, None)):
        tifffile.imwrite(
            tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb", description=text
        )
        document = read(tmp_path / "a.tif")
        write(
            [replace(document.pages[0], pixels=np.zeros((8, 10, 3), np.float32))],
            tmp_path / "b.tif",
            format="tiff",
        )
        assert tifffile.imread(tmp_path / "b.tif").shape == (8, 10, 3)
        assert b'"shape"' not in (tmp_path / "b.tif").read_bytes()
        if kept:
            assert kept in (tmp_path / "b.tif").read_bytes()


def test_sizes_in_the_metadata_follow_the_result(tmp_path):
    meta = Metadata(exif=exif_block(), xmp=XMP, size=(15, 12))
    big = Photo(RNG.random((24, 30, 3), dtype=np.float32), metadata=meta)
    write([big], tmp_path / "a.jpg", format="jpg")
    back = read(tmp_path / "a.jpg").pages[0].metadata
    inner = loaded(back.exif).get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (30, 24)
    assert b'FullPanoWidthPixels="30"' in back.xmp
    assert b'CroppedAreaTopPixels="6"' in back.xmp


def test_a_size_that_outgrows_its_field_gets_a_wider_one():
    block = exif.for_output(exif_block(), 70000, 12, "")
    assert loaded(block).get_ifd(0x8769)[0xA002] == 70000


@pytest.mark.parametrize("name", CARRIERS)
def test_what_was_done_is_written_into_the_file(tmp_path, name):
    done = {"software": "restore 9.9", "task": "upscale", "model": "nlsn <&\"'> é"}
    write(
        [photo(Metadata(exif=exif_block(), xmp=XMP, size=(15, 12)))],
        tmp_path / f"a.{name}",
        format=name,
        provenance=done,
    )
    back = read(tmp_path / f"a.{name}").pages[0].metadata
    assert loaded(back.exif)[0x0131] == "restore 9.9"
    assert loaded(back.exif)[0x010F] == "Maker"
    assert b'restore:task="upscale"' in back.xmp
    assert b'dc:creator="me"' in back.xmp
    import xml.etree.ElementTree as tree

    tree.fromstring(back.xmp)


def test_a_second_run_replaces_the_note_of_the_first(tmp_path):
    write(
        [photo(Metadata())], tmp_path / "a.png", format="png", provenance={"software": "s", "task": "denoise"}
    )
    write(
        read(tmp_path / "a.png"),
        tmp_path / "b.png",
        format="png",
        provenance={"software": "s", "task": "dejpeg"},
    )
    back = read(tmp_path / "b.png").pages[0].metadata
    assert back.xmp.count(b"restore:task") == 1
    assert b"dejpeg" in back.xmp
    assert [key for key, _ in back.description] == ["Software", "restore"]


@pytest.mark.parametrize("name", CARRIERS)
def test_strip_leaves_only_the_profile(tmp_path, name):
    meta = Metadata(
        profile=P3,
        exif=exif_block(),
        xmp=XMP,
        working="display-p3",
        size=(15, 12),
        description=(("Title", "x"),),
    )
    write([photo(meta)], tmp_path / f"a.{name}", format=name, strip=True, provenance={"software": "restore"})
    back = read(tmp_path / f"a.{name}").pages[0].metadata
    assert (back.profile, back.xmp, back.description) == (P3, None, ())
    assert b"Maker" not in (tmp_path / f"a.{name}").read_bytes()
    assert b"restore" not in (tmp_path / f"a.{name}").read_bytes()


def test_the_thumbnail_is_dropped_and_maker_notes_stay_where_they_are():
    import struct

    def ifd(entries, following):
        return (
            struct.pack("<H", len(entries))
            + b"".join(struct.pack("<HHII", *e) for e in entries)
            + struct.pack("<I", following)
        )

    note, thumbnail = b"NOTE" * 8, b"\xff\xd8thumbnail\xff\xd9"
    note_at = 8 + 18 + 12 + 18
    first = ifd([(0x0112, 3, 1, 6), (0x8769, 4, 1, 8 + 30)], 8 + 30 + 18 + len(note))
    inner = ifd([(0x927C, 7, len(note), note_at)], 0)
    second_at = 8 + 30 + 18 + len(note)
    second = ifd([(0x0201, 4, 1, second_at + 30), (0x0202, 4, 1, len(thumbnail))], 0)
    block = b"II*\0\x08\0\0\0" + first + inner + note + second + thumbnail
    assert block[note_at : note_at + 4] == b"NOTE"
    done = exif.for_output(exif.upright(block), 10, 10, "restore")
    assert done[note_at : note_at + len(note)] == note
    assert b"thumbnail" not in done
    assert exif.orientation(block) == 6
    assert exif.orientation(done) == 1


def test_free_text_of_a_png_is_kept_in_any_script(tmp_path):
    meta = Metadata(description=(("Title", "plain"), ("Comment", "写真")))
    write([photo(meta)], tmp_path / "a.png", format="png")
    assert dict(opened(tmp_path / "a.png").text) == {"Title": "plain", "Comment": "写真"}
    assert read(tmp_path / "a.png").pages[0].metadata.description == meta.description


def test_a_format_that_carries_nothing_says_so(tmp_path):
    info = write([photo(Metadata(exif=exif_block(), xmp=XMP))], tmp_path / "a.ppm", format="ppm")
    assert any("EXIF, XMP" in text for text in info.warnings)


@pytest.mark.parametrize("peak", [255, 65535])
@pytest.mark.parametrize("space", ["adobe", "display-p3", "rec2020", "prophoto"])
def test_a_colour_profile_is_converted_from_and_back(tmp_path, space, peak):
    profile = ADOBE if space == "adobe" else icc.working_profile(space)
    generator = np.random.default_rng(11)
    samples = generator.integers(0, peak + 1, (64, 64, 3)).astype(np.uint8 if peak == 255 else np.uint16)
    samples[0, 0] = (peak, peak // 60_000, peak // 2)  # where Adobe RGB's curve is steepest
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, photometric="rgb", iccprofile=profile)
    document = read(buffer.getvalue())
    write(document, tmp_path / "a.tiff", format="tiff")
    back = tifffile.imread(tmp_path / "a.tiff")
    there, here = (each.astype(np.float64) / peak for each in (back, samples))
    # Light is held in float32: its last bits are a few 16-bit samples right above black, and none elsewhere.
    assert np.abs(there**2.2 - here**2.2).max() < 2e-7
    assert np.array_equal(back[here >= 1 / 128], samples[here >= 1 / 128])
    assert document.pages[0].metadata.profile == profile
    assert 0 <= document.pages[0].pixels.min() <= document.pages[0].pixels.max() <= 1


def test_pixels_are_those_of_srgb_where_srgb_holds_them():
    samples = np.full((4, 4, 3), (120, 140, 130), np.uint8)
    raster = Raster(samples, "rgb", 255.0, icc=ADOBE)
    pixels, profile, working = profiles.to_working(raster)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(ADOBE)), ImageCms.createProfile("sRGB"), "RGB", "RGB", 1
    )
    expected = np.asarray(ImageCms.applyTransform(Image.fromarray(samples), transform))
    assert working == "srgb"
    assert profile == ADOBE
    assert np.abs(pixels * 255 - expected).max() < 0.8


def test_colours_beyond_srgb_get_the_smallest_space_that_holds_them():
    for name in ("srgb", "display-p3", "rec2020", "prophoto"):
        raster = Raster(
            np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8),
            "rgb",
            255.0,
            icc=icc.rgb_profile(icc.SPACES[name], icc.gamma_curve(1.8), name),
        )
        assert profiles.to_working(raster)[2] == name


def test_colours_that_no_space_holds_stay_as_they_are(tmp_path):
    strange = icc.rgb_profile(
        (0.3127, 0.329, 0.9, 0.3, 0.0, 1.0, 0.0, -0.1), icc.gamma_curve(2.2), "imaginary"
    )
    buffer = io.BytesIO()
    samples = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(samples).save(buffer, "PNG", icc_profile=strange)
    document = read(buffer.getvalue())
    assert document.pages[0].metadata.working == "native"
    write(document, tmp_path / "a.png", format="png")
    assert np.array_equal(np.asarray(opened(tmp_path / "a.png")), samples)
    assert opened(tmp_path / "a.png").info["icc_profile"] == strange


def test_gray_profiles_are_converted_too(tmp_path):
    profile = icc.gray_profile(icc.gamma_curve(1.0), "linear gray")
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, ramp, iccprofile=profile)
    document = read(buffer.getvalue())
    assert document.pages[0].pixels[128, 0, 0] == pytest.approx(0.735, abs=0.01)
    write(document, tmp_path / "a.png", format="png")
    assert np.abs(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()).astype(int) - ramp).max() <= 8


def test_a_profile_of_the_wrong_kind_and_a_broken_one_are_ignored_with_a_warning():
    for profile in (icc.working_profile("srgb", gray=True), b"junk" * 50, ADOBE[:200]):
        raster = Raster(np.zeros((2, 2, 3), np.uint8), "rgb", 255.0, icc=profile)
        pixels, kept, _ = profiles.to_working(raster)
        assert kept is None
        assert not pixels.any()
        assert any("profile" in text for text in raster.warnings)


def test_the_quick_way_agrees_with_littlecms():
    pixels = (RNG.integers(0, 65536, (64, 64, 3)) / 65535).astype(np.float32)
    quick = shaper.measured(ADOBE, "prophoto")
    working = icc.working_profile("prophoto")
    slow = imagecodecs.cms_transform(
        pixels, ADOBE, working, colorspace="rgb", outcolorspace="rgb", outdtype="float32", intent=1
    )
    assert np.abs(quick.forward(pixels) - slow).max() < 3e-5
    assert np.abs(quick.backward(quick.forward(pixels)) - pixels).max() < 0.25 / 255


def test_our_profiles_are_what_littlecms_thinks_of_srgb():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = RNG.random((32, 32, 3), dtype=np.float32)
    seen = imagecodecs.cms_transform(
        pixels,
        srgb,
        icc.working_profile("srgb"),
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype="float32",
        intent=1,
    )
    assert np.abs(seen - pixels).max() < 0.3 / 255


def test_a_png_gamma_is_applied_and_comes_back_as_a_profile(tmp_path):
    import struct

    from restorecli.photos.formats import png

    samples = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    parts = png.insert_chunks(imagecodecs.png_encode(samples), png.chunk(b"gAMA", struct.pack(">I", 100000)))
    document = read(b"".join(parts))
    photo = document.pages[0]
    light = samples / 255
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(photo.pixels - wanted).max() < 1e-3
    write(document, tmp_path / "a.png", format="png")
    assert np.array_equal(np.asarray(opened(tmp_path / "a.png")), samples)


def test_formats_without_profiles_get_srgb_pixels(tmp_path):
    meta = Metadata(profile=ADOBE, working="srgb")
    original = replace(photo(meta), pixels=np.full((4, 4, 3), (0.2, 0.5, 0.4), np.float32))
    info = write([original], tmp_path / "a.bmp", format="bmp")
    assert any("colour profile" in text for text in info.warnings)
    assert np.asarray(opened(tmp_path / "a.bmp"))[0, 0].tolist() == [51, 128, 102]


def test_radiance_files_come_back_as_light(tmp_path):
    light = (RNG.random((8, 9, 3)) * 4).astype(np.float32)
    data = imagecodecs.rgbe_encode(light)
    expected = imagecodecs.rgbe_decode(data)
    document = read(bytes(data))
    assert document.pages[0].depth is Depth.FLOAT32
    info = write(document, tmp_path / "a.tiff")
    assert info.format == "tiff"
    assert np.allclose(tifffile.imread(tmp_path / "a.tiff"), expected, rtol=2e-3, atol=1e-4)
