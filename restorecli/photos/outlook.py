"""What is to be expected of a file by its headers and its end, without decoding a pixel."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from restorecli.errors import TooLargeError, UnreadableError, UnsupportedError, first_line
from restorecli.photo import Quantisation
from restorecli.photos import limits, read
from restorecli.photos.formats import jpeg, others, png, tiff
from restorecli.photos.giants.picture import need_not_be_held
from restorecli.photos.raster import DECODE_ERRORS

_BY_PILLOW = frozenset({"gif", "webp", "bmp", "tga"})
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


@dataclass(frozen=True)
class Outlook:
    """A file that can be restored, as far as can be told.

    Attributes:
        kind: as `kinds.sniff` tells it.
        width, height: of the first page, upright; 0 where the header does not tell.
        pages: how many.
        quantisation: a JPEG file's tables.
    """

    kind: str
    width: int
    height: int
    pages: int
    quantisation: Quantisation | None = None


def outlook(source: Path | bytes, name: str | None = None) -> Outlook:
    """Look at a file.

    Args:
        source: its path, or its bytes.
        name: how messages call it; the path where none is given.

    Raises:
        UnreadableError: it is missing, empty, damaged or cut short.
        UnsupportedError: an animation, or a kind that is not handled.
        TooLargeError: it states more pixels than can be held.
    """
    name = name or str(source)
    kind, extents, length = read.identify(source, name)
    held = True
    try:
        limits.check_extents(extents, length, name)
    except TooLargeError:
        held = False
        if len(extents) != 1 or not isinstance(source, Path) or not need_not_be_held(source, kind, name):
            raise
    if not extents:
        raise UnreadableError(f"{name}: damaged {kind} file: it holds no picture")
    first = extents[0]
    sides = (first.height, first.width) if first.orientation >= 5 else (first.width, first.height)
    tables = None
    with read.opened(source, name) as stream:
        try:
            if kind == "tiff":
                tiff.check_whole(stream, name)
            elif kind == "png":
                header = png.read_header(stream.read() if held else png.skeleton(stream, name), name)
                if header.frames > 1:
                    raise UnsupportedError(f"{name}: an animation of {header.frames} frames")
            elif kind == "jpeg":
                data = stream.read()
                tables = jpeg.read_header(data, name).quantisation
                if _SCAN not in data or data.rfind(_END) < data.rfind(_SCAN):
                    raise UnreadableError(f"{name}: damaged JPEG: the file is cut short")
            elif kind in _BY_PILLOW:
                _check_frames(stream, kind, name)
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged {kind} file: {first_line(error)}") from error
    return Outlook(kind, *sides, len(extents), tables)


def _check_frames(stream: BinaryIO, kind: str, name: str) -> None:
    data = stream.read()
    if _stated_length(data, kind) > len(data):
        raise UnreadableError(f"{name}: damaged {kind} file: it is cut short")
    if kind != "bmp":
        others.still_metadata(data, kind, name)


def _stated_length(data: bytes, kind: str) -> int:
    """The bytes that a file must have by its header (RIFF, BITMAPINFOHEADER); 0 where it does not say."""
    if kind == "webp":
        return int.from_bytes(data[4:8], "little") + 8
    if kind == "bmp" and len(data) >= 34 and struct.unpack_from("<I", data, 30)[0] == 0:
        start, width, height, bits = map(int, struct.unpack_from("<I4xii2xH", data, 10))
        return start + (abs(width) * bits + 31) // 32 * 4 * abs(height)
    return 0
