"""A file becomes a document: format by content, upright pages in float, and the metadata it carries."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restorecli.errors import TooLargeError, UnreadableError, first_line
from restorecli.imaging.orientation import upright
from restorecli.photo import Document, FloatArray, Photo
from restorecli.photos.formats import exr, jpeg, kinds, others, png, psd, tiff
from restorecli.photos.formats.bitmaps import netpbm
from restorecli.photos.formats.boxed import avif, heic, jpeg2000, jpegxl
from restorecli.photos.formats.extent import Extent
from restorecli.photos.limits import MOST_PIXELS, check_extents, check_memory
from restorecli.photos.metadata import carried as metadata
from restorecli.photos.metadata import colours, exif
from restorecli.photos.overheard import heard
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples, to_float
from restorecli.photos.raw import decode as raw

_ANIMATED = frozenset({"avif", "gif", "png", "webp"})
_ODD_KINDS = frozenset({"tga", "pcx", "sgi"})


def read(
    source: Path | bytes, *, name: str | None = None, max_pixels: int = MOST_PIXELS, frames: str = ""
) -> Document:
    """Read an image file.

    Args:
        source: a path, or the file's bytes.
        name: how messages call the file; the path where none is given.
        max_pixels: refuse files that state more, all pages together; what does not fit in the memory that
            this process may use is refused in any case.
        frames: what becomes of an animation (GIF, WebP, APNG, AVIF): "each" frame is a page, or only the
            "first" is read; "" refuses it.

    Returns:
        Its pages, each H×W×1 or H×W×3 float32 in 0–1 (float files may go beyond), upright.

    Raises:
        UnreadableError: the file is missing, damaged, cut short or not an image.
        UnsupportedError: an animation, or samples or a sensor of a kind that is not handled.
        TooLargeError: it states more pixels than allowed; nothing has been decoded then.
    """
    name = name or (str(source) if isinstance(source, Path) else "the data")
    with opened(source, name) as stream:
        stamp = stamp_of(stream)
        kind = kind_of(stream, name)
        extents = _extents(stream, kind, name)
        check_extents(extents, _length(stream), name, max_pixels)
        animated = _count_frames(stream, kind, name) if frames else 0
        if frames == "each" and animated:
            check_extents(extents * animated, _length(stream), name, max_pixels)
        pages = _pages(stream, kind, name, frames if animated else "")
        if kind != "raw" and Path(name).suffix.lower() in kinds.RAW_SUFFIXES:
            pages = (_doubted(pages[0], kind), *pages[1:])
        partial = len(pages) < animated
        return Document(pages, kind, name, fingerprint_of(stream), _unchanged(stream, stamp, name), partial)


def _pages(stream: BinaryIO, kind: str, name: str, frames: str) -> tuple[Photo, ...]:
    """The pages, with what decoders had to say of them; ``frames`` is set for an animation only."""

    def decode() -> Photo | list[Raster]:
        stream.seek(0)
        if kind == "raw":
            return raw.decode(stream, name)
        return others.decode(stream.read(), kind, name, frames) if frames else _decode(stream, kind, name)

    decoded, said = heard(decode, libraw=kind == "raw")
    pages = (decoded,) if isinstance(decoded, Photo) else tuple(_photos(decoded, kind, name))
    first = replace(pages[0], warnings=(*pages[0].warnings, *said))
    return (first, *pages[1:])


def _count_frames(stream: BinaryIO, kind: str, name: str) -> int:
    """The number of frames of an animation; 0 where the file is none."""
    if kind not in _ANIMATED:
        return 0
    stream.seek(0)
    count = others.count_frames(stream.read(), kind, name)
    return count if count > 1 else 0


def measure(source: Path | bytes, *, name: str | None = None) -> tuple[list[Extent], int]:
    """The sizes of a file's pages, from its headers only, and its length in bytes.

    Raises:
        PhotoError: see `size`.
    """
    name = name or (str(source) if isinstance(source, Path) else "the data")
    with opened(source, name) as stream:
        return _extents(stream, kind_of(stream, name), name), _length(stream)


def identify(source: Path | bytes, name: str) -> tuple[str, list[Extent], int]:
    """A file's kind, the sizes of its pages, from its headers only, and its length in bytes.

    Raises:
        PhotoError: see `size`.
    """
    with opened(source, name) as stream:
        kind = kind_of(stream, name)
        return kind, _extents(stream, kind, name), _length(stream)


def read_stream(stream: BinaryIO, name: str) -> bytes:
    """All bytes of standard input or of a pipe.

    Raises:
        UnreadableError: it cannot be read.
        TooLargeError: it does not end before the memory does.
    """
    blocks, length = [], 0
    try:
        while block := stream.read(1 << 20):
            blocks.append(block)
            length += len(block)
            check_memory(2 * length, f"more than {length >> 20} MiB from a pipe", name)
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be read: {error.strerror or error}") from error
    return b"".join(blocks)


def size(source: Path | bytes, *, name: str | None = None) -> tuple[int, int] | None:
    """Width and height of the first page, upright, from the header only.

    Returns:
        None where the header alone does not state it.

    Raises:
        UnreadableError: the file is missing, damaged or not an image.
        UnsupportedError: a kind that is not handled.
    """
    extents, _ = measure(source, name=name)
    if not extents or not extents[0].width:
        return None
    first = extents[0]
    return (first.height, first.width) if first.orientation >= 5 else (first.width, first.height)


@contextlib.contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    """A file, or bytes as one.

    Raises:
        UnreadableError: it cannot be opened.
        TooLargeError: what is done with it takes more memory than there is.
    """
    try:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be opened: {error.strerror or error}") from error
    with stream:
        try:
            yield stream
        except MemoryError as error:
            raise TooLargeError(f"{name}: too large for this machine's memory") from error


def kind_of(stream: BinaryIO, name: str) -> str:
    """A file's kind by its content, as `formats.kinds` names them.

    Raises:
        UnreadableError: it is empty, cannot be read or is no image.
    """
    try:
        head = stream.read(kinds.HEAD)
    except OSError as error:
        raise UnreadableError(f"{name}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise UnreadableError(f"{name}: the file is empty")
    kind = kinds.sniff(head)
    if kind == "" and Path(name).suffix.lower()[1:] in _ODD_KINDS:
        kind = Path(name).suffix.lower()[1:]  # formats without a signature
    if kind == "" and head[:2] == b"\xff\xd8":
        kind = "jpeg"  # with junk behind its first marker
    if _is_raw(kind, stream, Path(name).suffix.lower()):
        return "raw"
    if kind == "":
        raise UnreadableError(f"{name}: not an image, or of an unknown format")
    return kind


def _is_raw(kind: str, stream: BinaryIO, suffix: str) -> bool:
    """By content; the suffix counts where the content says nothing, or only that a camera made it."""
    if kind != "tiff":
        return kind == "raw" or (kind == "" and suffix in kinds.RAW_SUFFIXES)
    # A plain TIFF must not be taken for a mosaic, nor a RAW without a mosaic's tags for the thumbnail in it.
    return tiff.is_raw(stream) or (suffix in kinds.RAW_SUFFIXES - {".dng"} and tiff.names_camera(stream))


def _length(stream: BinaryIO) -> int:
    return stream.seek(0, os.SEEK_END)


def _extents(stream: BinaryIO, kind: str, name: str) -> list[Extent]:
    """The size of each page, as the headers state it; zeros where they do not."""
    try:
        if kind == "raw":
            return [heard(lambda: raw.extent(stream, name), libraw=True)[0]]
        if kind == "tiff":
            return tiff.extents(stream, name)
        if kind == "png":  # large ones can be restored without being read at once
            return [_extent(png.skeleton(stream, name), kind, name)]
        check_memory(_length(stream), "its bytes alone", name)
        stream.seek(0)
        return [heard(lambda: _extent(stream.read(), kind, name))[0]]
    except DECODE_ERRORS as error:  # whatever a parser of ours or of others stumbles over
        raise UnreadableError(f"{name}: the header is damaged: {first_line(error)}") from error


def _extent(data: bytes, kind: str, name: str) -> Extent:
    own = _EXTENTS.get(kind)
    size, block = own(data, name) if own else others.extent(data, kind, name)
    size = replace(size, beside=_BESIDE.get(kind, 0))
    try:
        return replace(size, orientation=exif.orientation(block) if block else 1)
    except ValueError:
        return size


def _decode(stream: BinaryIO, kind: str, name: str) -> list[Raster]:
    if kind == "tiff":
        return tiff.decode(stream, name)
    data = stream.read()
    return _DECODERS[kind](data, name) if kind in _DECODERS else others.decode(data, kind, name)


_DECODERS: dict[str, Callable[[bytes, str], list[Raster]]] = {
    "avif": avif.decode,
    "exr": exr.decode,
    "heic": heic.decode,
    "jpeg": jpeg.decode,
    "jpeg2000": jpeg2000.decode,
    "jpegxl": jpegxl.decode,
    "pfm": netpbm.decode,
    "png": png.decode,
    "pnm": netpbm.decode,
    "psd": psd.decode,
}
_EXTENTS: dict[str, Callable[[bytes, str], tuple[Extent, bytes | None]]] = {
    "heic": heic.extent,
    "jpeg": jpeg.extent,
    "jpeg2000": jpeg2000.extent,
    "pfm": netpbm.extent,
    "png": png.extent,
    "pnm": netpbm.extent,
    "psd": psd.extent,
}


_BESIDE = {"exr": 8, "jpeg2000": 4, "qoi": 6, "webp": 16}
"""Bytes a pixel that decoders were seen to take beside what they return (`docs/reliability.md`)."""


def _photos(rasters: list[Raster], kind: str, name: str) -> Iterator[Photo]:
    """The photos of rasters, each of which is let go on the way."""
    rasters.reverse()
    while rasters:
        yield photo_of(rasters.pop(), kind, name)


def photo_of(raster: Raster, kind: str, name: str) -> Photo:
    """A decoded picture as a photo: in its working space, upright, 0–1; the raster is used up.

    Args:
        raster: as a decoder gives it.
        kind: of the file, by content.
        name: how messages call it.

    Raises:
        UnreadableError: it has no pixels.
    """
    if raster.samples.size == 0:
        raise UnreadableError(f"{name}: the picture has no pixels")
    orientation = metadata.stated_orientation(raster)
    depth, colourless = raster.depth, raster.is_colourless
    alpha = None if raster.alpha is None else to_float(raster.alpha, raster.alpha_peak)
    if alpha is not None and raster.premultiplied:
        raster.samples, raster.peak = _unpremultiplied(raster, alpha), 1.0
    coloured = colours.to_working(raster)
    pixels = coloured.pixels
    if raster.samples.dtype.kind == "f" and not np.isfinite(pixels).all():
        raster.warnings.append("not-a-number and infinite samples were replaced")
        finite = pixels[np.isfinite(pixels)]
        high, low = (float(finite.max()), float(finite.min())) if finite.size else (1.0, 0.0)
        np.nan_to_num(pixels, copy=False, posinf=max(1.0, high), neginf=min(0.0, low))
    carried = metadata.carried(raster, coloured, orientation)
    return Photo(
        pixels=_turned(pixels, orientation),
        alpha=None if alpha is None else _turned(alpha, orientation),
        depth=depth,
        format=kind,
        metadata=carried,
        warnings=tuple(raster.warnings),
        quantisation=raster.quantisation,
        colourless=colourless,
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


def stamp_of(stream: BinaryIO) -> tuple[int, int]:
    """Length and time of change (ns) of a file; zeros for bytes in memory."""
    if isinstance(stream, io.BytesIO):
        return 0, 0
    state = os.fstat(stream.fileno())
    return state.st_size, state.st_mtime_ns


def _unchanged(stream: BinaryIO, stamp: tuple[int, int], name: str) -> tuple[int, int]:
    """The stamp that the file still has; what was read of it could else be half old, half new."""
    if stamp_of(stream) != stamp:
        raise UnreadableError(f"{name}: the file was changed while it was read", "run again when it is whole")
    return stamp


def fingerprint_of(stream: BinaryIO) -> str:
    """A hash of the whole file."""
    stream.seek(0)
    machine = hashlib.blake2b(digest_size=16)
    while block := stream.read(1 << 20):
        machine.update(block)
    return machine.hexdigest()
