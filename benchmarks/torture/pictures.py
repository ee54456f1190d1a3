"""One small file of every format and of many of their kinds, made here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

RNG = np.random.default_rng(11)
SMOOTH = np.add.outer(np.arange(33) * 3, np.arange(45) * 2)[:, :, None] + np.array([0, 20, 60])
RGB = np.clip(SMOOTH + RNG.normal(0, 9, SMOOTH.shape), 0, 255).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = Image.Exif()
EXIF[0x010F], EXIF[0x0112], EXIF[0x0132] = "Maker", 6, "2026:11:25 10:00:00"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF></rdf:RDF></x:xmpmeta>"


def by_pillow(form: str, mode: str = "RGB", **options: Any) -> bytes:
    """Return the picture as Pillow writes it."""
    buffer = io.BytesIO()
    Image.fromarray(RGB).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def tiff(*pages: np.ndarray, big: bool = False, **options: Any) -> bytes:
    """Return pages as a TIFF file."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=big) as writer:
        for page in pages:
            writer.write(page, metadata=None, **options)
    return buffer.getvalue()


def all_formats() -> dict[str, bytes]:
    """Return name → bytes."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a picture" * 20, zip=True)
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    deep = RGB.astype(np.uint16) * 257
    gray = RGB[:, :, 0]
    return {
        "plain.png": by_pillow("PNG"),
        "tagged.png": by_pillow("PNG", pnginfo=text, icc_profile=PROFILE, exif=EXIF.tobytes()),
        "palette.png": by_pillow("PNG", "P"),
        "alpha.png": by_pillow("PNG", "RGBA"),
        "deep.png": bytes(imagecodecs.png_encode(deep)),
        "plain.jpg": by_pillow("JPEG", quality=85),
        "tagged.jpg": by_pillow("JPEG", exif=EXIF.tobytes(), icc_profile=PROFILE, xmp=XMP),
        "progressive.jpg": by_pillow("JPEG", progressive=True),
        "gray.jpg": by_pillow("JPEG", "L"),
        "cmyk.jpg": by_pillow("JPEG", "CMYK"),
        "lossless.webp": by_pillow("WEBP", lossless=True),
        "lossy.webp": by_pillow("WEBP", exif=EXIF.tobytes(), icc_profile=PROFILE),
        "strips.tif": tiff(RGB, rowsperstrip=5),
        "lzw.tif": tiff(RGB, gray, compression="lzw"),
        "deflate.tif": tiff(deep, compression="zlib", predictor=True, iccprofile=PROFILE),
        "tiled.tif": tiff(RGB, tile=(16, 16)),
        "big.tif": tiff(RGB, big=True),
        "float.tif": tiff(RGB.astype(np.float32) / 255),
        "planar.tif": tiff(np.moveaxis(RGB, -1, 0), planarconfig="separate", photometric="rgb"),
        "plain.bmp": by_pillow("BMP"),
        "palette.bmp": by_pillow("BMP", "P"),
        "plain.gif": by_pillow("GIF", "P"),
        "plain.avif": by_pillow("AVIF"),
        "plain.jp2": bytes(imagecodecs.jpeg2k_encode(RGB, codecformat="jp2", reversible=True)),
        "stream.j2k": bytes(imagecodecs.jpeg2k_encode(deep, codecformat="j2k", reversible=True)),
        "plain.jxl": bytes(imagecodecs.jpegxl_encode(RGB)),
        "plain.hdr": bytes(imagecodecs.rgbe_encode(RGB.astype(np.float32) / 255)),
        "plain.qoi": bytes(imagecodecs.qoi_encode(RGB)),
        "plain.ppm": by_pillow("PPM"),
        "deep.pgm": b"P5\n45 33\n65535\n" + gray.astype(">u2").tobytes(),
        "plain.pfm": b"PF\n45 33\n-1.0\n" + (RGB.astype("<f4") / 255).tobytes(),
        "plain.tga": by_pillow("TGA"),
    }


def folder(path: Path, count: int) -> Path:
    """Fill a new folder with noisy pictures, no two alike, and return it."""
    path.mkdir(parents=True)
    for index in range(count):
        rng = np.random.default_rng(index)
        pixels = np.clip(SMOOTH + rng.normal(0, 15, SMOOTH.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path / f"{index:02}.png")
    return path
