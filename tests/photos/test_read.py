"""Reading: every sample layout against an independent decoder, and the hard files by a table."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from restorecli.errors import PhotoError, TooLargeError, UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats import png
from restorecli.photos.read import read, size

CASES = Path(__file__).parents[2] / "../shared/data/io_cases"
RNG = np.random.default_rng(7)
RGB8 = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (13, 17, 3), dtype=np.uint16)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def page(data: bytes):
    document = read(data)
    assert len(document.pages) == 1
    photo = document.pages[0]
    assert photo.pixels.dtype == np.float32
    assert photo.pixels.flags.c_contiguous
    return photo


# name → (format, H, W, channels, depth, alpha, pages), or the code of the error that names the file
EXPECTED = {
    "animated.gif": "unsupported",
    "animated.webp": "unsupported",
    "apng.png": "unsupported",
    "avif_orientation6.avif": ("avif", 4032, 3024, 3, "8", False, 1),
    "bigtiff.tif": ("tiff", 64, 64, 3, "8", False, 1),
    "bigtiff_photo.tif": ("tiff", 128, 128, 3, "8", False, 1),
    "bmp_bad_width.bmp": "too_large",
    "cmyk.jpg": ("jpeg", 333, 500, 3, "8", False, 1),
    "cmyk_icc_flower.jpg": ("jpeg", 532, 510, 3, "8", False, 1),
    "corrupt_header.jpg": "unreadable",
    "decompression_bomb.gif": "too_large",
    "exif_bad.jpg": ("jpeg", 500, 500, 1, "8", False, 1),
    "gainmap_ultrahdr.jpg": ("jpeg", 2160, 3840, 3, "8", False, 1),
    "hdr_radiance.hdr": ("hdr", 980, 141, 3, "32f", False, 1),
    "jpeg2000.jp2": ("jpeg2000", 240, 320, 3, "8", False, 1),
    "jpeg_16bit_qtables.jpg": ("jpeg", 128, 128, 3, "8", False, 1),
    "jpeg_440.jpg": ("jpeg", 1512, 2268, 3, "8", False, 1),
    "jpeg_cut_half.jpg": "unreadable",
    "jpeg_gray.jpg": ("jpeg", 1512, 2268, 1, "8", False, 1),
    "jpeg_icc.jpg": ("jpeg", 100, 100, 3, "8", False, 1),
    "jpeg_q85_444.jpg": ("jpeg", 1512, 2268, 3, "8", False, 1),
    "orient_1.jpg": ("jpeg", 410, 308, 3, "8", False, 1),
    "orient_3.jpg": ("jpeg", 410, 308, 3, "8", False, 1),
    "orient_5.jpg": ("jpeg", 308, 231, 3, "8", False, 1),
    "orient_6.jpg": ("jpeg", 308, 231, 3, "8", False, 1),
    "orient_8.jpg": ("jpeg", 308, 231, 3, "8", False, 1),
    "orient_landscape_6.jpg": ("jpeg", 1200, 1800, 3, "8", False, 1),
    "orient_png_exif.png": ("png", 512, 512, 3, "8", False, 1),
    "pgm_16bit.pgm": ("pnm", 128, 128, 1, "16", False, 1),
    "png_16bit_gray.png": ("png", 32, 32, 1, "16", False, 1),
    "png_16bit_gray_alpha.png": ("png", 96, 109, 1, "16", True, 1),
    "png_16bit_rgb.png": ("png", 32, 32, 3, "16", True, 1),
    "png_16bit_rgb_photo.png": ("png", 64, 64, 3, "8", False, 1),
    "png_1bit.png": ("png", 32, 32, 1, "8", False, 1),
    "png_broken_stream.png": "unreadable",
    "png_gamma_0.35_16bit.png": ("png", 32, 32, 1, "16", False, 1),
    "png_gamma_1.0.png": ("png", 32, 32, 3, "8", False, 1),
    "png_gray_alpha.png": ("png", 300, 400, 1, "8", True, 1),
    "png_interlaced_rgba16.png": ("png", 32, 32, 3, "16", True, 1),
    "png_named.jpg": ("png", 128, 128, 3, "8", True, 1),
    "png_p3_profile.png": ("png", 8, 8, 3, "8", True, 1),
    "png_palette.png": ("png", 442, 290, 3, "8", False, 1),
    "png_palette_trns.png": ("png", 32, 32, 3, "8", True, 1),
    "png_rgba.png": ("png", 128, 128, 3, "8", True, 1),
    "png_wide_gamut_r2020.png": ("png", 1000, 1000, 3, "8", True, 1),
    "progressive.jpg": ("jpeg", 1512, 2268, 3, "8", False, 1),
    "tall_narrow.webp": "unsupported",
    "text_named.png": "unreadable",
    "tiff_16bit_gray.tif": ("tiff", 151, 157, 1, "16", False, 1),
    "tiff_16bit_rgb.tif": ("tiff", 151, 157, 3, "16", False, 1),
    "tiff_1bit_fax4.tif": ("tiff", 671, 1080, 1, "8", False, 1),
    "tiff_cmyk.tif": ("tiff", 151, 157, 3, "8", True, 1),
    "tiff_float16.tif": ("tiff", 16, 16, 1, "32f", False, 1),
    "tiff_float32_gray.tif": ("tiff", 200, 200, 1, "32f", False, 1),
    "tiff_float32_rgb.tif": ("tiff", 1, 256, 3, "32f", False, 1),
    "tiff_float64_gray.tif": ("tiff", 1, 256, 1, "32f", False, 1),
    "tiff_jpeg_tiles.tif": ("tiff", 384, 512, 3, "8", False, 1),
    "tiff_lab.tif": ("tiff", 128, 128, 3, "8", False, 1),
    "tiff_multipage.tif": ("tiff", 3248, 2464, 1, "8", False, 2),
    "tiff_multipage_8bit.tif": ("tiff", 10, 10, 3, "8", False, 3),
    "tiff_palette.tif": ("tiff", 151, 157, 3, "16", False, 1),
    "tiff_planar_rgb.tif": ("tiff", 499, 374, 3, "8", False, 1),
    "truncated.gif": "unreadable",
    "truncated.jpg": "unreadable",
    "truncated.png": "unreadable",
    "webp_lossless_alpha.webp": ("webp", 150, 200, 3, "8", True, 1),
    "zero_byte.png": "unreadable",
}


@pytest.mark.shared
@pytest.mark.skipif(not CASES.is_dir(), reason="the set of hard files is not beside the checkout")
def test_every_hard_file_has_an_expected_outcome():
    assert {path.name for path in CASES.iterdir()} - {"README.md"} == set(EXPECTED)


@pytest.mark.shared
@pytest.mark.skipif(not CASES.is_dir(), reason="the set of hard files is not beside the checkout")
@pytest.mark.parametrize("name", EXPECTED)
def test_hard_file_is_read_or_refused_by_name(name):
    expected = EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(PhotoError) as caught:
            read(CASES / name)
        assert caught.value.code == expected
        assert name in caught.value.message
        return
    document = read(CASES / name)
    photo = document.pages[0]
    got = (
        document.format,
        *photo.pixels.shape,
        photo.depth.value,
        photo.alpha is not None,
        len(document.pages),
    )
    assert got == expected
    assert size(CASES / name) == (photo.width, photo.height)
    if photo.depth is not Depth.FLOAT32:
        assert 0 <= photo.pixels.min() <= photo.pixels.max() <= 1


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "1"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "P"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("BMP", "L"),
        ("BMP", "P"),
        ("BMP", "RGB"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
        ("TIFF", "1"),
        ("TIFF", "L"),
        ("TIFF", "LA"),
        ("TIFF", "P"),
        ("TIFF", "RGB"),
        ("TIFF", "RGBA"),
        ("PPM", "L"),
        ("PPM", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
        ("TGA", "RGBA"),
    ],
)
def test_8_bit_pixels_are_those_that_pillow_sees(form, mode):
    image = (
        Image.fromarray(np.concatenate([RGB8, RGB8[:, :, :1]], axis=2), "RGBA").convert("RGB").convert(mode)
    )
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(RGB8[:, :, 1]))
    data = saved(image, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
    photo = read(data, name=f"x.{form.lower()}").pages[0]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)
    channels = 1 if mode in ("1", "L", "LA") else 3
    assert photo.pixels.shape[2] == channels
    assert np.array_equal(np.rint(photo.pixels * 255), expected[:, :, :channels])
    if mode in ("LA", "RGBA"):
        assert np.array_equal(np.rint(photo.alpha * 255), expected[:, :, 3])
    else:
        assert photo.alpha is None


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_every_bit(channels):
    samples = RNG.integers(0, 65536, (9, 11, channels), dtype=np.uint16)
    photo = page(imagecodecs.png_encode(samples.squeeze()))
    colour = channels - (channels in (2, 4))
    assert photo.depth is Depth.UINT16
    assert np.array_equal(np.rint(photo.pixels * 65535), samples[:, :, :colour])
    if channels in (2, 4):
        assert np.array_equal(np.rint(photo.alpha * 65535), samples[:, :, -1])


def deep_ramp() -> np.ndarray:
    down, across = np.mgrid[0:64, 0:80]
    return np.stack([down * 60, across * 50, (down + across) * 25], axis=-1).astype(np.uint16)


@pytest.mark.parametrize(
    ("encode", "peak", "within"),
    [
        (lambda a: imagecodecs.jpeg_encode(a, bitspersample=12, level=98), 4095, 40),
        (lambda a: imagecodecs.avif_encode(a >> 2, level=100, bitspersample=10), 4 * 1023, 3),
        (lambda a: imagecodecs.avif_encode(a, level=100, bitspersample=12), 4095, 0),
        (
            lambda a: imagecodecs.jpeg2k_encode(a, bitspersample=12, codecformat="jp2", reversible=True),
            4095,
            0,
        ),
        (lambda a: imagecodecs.jpegxl_encode(a, lossless=True), 65535, 0),
    ],
    ids=["jpeg-12", "avif-10", "avif-12", "jp2-12", "jxl-16"],
)
def test_deep_samples_of_modern_formats(encode, peak, within):
    photo = page(bytes(encode(deep_ramp())))
    assert photo.depth is Depth.UINT16
    assert np.abs(np.rint(photo.pixels * peak) - deep_ramp()).max() <= within


def test_palette_with_transparency_becomes_colour_and_alpha():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 128, 0])
    image.putdata([0, 1])
    photo = page(saved(image, "PNG", transparency=bytes([255, 40])))
    assert np.allclose(photo.pixels, [[[1, 0, 0], [0, 128 / 255, 0]]])
    assert np.allclose(photo.alpha, [[1, 40 / 255]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}, {"tile": (16, 16)}, {"bigtiff": True}])
def test_tiff_samples_of_every_type_and_layout(dtype, options):
    peak = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    samples = (RNG.random((21, 19, 3)) * peak * (1 if peak > 1 else 3)).astype(dtype)
    if options.get("planarconfig"):
        data = tiff(np.moveaxis(samples, -1, 0), photometric="rgb", **options)
    else:
        data = tiff(samples, photometric="rgb", **options)
    assert np.allclose(page(data).pixels, samples.astype(np.float64) / peak, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "packbits", "lzma"])
def test_compressed_tiff(compression):
    assert np.array_equal(
        np.rint(page(tiff(RGB16, compression=compression, photometric="rgb")).pixels * 65535), RGB16
    )


def test_white_is_zero_tiff_is_turned_round():
    photo = page(tiff(RGB8[:, :, 0], photometric="miniswhite"))
    assert np.array_equal(np.rint(photo.pixels[:, :, 0] * 255), 255 - RGB8[:, :, 0])


def test_float_tiff_keeps_values_beyond_white():
    samples = np.array([[-0.5, 0.25, 7.0]], np.float32)
    assert page(tiff(samples)).pixels[:, :, 0].tolist() == samples.tolist()


def test_premultiplied_alpha_is_divided_out():
    alpha = np.array([[255, 128, 0]], np.uint8)
    colour = np.array([[[200, 100, 50], [100, 50, 25], [0, 0, 0]]], np.uint8)
    data = tiff(np.dstack([colour, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    photo = page(data)
    assert np.allclose(photo.pixels[0, 1] * 255, np.array([100, 50, 25]) * 255 / 128, atol=1e-3)
    assert not photo.pixels[0, 2].any()


def test_pages_of_a_tiff_are_all_read_and_thumbnails_are_not():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(RGB8, photometric="rgb")
        writer.write(RGB8[:4, :4].copy(), photometric="rgb", subfiletype=1)
        writer.write(RGB16[:6], photometric="rgb")
    document = read(buffer.getvalue())
    assert [(p.height, p.depth) for p in document.pages] == [(13, Depth.UINT8), (6, Depth.UINT16)]


@pytest.mark.parametrize("options", [{"imagej": True}, {}], ids=["ImageJ", "tifffile"])
def test_a_stack_behind_one_directory_is_refused_and_not_cut_down_to_a_picture(options):
    for stack, count in ((np.zeros((6, 8, 9), np.uint8), 6), (np.zeros((4, 8, 9, 3), np.uint8), 4)):
        buffer = io.BytesIO()
        more = {} if options or count == 6 else {"photometric": "rgb"}
        tifffile.imwrite(buffer, stack, truncate=True, **options, **more)
        with pytest.raises(UnsupportedError, match=f"{count} pictures"):
            read(buffer.getvalue())
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, stack, **options, **more)
        assert len(read(buffer.getvalue()).pages) == count
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, stack[0], truncate=True, **options, **more)
        assert len(read(buffer.getvalue()).pages) == 1


def test_a_compression_that_is_not_known_is_unsupported_and_not_damage():
    data = bytearray(tiff(RGB8))
    at = data.index(struct.pack("<HHI", 259, 3, 1)) + 8
    for code in (34676, 34661, 65535):  # SGI's LogLuv, JBIG, none
        data[at : at + 2] = struct.pack("<H", code)
        with pytest.raises(UnsupportedError, match=str(code)):
            read(bytes(data))


def test_cmyk_jpeg_without_profile_uses_the_simple_formula():
    image = Image.fromarray(np.full((8, 8, 4), (0, 128, 255, 51), np.uint8), "CMYK")
    photo = page(saved(image, "JPEG", quality=100))
    assert np.allclose(photo.pixels[0, 0], np.array([1, 1 - 128 / 255, 0]) * 0.8, atol=0.02)
    assert any("CMYK" in text for text in photo.warnings)


def test_lab_tiff_agrees_with_littlecms():
    lab = np.zeros((1, 4, 3), np.uint8)
    lab[0] = [[255, 0, 0], [128, 0, 0], [150, 40, 226], [90, 250, 20]]
    image = Image.frombytes("LAB", (4, 1), lab.tobytes())
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    expected = np.asarray(ImageCms.applyTransform(image, transform)) / 255
    assert np.allclose(page(tiff(lab, photometric="cielab")).pixels, expected, atol=1.5 / 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_baked_in_and_the_tag_reset(orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    data = saved(Image.fromarray(RGB8), form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    upright = ImageOps.exif_transpose(
        Image.open(io.BytesIO(data)).copy() if form != "TIFF" else Image.open(io.BytesIO(data))
    )
    photo = page(data)
    assert np.array_equal(np.rint(photo.pixels * 255), np.asarray(upright))
    assert size(data) == upright.size
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + photo.metadata.exif)
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "Maker"


def test_orientation_from_xmp_counts_where_exif_has_none():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    photo = page(saved(Image.fromarray(RGB8), "JPEG", xmp=xmp))
    assert (photo.width, photo.height) == (13, 17)
    assert b'tiff:Orientation="1"' in photo.metadata.xmp


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_file_cut_anywhere_is_refused(form):
    data = saved(Image.fromarray(np.tile(RGB8, (5, 5, 1))), form)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises((UnreadableError, TooLargeError)):
            read(data[: int(len(data) * share)], name=f"cut.{form}")


def test_a_jpeg_damaged_in_the_middle_is_refused_though_it_ends_properly():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "JPEG")
    with pytest.raises(UnreadableError, match=r"half\.jpg"):
        read(data[: len(data) // 2] + b"\xff\xd9", name="half.jpg")


@pytest.mark.parametrize("data", [b"", b"P", b"hello, this is text", bytes(range(1, 65)), b"P6\n"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UnreadableError, match="note"):
        read(data, name="note")


def test_the_stated_size_is_checked_before_decoding():
    data = saved(Image.fromarray(RGB8), "PNG")
    with pytest.raises(TooLargeError, match="17×13"):
        read(data, max_pixels=220)
    huge = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    with pytest.raises(TooLargeError):
        read(data[:8] + huge + data[33:])


def test_a_png_with_a_wrong_check_sum_is_refused():
    data = bytearray(saved(Image.fromarray(RGB8), "PNG"))
    data[60] ^= 1
    with pytest.raises(UnreadableError, match="check sum"):
        read(bytes(data))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_interlaced_16_bit_png(channels):
    """Adam7 by hand (PNG specification, section 8.2): seven smaller pictures, one after the other."""
    samples = RNG.integers(0, 65536, (13, 11, channels), dtype=np.uint16)
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in samples[y::dy, x::dx]:
            rows += b"\0" + row.astype(">u2").tobytes()
    head = struct.pack(">IIBBBBB", 11, 13, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 1)
    parts = [png.chunk(b"IHDR", head), png.chunk(b"IDAT", zlib.compress(rows)), png.chunk(b"IEND", b"")]
    photo = page(png.SIGNATURE + b"".join(parts))
    found = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    assert np.array_equal(np.rint(found * 65535), samples)


def test_interlaced_16_bit_png_with_broken_data_is_damaged():
    head = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 11, 13, 16, 2, 0, 0, 1))
    data = png.SIGNATURE + head + png.chunk(b"IDAT", b"no zlib stream") + png.chunk(b"IEND", b"")
    with pytest.raises(UnreadableError, match="damaged PNG"):
        read(data)


def test_wild_float_samples_become_finite():
    samples = np.array([[np.nan, np.inf, 1e300, 0.5]])
    photo = page(tiff(samples))
    assert any("infinite" in text for text in photo.warnings)
    assert np.isfinite(photo.pixels).all() and photo.pixels.max() < 100


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(UnreadableError, match=path.name):
            read(path)


def test_animations_are_refused_with_the_number_of_frames():
    frames = [Image.fromarray(RGB8), Image.fromarray(RGB8[::-1].copy())]
    for form in ("GIF", "WEBP", "PNG"):
        with pytest.raises(UnsupportedError, match="2 frames"):
            read(saved(frames[0], form, save_all=True, append_images=frames[1:]))


def test_a_mosaic_in_a_tiff_is_camera_raw():
    with pytest.raises(UnsupportedError, match="camera RAW"):
        read(tiff(RGB16[:, :, 0], photometric="cfa"))
    with pytest.raises(UnsupportedError, match="camera RAW"):
        read(tiff(RGB8, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]))


def test_a_plain_16_bit_gray_tiff_is_not_camera_raw():
    assert page(tiff(RGB16[:, :, 0])).is_gray


def test_broken_exif_is_left_out_with_a_warning():
    photo = page(saved(Image.fromarray(RGB8), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\0\0junk"))
    assert photo.metadata.exif is None
    assert any("EXIF" in text for text in photo.warnings)


def test_dots_per_inch_are_read():
    for form in ("PNG", "JPEG", "TIFF"):
        assert page(saved(Image.fromarray(RGB8), form, dpi=(300, 150))).metadata.dpi == pytest.approx(
            (300, 150), abs=0.1
        )


def test_names_in_any_script(tmp_path):
    path = tmp_path / "фото 写真 é.png"
    path.write_bytes(saved(Image.fromarray(RGB8), "PNG"))
    assert read(path).name == str(path)


def test_the_fingerprint_follows_the_bytes():
    one, two = saved(Image.fromarray(RGB8), "PNG"), saved(Image.fromarray(RGB8[::-1].copy()), "PNG")
    assert read(one).fingerprint == read(one).fingerprint != read(two).fingerprint


def test_odd_but_whole_pngs_are_read_without_a_word_of_libpng(capfd):
    rows = b"".join(b"\0" + bytes([9] * 24) for _ in range(8))
    cases = {
        "short transparent colour": (2, rows, png.chunk(b"tRNS", b"\0")),
        "palette in a gray picture": (
            0,
            b"".join(b"\0" + bytes(8) for _ in range(8)),
            png.chunk(b"PLTE", bytes(30)),
        ),
        "too many transparencies": (
            3,
            b"".join(b"\0" + bytes(8) for _ in range(8)),
            png.chunk(b"PLTE", bytes(30)) + png.chunk(b"tRNS", bytes(200)),
        ),
    }
    for name, (colour, raw, extra) in cases.items():
        head = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, colour, 0, 0, 0))
        data = png.SIGNATURE + head + extra + png.chunk(b"IDAT", zlib.compress(raw)) + png.chunk(b"IEND", b"")
        assert page(data).width == 8, name
    test_interlaced_16_bit_png(3)
    assert capfd.readouterr().err == ""
