"""A file becomes a document: its kind told from its content, upright pages in float, and what it carries."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil

from restorecli.errors import TooLargeError, UnreadableError, UnsupportedError
from restorecli.imaging.orientation import upright
from restorecli.photo import Document, FloatArray, Photo
from restorecli.photos.formats import jpeg, kinds, others, png, tiff
from restorecli.photos.metadata import carried as metadata
from restorecli.photos.metadata import exif, profiles
from restorecli.photos.raster import Raster, Samples, to_float
from restorecli.photos.raw import decode as raw

MOST_PIXELS = 1_000_000_000
_BYTES_PER_PIXEL = 16  # decoded samples and the float picture together
_SHARE_OF_MEMORY = 0.8


def default_max_pixels() -> int:
    """The most pixels a file may have: a gigapixel, or as many as this machine's memory holds."""
    return min(MOST_PIXELS, int(psutil.virtual_memory().total * _SHARE_OF_MEMORY / _BYTES_PER_PIXEL))


def read(source: Path | bytes, *, name: str | None = None, max_pixels: int | None = None) -> Document:
    """Read an image file.

    Args:
        source: a path, or the file's bytes.
        name: how messages call the file; the path where none is given.
        max_pixels: refuse files that state more, all pages together; None for `default_max_pixels`.

    Returns:
        Its pages, each H×W×1 or H×W×3 float32 in 0–1 (float files may go beyond), upright.

    Raises:
        UnreadableError: the file is missing, damaged, cut short or not an image.
        UnsupportedError: an animation, or samples or a sensor of a kind that is not handled.
        TooLargeError: it states more pixels than allowed; nothing has been decoded then.
    """
    name = name or (str(source) if isinstance(source, Path) else "the data")
    with _opened(source, name) as stream:
        kind = _kind(stream, name)
        _check_sizes(_sizes(stream, kind, name), name, max_pixels)
        stream.seek(0)
        try:
            if kind == "raw":
                pages: tuple[Photo, ...] = (raw.decode(stream, name),)
            else:
                pages = tuple(_photo(raster, kind, name) for raster in _decode(stream, kind, name))
            if kind != "raw" and Path(name).suffix.lower() in kinds.RAW_SUFFIXES:
                pages = (_doubted(pages[0], kind), *pages[1:])
        except MemoryError as error:
            raise TooLargeError(f"{name}: too large for this machine's memory") from error
        return Document(pages, kind, name, _fingerprint(stream))


def size(source: Path | bytes, *, name: str | None = None) -> tuple[int, int] | None:
    """Width and height of the first page, upright, from the header only.

    Returns:
        None where the header alone does not tell.

    Raises:
        UnreadableError: the file is missing, damaged or not an image.
        UnsupportedError: a kind that is not handled.
    """
    name = name or (str(source) if isinstance(source, Path) else "the data")
    with _opened(source, name) as stream:
        sizes = _sizes(stream, _kind(stream, name), name)
    if not sizes or not sizes[0][0]:
        return None
    width, height, orientation = sizes[0]
    return (height, width) if orientation >= 5 else (width, height)


def _opened(source: Path | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be opened: {error.strerror or error}") from error


def _kind(stream: BinaryIO, name: str) -> str:
    try:
        head = stream.read(kinds.HEAD)
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise UnreadableError(f"{name}: the file is empty")
    kind = kinds.sniff(head)
    if kind == "" and Path(name).suffix.lower() in (".tga", ".pcx", ".sgi"):
        kind = Path(name).suffix.lower()[1:]  # formats without a signature
    if _is_raw(kind, stream, Path(name).suffix.lower()):
        return "raw"
    if kind == "heic":
        raise UnsupportedError(f"{name}: HEIC", "convert it to PNG, TIFF or AVIF first")
    if kind == "":
        raise UnreadableError(f"{name}: not an image, or of a kind that is not known")
    return kind


def _is_raw(kind: str, stream: BinaryIO, suffix: str) -> bool:
    """By content; the suffix counts where the content says nothing, or only that a camera made it."""
    if kind != "tiff":
        return kind == "raw" or (kind == "" and suffix in kinds.RAW_SUFFIXES)
    # A plain TIFF must not be taken for a mosaic, nor a RAW without a mosaic's tags for the thumbnail in it.
    return tiff.is_raw(stream) or (suffix in kinds.RAW_SUFFIXES - {".dng"} and tiff.names_camera(stream))


def _sizes(stream: BinaryIO, kind: str, name: str) -> list[tuple[int, int, int]]:
    """Width, height and orientation of each page, as the headers state them; zeros where they do not."""
    if kind == "raw":
        return [(*raw.size(stream, name), 1)]
    if kind == "tiff":
        return tiff.sizes(stream, name)
    stream.seek(0)
    data = stream.read()
    block: bytes | None
    if kind == "jpeg":
        jpeg_header = jpeg.read_header(data, name)
        width, height, block = jpeg_header.width, jpeg_header.height, jpeg_header.exif
    elif kind == "png":
        png_header = png.read_header(data, name)
        width, height, block = png_header.width, png_header.height, png_header.exif
    else:
        width, height, block = others.size_and_orientation(data, kind, name)
    try:
        return [(width, height, exif.orientation(block) if block else 1)]
    except ValueError:
        return [(width, height, 1)]


def _check_sizes(sizes: list[tuple[int, int, int]], name: str, max_pixels: int | None) -> None:
    limit = default_max_pixels() if max_pixels is None else max_pixels
    pixels = sum(width * height for width, height, _ in sizes)
    if pixels > limit:
        width, height, _ = sizes[0]
        what = f"{width}×{height} pixels" if len(sizes) == 1 else f"{pixels} pixels on {len(sizes)} pages"
        raise TooLargeError(f"{name}: {what} are more than the limit of {limit}", "cut it into parts first")


def _decode(stream: BinaryIO, kind: str, name: str) -> list[Raster]:
    if kind == "tiff":
        return tiff.decode(stream, name)
    decoders: dict[str, Callable[[bytes, str], list[Raster]]] = {"jpeg": jpeg.decode, "png": png.decode}
    data = stream.read()
    return decoders[kind](data, name) if kind in decoders else others.decode(data, kind, name)


def _photo(raster: Raster, kind: str, name: str) -> Photo:
    if raster.samples.size == 0:
        raise UnreadableError(f"{name}: the picture has no pixels")
    orientation = metadata.stated_orientation(raster)
    depth = raster.depth
    height, width = raster.samples.shape[:2]
    extent = (height, width) if orientation >= 5 else (width, height)
    alpha = None if raster.alpha is None else to_float(raster.alpha, raster.alpha_peak)
    if alpha is not None and raster.premultiplied:
        raster.samples, raster.peak = _unpremultiplied(raster, alpha), 1.0
    pixels, profile, working = profiles.to_working(raster)
    if raster.samples.dtype.kind == "f" and not np.isfinite(pixels).all():
        raster.warnings.append("not-a-number and infinite samples were replaced")
        np.nan_to_num(pixels, copy=False)
    carried = metadata.carried(raster, profile, working, extent)
    return Photo(
        pixels=_turned(pixels, orientation),
        alpha=None if alpha is None else _turned(alpha, orientation),
        depth=depth,
        format=kind,
        metadata=carried,
        warnings=tuple(raster.warnings),
        quantisation=raster.quantisation,
    )


def _doubted(photo: Photo, kind: str) -> Photo:
    warning = f"its name is that of camera RAW, but it is a {kind.upper()} file"
    return replace(photo, warnings=(*photo.warnings, warning))


def _turned(array: FloatArray, orientation: int) -> FloatArray:
    return array if orientation == 1 else np.ascontiguousarray(upright(array, orientation))


def _unpremultiplied(raster: Raster, alpha: FloatArray) -> Samples:
    colour = to_float(raster.samples, raster.peak)
    with np.errstate(divide="ignore", invalid="ignore"):
        colour /= alpha[:, :, None]
    colour[alpha == 0] = 0
    return colour if raster.samples.dtype.kind == "f" else np.minimum(colour, 1, out=colour)


def _fingerprint(stream: BinaryIO) -> str:
    """A hash of the whole file."""
    stream.seek(0)
    machine = hashlib.blake2b(digest_size=16)
    while block := stream.read(1 << 20):
        machine.update(block)
    return machine.hexdigest()
