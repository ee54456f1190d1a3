"""Photoshop files put together by hand (Adobe's specification), against the samples they were made from."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from restorecli.errors import UnreadableError
from restorecli.photo import Depth
from restorecli.photos.read import read, size

RNG = np.random.default_rng(9)
HEIGHT, WIDTH = 9, 13
BITMAP, GRAY, INDEXED, RGB, CMYK, LAB = 0, 1, 2, 3, 4, 9


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


def psd(
    planes: np.ndarray,
    mode: int,
    bits: int,
    *,
    packing: str = "raw",
    palette: bytes = b"",
    resources: bytes = b"",
    layers: bytes = b"",
    large: bool = False,
) -> bytes:
    """C×H×W samples, big-endian, as a PSD; bitmaps as rows of packed bits."""
    count, height = planes.shape[:2]
    rows = [plane[line].tobytes() for plane in planes for line in range(height)]
    if packing == "rle":
        packed = [bytes(imagecodecs.packbits_encode(row)) for row in rows]
        form = ">I" if large else ">H"
        data = b"\0\1" + b"".join(struct.pack(form, len(row)) for row in packed) + b"".join(packed)
    elif packing == "predicted":
        if bits == 32:  # as in TIFF
            differences = imagecodecs.floatpred_encode(planes, axis=-1)
        else:
            differences = imagecodecs.delta_encode(planes.astype(planes.dtype.newbyteorder("=")), axis=-1)
            differences = differences.astype(planes.dtype)
        data = b"\0\3" + zlib.compress(np.ascontiguousarray(differences).tobytes())
    elif packing == "zip":
        data = b"\0\2" + zlib.compress(b"".join(rows))
    else:
        data = b"\0\0" + b"".join(rows)
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if large else 1, count, height, WIDTH, bits, mode)
    parts = [head, struct.pack(">I", len(palette)), palette, struct.pack(">I", len(resources)), resources]
    return b"".join([*parts, struct.pack(">Q" if large else ">I", len(layers)), layers, data])


def page(data: bytes):
    assert size(data) == (WIDTH, HEIGHT)
    return read(data).pages[0]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("packing", ["raw", "rle", "zip", "predicted"])
@pytest.mark.parametrize(("kind", "bits"), [("u1", 8), (">u2", 16), (">f4", 32)])
@pytest.mark.parametrize(("mode", "channels"), [(GRAY, 1), (RGB, 3)])
def test_samples_of_every_depth_and_packing(kind, bits, mode, channels, packing, large):
    values = RNG.random((channels, HEIGHT, WIDTH))
    peak = {8: 255, 16: 65535, 32: 1}[bits]
    planes = (values * peak).astype(kind)
    photo = page(psd(planes, mode, bits, packing=packing, large=large))
    assert photo.depth is {8: Depth.UINT8, 16: Depth.UINT16, 32: Depth.FLOAT32}[bits]
    expected = np.moveaxis(planes.astype(float), 0, -1) / peak
    if bits == 32:  # light
        expected = np.where(expected <= 0.0031308, 12.92 * expected, 1.055 * expected ** (1 / 2.4) - 0.055)
    assert np.abs(photo.pixels - expected).max() < (1e-3 if bits == 32 else 1e-6)


def test_in_a_bitmap_one_is_ink():
    black = RNG.random((1, HEIGHT, WIDTH)) < 0.5
    photo = page(psd(np.packbits(black, axis=2), BITMAP, 1))
    assert np.array_equal(photo.pixels[:, :, 0], 1 - black[0])


def test_pillow_agrees_on_8_bit_files():
    planes = RNG.integers(0, 256, (3, HEIGHT, WIDTH), dtype=np.uint8)
    data = psd(planes, RGB, 8, packing="rle")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(np.rint(page(data).pixels * 255), expected)


def test_a_palette_is_looked_up():
    table = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    indices = RNG.integers(0, 256, (1, HEIGHT, WIDTH), dtype=np.uint8)
    photo = page(psd(indices, INDEXED, 8, palette=table.T.tobytes()))
    assert np.array_equal(np.rint(photo.pixels * 255), table[indices[0]])


def test_cmyk_is_stored_upside_down():
    planes = np.empty((4, HEIGHT, WIDTH), np.uint8)
    planes[:] = np.array([255, 128, 0, 204])[
        :, None, None
    ]  # no cyan, half magenta, all yellow, a fifth black
    assert np.allclose(page(psd(planes, CMYK, 8)).pixels[0, 0], np.array([1, 128 / 255, 0]) * 0.8, atol=1e-3)


def test_lab_agrees_with_littlecms():
    planes = np.empty((3, HEIGHT, WIDTH), np.uint8)
    planes[:] = np.array([150, 168, 98])[:, None, None]
    image = Image.frombytes("LAB", (1, 1), bytes([150, 168 ^ 128, 98 ^ 128]))
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    expected = np.asarray(ImageCms.applyTransform(image, transform))[0, 0] / 255
    assert np.allclose(page(psd(planes, LAB, 8)).pixels[0, 0], expected, atol=1.5 / 255)


def test_layers_are_no_animation_and_transparency_is_taken_out_of_the_white():
    layers = struct.pack(">Ih", 98, -2) + bytes(96)
    own, alpha = np.array([200.0, 100, 0]), 128
    on_white = np.rint(own * alpha / 255 + 255 - alpha)
    planes = np.empty((4, HEIGHT, WIDTH), np.uint8)
    planes[:] = np.array([*on_white, alpha])[:, None, None]
    photo = page(psd(planes, RGB, 8, layers=layers))
    assert np.allclose(photo.pixels[0, 0] * 255, own, atol=1.5)
    assert np.allclose(photo.alpha, alpha / 255)
    assert any("layers" in text for text in photo.warnings)


def test_profile_xmp_captions_and_resolution_come_with_it():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    records = b"\x1c\x02\x78\x00\x07caption"
    resources = (
        resource(1039, srgb)
        + resource(1060, b"<x:xmpmeta/>")
        + resource(1028, records)
        + resource(1034, b"\1")
        + resource(1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1))
    )
    planes = RNG.integers(0, 256, (3, HEIGHT, WIDTH), dtype=np.uint8)
    meta = page(psd(planes, RGB, 8, resources=resources)).metadata
    assert meta.profile == srgb
    assert meta.xmp == b"<x:xmpmeta/>"
    assert meta.iptc == records
    assert b"\x04\x0a" in meta.resources
    assert meta.dpi == (300, 150)


def test_a_cut_file_is_refused():
    planes = RNG.integers(0, 256, (3, HEIGHT, WIDTH), dtype=np.uint8)
    for packing in ("raw", "rle", "zip"):
        data = psd(planes, RGB, 8, packing=packing)
        for length in (20, len(data) - 40):
            with pytest.raises(UnreadableError, match="damaged PSD"):
                read(data[:length])
