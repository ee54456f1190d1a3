"""Pages become the bytes of a file: samples rounded to the wanted depth, then one encoder per format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

import imagecodecs
import imageio.v3 as iio
import numpy as np
from PIL import Image

from restorecli.photo import Depth, Photo
from restorecli.photos.formats import png
from restorecli.photos.formats.page import SAMPLE_TYPES, Page, quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import carried as md
from restorecli.photos.metadata import iptc, profiles
from restorecli.photos.raster import Samples

_LONGEST_SEGMENT = 65533 - 34  # bytes of EXIF or XMP that a JPEG segment holds behind its name
_PNG_LEVEL = 3  # a few percent larger than the usual 6, in a third of the time


def prepare(photo: Photo, name: str, depth: Depth, strip: bool, provenance: Mapping[str, str]) -> Page:
    """A page for format `name`: colours in the file's own space, alpha joined or flattened, metadata true."""
    if name == "dng":
        # Few runs write DNG, and tifffile takes a while to import.
        from restorecli.photos.formats import dng

        return dng.prepare(photo, strip, provenance)
    warnings: list[str] = []
    form = FORMATS[name]
    colour, profile = profiles.from_working(photo.pixels, photo.metadata, depth)
    alpha = photo.alpha
    if alpha is not None and not form.alpha:
        if (alpha < 1).any():
            warnings.append(f"{name} cannot store transparency: the picture was put on white")
            colour = colour * alpha[:, :, None] + (1 - alpha[:, :, None])
        alpha = None
    height, width, channels = colour.shape
    samples = np.empty((height, width, channels + (alpha is not None)), SAMPLE_TYPES.get(depth, np.float32))
    quantized(colour, depth, samples[:, :, :channels])
    if alpha is not None:
        quantized(alpha, depth, samples[:, :, channels])
    page = Page(samples, alpha is not None, icc=profile, warnings=warnings)
    if profile is not None and "icc" not in form.metadata:
        page.samples, page.icc = _in_srgb(photo, page, depth), None
        warnings.append(f"{name} cannot carry a colour profile: the result is in sRGB")
    if not strip:
        _describe(page, photo, name, provenance)
    return page


def _in_srgb(photo: Photo, page: Page, depth: Depth) -> Samples:
    channels = photo.pixels.shape[2]
    quantized(profiles.to_srgb(photo.pixels, photo.metadata), depth, page.samples[:, :, :channels])
    return page.samples


def _describe(page: Page, photo: Photo, name: str, provenance: Mapping[str, str]) -> None:
    held, size, kept = FORMATS[name].metadata, (photo.width, photo.height), photo.metadata
    page.exif = md.exif_for(kept, *size, provenance)
    page.xmp = md.xmp_for(kept, *size, provenance)
    page.dpi = kept.dpi
    page.iptc = kept.iptc if "iptc" in held else None
    page.text = md.text_for(kept, provenance) if "text" in held else ()
    lost = [
        label
        for label, value in (("EXIF", kept.exif), ("XMP", kept.xmp), ("IPTC", kept.iptc))
        if value is not None and label.lower() not in held
    ]
    if lost:
        page.warnings.append(f"{name} cannot carry {', '.join(lost)} data: left out")
    page.exif = page.exif if "exif" in held else None
    page.xmp = page.xmp if "xmp" in held else None


def _png(page: Page, stream: BinaryIO, quality: int) -> None:
    body = imagecodecs.png_encode(np.ascontiguousarray(page.plain), level=_PNG_LEVEL)
    extra = b""
    if page.icc:
        extra += png.chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(page.icc))
    if page.dpi:
        extra += png.chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in page.dpi), 1))
    if page.exif:
        extra += png.chunk(b"eXIf", page.exif)
    if page.xmp:
        extra += png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + page.xmp)
    if page.iptc:
        extra += png.chunk(b"tEXt", b"Raw profile type iptc\0" + iptc.to_text(page.iptc).encode())
    for key, value in page.text:
        extra += _png_text(key, value)
    for part in png.insert_chunks(body, extra):
        stream.write(part)


def _png_text(key: str, value: str) -> bytes:
    keyword = key.encode("latin-1", "replace")[:79].strip() or b"Comment"
    try:
        return png.chunk(b"tEXt", keyword + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return png.chunk(b"iTXt", keyword + b"\0\0\0\0\0" + value.encode("utf-8"))


def _jpg(page: Page, stream: BinaryIO, quality: int) -> None:
    options: dict[str, object] = {"subsampling": "4:4:4" if quality >= 90 else "4:2:0"}
    if page.dpi:
        options["dpi"] = tuple(round(value) for value in page.dpi)
    for label, value in (("exif", page.exif), ("xmp", page.xmp)):
        if value and len(value) > _LONGEST_SEGMENT:
            page.warnings.append(f"the {label.upper()} data is too long for a JPEG: left out")
        elif value:
            options[label] = b"Exif\0\0" + value if label == "exif" else value
    segment = iptc.to_segment(page.iptc) if page.iptc else None
    if segment:
        options["extra"] = segment
    elif page.iptc:
        page.warnings.append("the IPTC data is too long for a JPEG: left out")
    Image.fromarray(page.plain).save(stream, "JPEG", quality=quality, icc_profile=page.icc, **options)


def _webp(page: Page, stream: BinaryIO, quality: int) -> None:
    options = {key: value for key, value in (("exif", page.exif), ("xmp", page.xmp)) if value}
    Image.fromarray(_coloured(page.samples)).save(
        stream, "WEBP", lossless=True, exact=True, quality=50, method=2, icc_profile=page.icc, **options
    )


def _avif(page: Page, stream: BinaryIO, quality: int) -> None:
    options = {key: value for key, value in (("exif", page.exif), ("xmp", page.xmp)) if value}
    image = Image.fromarray(page.plain)
    image.save(stream, "AVIF", quality=quality, subsampling="4:4:4", icc_profile=page.icc, **options)


def _jp2(page: Page, stream: BinaryIO, quality: int) -> None:
    stream.write(
        imagecodecs.jpeg2k_encode(np.ascontiguousarray(page.plain), codecformat="jp2", reversible=True)
    )


def _bmp(page: Page, stream: BinaryIO, quality: int) -> None:
    options = {} if page.dpi is None else {"dpi": tuple(round(value) for value in page.dpi)}
    Image.fromarray(page.plain).save(stream, "BMP", **options)


def _ppm(page: Page, stream: BinaryIO, quality: int) -> None:
    height, width, channels = page.samples.shape
    deep = page.samples.dtype == np.uint16
    head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{65535 if deep else 255}\n"
    stream.write(head.encode())
    stream.write(page.samples.astype(">u2" if deep else np.uint8).tobytes())


def _tga(page: Page, stream: BinaryIO, quality: int) -> None:
    stream.write(iio.imwrite("<bytes>", page.plain, extension=".tga"))


def _qoi(page: Page, stream: BinaryIO, quality: int) -> None:
    stream.write(imagecodecs.qoi_encode(np.ascontiguousarray(_coloured(page.samples))))


def _coloured(samples: Samples) -> Samples:
    """Gray samples as RGB, for formats that have no gray."""
    if samples.shape[2] > 2:
        return samples
    return np.concatenate([np.repeat(samples[:, :, :1], 3, axis=2), samples[:, :, 1:]], axis=2)


_ENCODERS: dict[str, Callable[[Page, BinaryIO, int], None]] = {
    "png": _png,
    "jpg": _jpg,
    "webp": _webp,
    "avif": _avif,
    "jp2": _jp2,
    "bmp": _bmp,
    "ppm": _ppm,
    "tga": _tga,
    "qoi": _qoi,
}


def encode(pages: Sequence[Page], name: str, stream: BinaryIO, quality: int) -> None:
    """Write pages of format `name` to a seekable stream; only TIFF takes more than one.

    Raises:
        OSError, ValueError: the stream or the encoder fails.
    """
    if name == "tiff":
        # tifffile takes a while to import, and most runs write PNG.
        from restorecli.photos.formats import tiff_write

        tiff_write.encode(pages, stream)
    elif name == "dng":
        from restorecli.photos.formats import dng

        dng.encode(pages[0], stream)
    else:
        _ENCODERS[name](pages[0], stream, quality)
