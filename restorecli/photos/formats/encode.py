"""Pages become the bytes of a file: samples rounded to the wanted depth, then one encoder per format."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from restorecli.imaging.cicp import Cicp
from restorecli.photo import Depth, Metadata, Photo, Rounded
from restorecli.photos.formats import png
from restorecli.photos.formats.boxed import jpeg2000
from restorecli.photos.formats.boxed.avif_metadata import with_metadata
from restorecli.photos.formats.packing import png_write
from restorecli.photos.formats.page import ON_WHITE, SAMPLE_TYPES, Page, on_white, quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import carried as md
from restorecli.photos.metadata import colours, exif, georeference, iptc, microscopy
from restorecli.photos.raster import Samples

_LONGEST_SEGMENT = 65533 - 34  # bytes of EXIF or XMP that a JPEG segment holds behind its name
_LONGEST_COMMENT = 65533
_DENSEST = 65535  # dots per inch of JFIF
_OURS = ("Software", "restore")  # text entries that say what was done
_MOST_NAMED = 5
_BT2020 = 9  # colour primaries of ITU-T H.273
_BT2020_MATRIX, _BT601_MATRIX = 9, 6  # matrix coefficients there


def prepare(photo: Photo, name: str, depth: Depth, strip: bool, provenance: Mapping[str, str]) -> Page:
    """A page for format `name`: colours in the file's own space, alpha joined or flattened, metadata true."""
    if name == "dng":
        # Few runs write DNG, and tifffile takes a while to import.
        from restorecli.photos.formats import dng

        return dng.prepare(photo, strip, provenance)
    if photo.rounded is not None:
        return _rounded_page(photo, photo.rounded, name, strip, provenance)
    form = FORMATS[name]
    coloured = colours.from_working(photo, form.metadata, depth)
    colour, warnings = coloured.pixels, [f"{name}: {text}" for text in coloured.warnings]
    alpha = photo.alpha
    if alpha is not None and not form.alpha:
        if (alpha < 1).any():
            warnings.append(f"{name} {ON_WHITE}")
            colour = on_white(colour, alpha)
        alpha = None
    height, width, channels = colour.shape
    samples = np.empty((height, width, channels + (alpha is not None)), SAMPLE_TYPES.get(depth, np.float32))
    quantized(colour, depth, samples[:, :, :channels])
    if alpha is not None:
        quantized(alpha, depth, samples[:, :, channels])
    page = Page(
        samples,
        alpha is not None,
        icc=coloured.profile,
        cicp=coloured.cicp,
        mastering=photo.metadata.mastering,
        chromaticities=coloured.chromaticities,
        duration=photo.metadata.duration,
        warnings=warnings,
    )
    if not strip:
        _describe(page, photo, name, provenance)
    return page


def _rounded_page(
    photo: Photo, rounded: Rounded, name: str, strip: bool, provenance: Mapping[str, str]
) -> Page:
    cicp = None if rounded.cicp is None else Cicp(*rounded.cicp)
    page = Page(
        photo.pixels,
        rounded.alpha,
        icc=rounded.profile,
        cicp=cicp,
        mastering=photo.metadata.mastering,
        chromaticities=rounded.chromaticities,
        duration=photo.metadata.duration,
        spooled=rounded.spooled,
        warnings=list(rounded.warnings),
    )
    if not strip:
        _describe(page, photo, name, provenance)
    return page


def _describe(page: Page, photo: Photo, name: str, provenance: Mapping[str, str]) -> None:
    held, size, kept = FORMATS[name].metadata, (photo.width, photo.height), photo.metadata
    if "exif" in held:
        # Formats without a place of their own for the resolution have it in EXIF.
        has_place = "dpi" in held and not (name == "jpg" and kept.dpi and not _is_jfif_density(kept.dpi))
        page.exif = md.exif_for(kept, *size, provenance, None if has_place else kept.dpi)
    if "xmp" in held:
        page.xmp = md.xmp_for(kept, *size, provenance)
    page.dpi = kept.dpi
    if "iptc" in held:
        page.iptc, page.resources = kept.iptc, kept.resources
    if "text" in held:
        page.text = md.text_for(kept, provenance)
    elif "comment" in held:
        page.text = tuple(entry for entry in kept.description if entry[0] == "Comment")
    lost = _lost(kept, page.text, held)
    if page.mastering and not (page.cicp and "mastering" in held):
        lost.append("mastering display")
    if lost:
        page.warnings.append(f"{name} cannot carry {', '.join(lost)} data: left out")
    if name == "tiff":
        _measure(page, photo)
    elif page.exif:
        _without_georeference(page, name)


def _is_jfif_density(dpi: tuple[float, float]) -> bool:
    """Whether JPEG's own field holds a resolution; that of microscopes is finer."""
    return min(dpi) >= 1 and max(dpi) <= _DENSEST


def _lost(kept: Metadata, text: tuple[tuple[str, str], ...], held: Collection[str]) -> list[str]:
    """What a photo carries and the format has no place for."""
    captions = kept.iptc or kept.resources
    lost = [
        label
        for label, value in (("EXIF", kept.exif), ("XMP", kept.xmp), ("IPTC", captions))
        if value is not None and label.lower() not in held
    ]
    if kept.dpi is not None and not {"dpi", "exif"} & set(held):
        lost.append("resolution")
    if kept.pixels_per_unit is not None and "pixels_per_unit" not in held:
        lost.append("calibration")
    keys = dict.fromkeys(key for key, _ in kept.description if key not in _OURS)
    if "text" not in held and (unsaid := [key for key in keys if key not in dict(text)]):
        lost.append(f"text ({', '.join(unsaid[:_MOST_NAMED])})")
    return lost


def _measure(page: Page, photo: Photo) -> None:
    """What tells of pixels in a TIFF alone: georeference, calibration, sizes in the description."""
    kept = photo.metadata
    if kept.size is None:
        return
    across, down = photo.width / kept.size[0], photo.height / kept.size[1]
    if kept.pixels_per_unit is not None:
        x, y, unit = kept.pixels_per_unit
        page.pixels_per_unit, page.dpi = (x * across, y * down, unit), None
    if page.exif and (across, down) != (1, 1):
        with contextlib.suppress(ValueError):
            page.exif = georeference.rescaled(page.exif, across, down)
            page.exif = microscopy.rescaled(page.exif, (photo.width, photo.height), across, down)


def _without_georeference(page: Page, name: str) -> None:
    with contextlib.suppress(ValueError):
        if page.exif and georeference.is_in(page.exif):
            page.exif = exif.without(page.exif, georeference.TAGS)
            page.warnings.append(f"{name} cannot carry a georeference (GeoTIFF): left out")


def _png(page: Page, stream: BinaryIO, quality: int) -> None:
    body = png_write.spooled_body(page, page.spooled) if page.spooled else png_write.body(page.samples)
    stream.write(next(body))
    stream.write(png_chunks(page))
    for part in body:
        stream.write(part)


def png_chunks(page: Page) -> bytes:
    """What stands in a PNG beside the pixels of a page, as chunks."""
    extra = b""
    if page.cicp:
        extra += png.chunk(b"cICP", bytes(map(int, page.cicp)))
        extra += b"".join(png.chunk(name.encode(), body) for name, body in page.mastering)
    if page.icc:
        extra += png.chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(page.icc))
    if page.dpi:
        extra += png.chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in page.dpi), 1))
    if page.exif:
        extra += png.chunk(b"eXIf", page.exif)
    if page.xmp:
        extra += png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + page.xmp)
    if page.iptc or page.resources:
        text = iptc.to_text(page.iptc, page.resources)
        extra += png.chunk(b"tEXt", b"Raw profile type iptc\0" + text.encode())
    for key, value in page.text:
        extra += _png_text(key, value)
    return extra


def _png_text(key: str, value: str) -> bytes:
    keyword = key.encode("latin-1", "replace")[:79].strip() or b"Comment"
    try:
        return png.chunk(b"tEXt", keyword + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return png.chunk(b"iTXt", keyword + b"\0\0\0\0\0" + value.encode("utf-8"))


def _jpg(page: Page, stream: BinaryIO, quality: int) -> None:
    options: dict[str, object] = {"subsampling": "4:4:4" if quality >= 90 else "4:2:0"}
    if page.dpi and _is_jfif_density(page.dpi):
        options["dpi"] = tuple(round(value) for value in page.dpi)
    for label, value in (("exif", page.exif), ("xmp", page.xmp)):
        if value and len(value) > _LONGEST_SEGMENT:
            page.warnings.append(f"the {label.upper()} data is too long for a JPEG: left out")
        elif value:
            options[label] = b"Exif\0\0" + value if label == "exif" else value
    extra = b"".join(_comment_segment(value, page) for _, value in page.text)
    captioned = page.iptc or page.resources
    segment = iptc.to_segment(page.iptc, page.resources) if captioned else None
    if segment:
        extra += segment
    elif captioned:
        page.warnings.append("the IPTC data is too long for a JPEG: left out")
    options["extra"] = extra
    Image.fromarray(page.plain).save(stream, "JPEG", quality=quality, icc_profile=page.icc, **options)


def _comment_segment(value: str, page: Page) -> bytes:
    data = value.encode("utf-8")
    if len(data) > _LONGEST_COMMENT:
        page.warnings.append("a comment is too long for a JPEG: left out")
        return b""
    return b"\xff\xfe" + struct.pack(">H", len(data) + 2) + data


def _webp(page: Page, stream: BinaryIO, quality: int) -> None:
    options = {key: value for key, value in (("exif", page.exif), ("xmp", page.xmp)) if value}
    Image.fromarray(coloured(page.samples)).save(
        stream, "WEBP", lossless=True, exact=True, quality=50, method=2, icc_profile=page.icc, **options
    )


def _avif(page: Page, stream: BinaryIO, quality: int) -> None:
    if page.cicp is not None and page.cicp.is_hdr:
        _avif_hdr(page, stream, quality)
        return
    # Pillow rewrites a block with an orientation, and moves maker notes by that.
    block = exif.without(page.exif, {exif.ORIENTATION}) if page.exif else None
    options = {key: value for key, value in (("exif", block), ("xmp", page.xmp)) if value}
    image = Image.fromarray(page.plain)
    image.save(stream, "AVIF", quality=quality, subsampling="4:4:4", icc_profile=page.icc, **options)


def _avif_hdr(page: Page, stream: BinaryIO, quality: int) -> None:
    """10 bits with code points, which Pillow cannot write; what can writes no metadata, which come after."""
    assert page.cicp is not None
    matrix = _BT2020_MATRIX if page.cicp.primaries == _BT2020 else _BT601_MATRIX
    samples = np.rint(np.ascontiguousarray(page.plain) * np.float32(1023 / 65535)).astype(np.uint16)
    encoded = bytes(
        imagecodecs.avif_encode(
            samples,
            level=quality,
            speed=6,
            bitspersample=10,
            primaries=page.cicp.primaries,
            transfer=page.cicp.transfer,
            matrix=matrix,
        )
    )
    block = exif.without(page.exif, {exif.ORIENTATION}) if page.exif else None
    try:
        encoded = with_metadata(encoded, block, page.xmp, page.mastering)
    except ValueError:
        page.warnings.append(
            "the EXIF, XMP and mastering display data could not be put into the AVIF: left out"
        )
    stream.write(encoded)


def _jp2(page: Page, stream: BinaryIO, quality: int) -> None:
    plain = np.ascontiguousarray(page.plain)
    encoded = bytes(imagecodecs.jpeg2k_encode(plain, codecformat="jp2", reversible=True))
    stream.write(jpeg2000.with_metadata(encoded, page))


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
    Image.fromarray(page.plain).save(stream, "TGA")


def _qoi(page: Page, stream: BinaryIO, quality: int) -> None:
    stream.write(imagecodecs.qoi_encode(np.ascontiguousarray(coloured(page.samples))))


def coloured(samples: Samples) -> Samples:
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
    """Write pages of format `name` to a seekable stream; only TIFF takes more than one here.

    Raises:
        OSError, ValueError: the stream or the encoder fails.
    """
    if name == "tiff":
        # tifffile takes a while to import, and most runs write PNG.
        from restorecli.photos.formats.packing import tiff_write

        tiff_write.encode(pages, stream)
    elif name == "exr":
        from restorecli.photos.formats import exr

        exr.encode(pages[0], stream)
    elif name == "dng":
        from restorecli.photos.formats import dng

        dng.encode(pages[0], stream)
    else:
        _ENCODERS[name](pages[0], stream, quality)
