"""TIFF files written by tifffile: any depth, several pages, BigTIFF where it must be, with all metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile

from restorecli.photos.formats.packing import deflate
from restorecli.photos.formats.page import Page
from restorecli.photos.metadata import tiff_tags
from restorecli.photos.raster import Samples

_LARGEST_CLASSIC = 2**32 - 2**25  # bytes, uncompressed; offsets beyond need a BigTIFF
_STRIP = 1 << 20  # bytes per strip, about
_FLOAT_LEVEL = 1  # of libdeflate
_EVEN = 0.5  # of the differences in drawings and on pages of text
_XMP, _IPTC, _RESOURCES = 700, 33723, 34377
_BYTE, _UNDEFINED = 1, 7


def encode(pages: Sequence[Page], stream: BinaryIO) -> None:
    """Write `pages`, each a page of the file, to a seekable, readable stream."""
    big = sum(page.samples.nbytes for page in pages) >= _LARGEST_CLASSIC
    exif = pages[0].exif
    spooled = pages[0].spooled
    big_endian = spooled.big_endian if spooled else bool(exif and exif[:1] == b"M")
    if exif and big:
        pages[0].warnings.append("a BigTIFF does not get the EXIF data: left out")
        exif = None
    with writing(stream, exif, pages[0].warnings, big_endian=big_endian, big=big) as writer:
        for page in pages:
            _write_page(writer, page, big_endian)


@contextlib.contextmanager
def writing(
    stream: BinaryIO, exif: bytes | None, warnings: list[str], *, big_endian: bool, big: bool = False
) -> Iterator[tifffile.TiffWriter]:
    """Write a TIFF file, whose first page has the tags of an EXIF block; a broken block is warned of."""
    try:
        if exif:
            tiff_tags.begin(stream, exif, big_endian=big_endian)
    except ValueError as error:
        warnings.append(f"the EXIF data could not be written: {error}")
        exif = None
    order: Any = ">" if big_endian else "<"
    append: Any = "force" if exif else False
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder=order, append=append) as writer:
        yield writer
    try:
        if exif:
            tiff_tags.adopt(stream, exif)
    except ValueError as error:
        warnings.append(f"the EXIF data could not be written: {error}")


def strip(samples: Samples, *, big_endian: bool) -> bytes:
    """Return rows×W×C samples as a strip of such a file: differences (TIFF 6.0, section 14), deflated."""
    differences: Any = np.empty_like(samples, order="C")
    differences[:, 0] = samples[:, 0]
    np.subtract(samples[:, 1:], samples[:, :-1], out=differences[:, 1:])
    if samples.itemsize == 2:
        differences = differences.astype(">u2" if big_endian else "<u2", copy=False)
    rows = differences.view(np.uint8).reshape(len(differences), -1)
    if deflate.evenness(rows, samples.shape[2] * samples.itemsize) >= _EVEN:
        return bytes(deflate.drawing(rows))
    return bytes(deflate.photo(rows, samples.itemsize, patient=False))


def _strips(samples: Samples, rows: int, *, big_endian: bool) -> Iterator[bytes]:
    for start in range(0, len(samples), rows):
        yield strip(samples[start : start + rows], big_endian=big_endian)


def _write_page(writer: tifffile.TiffWriter, page: Page, big_endian: bool) -> None:
    height, width, channels = page.samples.shape
    gray = channels < 3
    rows = max(1, min(height, _STRIP // (width * channels * page.samples.itemsize)))
    options: dict[str, Any] = {}
    if page.pixels_per_unit is not None:
        *resolution, unit = page.pixels_per_unit
        options |= {"resolution": resolution, "resolutionunit": unit}
    elif page.dpi is not None:
        options |= {"resolution": page.dpi, "resolutionunit": "INCH"}
    blocks = [(_XMP, _BYTE, page.xmp), (_IPTC, _UNDEFINED, page.iptc), (_RESOURCES, _BYTE, page.resources)]
    shape = (height, width) if channels == 1 else page.samples.shape
    if page.spooled is not None:
        data: Any = page.spooled.strips()
        rows = page.spooled.rows
    elif page.samples.dtype.kind == "u":
        data = _strips(page.samples, rows, big_endian=big_endian)
    else:  # floats have a predictor of their own
        data = page.samples.reshape(shape)
    if page.samples.dtype.kind == "u":
        options |= {"shape": shape, "dtype": page.samples.dtype}
    options["extratags"] = [(tag, kind, len(data), data, True) for tag, kind, data in blocks if data]
    writer.write(
        data,
        photometric="minisblack" if gray else "rgb",
        planarconfig=None if channels == 1 else "contig",
        extrasamples=["unassalpha"] if page.has_alpha else None,
        compression="zlib",
        compressionargs={"level": _FLOAT_LEVEL},
        predictor=True,
        rowsperstrip=rows,
        iccprofile=page.icc,
        software=False,
        metadata=None,
        **options,
    )
