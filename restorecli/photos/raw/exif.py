"""EXIF data of a RAW file: what its directories say about the photo, without how it is stored."""

from __future__ import annotations

import contextlib
import io
from datetime import datetime
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from restorecli.errors import PhotoError
from restorecli.photos.formats import jpeg
from restorecli.photos.metadata import exif, tiff_tags
from restorecli.photos.raster import DECODE_ERRORS

_MAKE, _MODEL, _DATE, _ARTIST, _EXIF_IFD = 0x010F, 0x0110, 0x0132, 0x013B, 0x8769
_EXPOSURE, _APERTURE, _ISO, _TAKEN, _FOCAL_LENGTH = 0x829A, 0x829D, 0x8827, 0x9003, 0x920A
_RECOMMENDED_ISO, _NO_ISO = 0x8832, 65535
_MAKER_NOTE, _PRINT = 0x927C, 0xC4A5
# How the mosaic lies (TIFF/EP), which the result has no more.
_SENSOR = frozenset((0x828D, 0x828E, 0x9216, 0xA302))
_FIRST, _FIRST_PRIVATE = 0x0100, 0xC000  # Panasonic's own tags lie below, DNG's and other makers' above
_RAF_PREVIEW = 84  # where a Fujifilm RAF says where its JPEG lies
_HEAD = _END = 1 << 16


def read(stream: BinaryIO, file: Any, name: str) -> tuple[bytes | None, str]:
    """The EXIF block, orientation 1, and the camera's maker and model.

    Maker notes are left out: they are full of offsets into the RAW file. Directories or a preview that are
    damaged or of an unusual kind tell less; the mosaic is none the worse for it.

    Args:
        stream: the RAW file.
        file: the same opened by rawpy, which knows a little of files whose directories are not followed here.
        name: how messages call the file.
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    block: bytes | None = None
    try:
        if head.startswith(b"FUJIFILM"):
            block = _of_preview(stream, name)
        elif head[:2] in (b"II", b"MM") and head[6:14] != b"HEAPCCDR":
            block, _ = tiff_tags.extract(stream, _tells_of_photo)
        block = exif.upright(block) if block else None
    except (PhotoError, *DECODE_ERRORS):
        block = None
    if block is None:
        stream.seek(-min(_END, stream.seek(0, 2)), 2)
        block = _made(file, *_make_and_model(head, stream.read()))
    return block, _camera(block) if block else ""


def speed(block: bytes | None, file: Any) -> float:
    """The ISO speed of the photo, by its EXIF block or else by LibRaw; 0 where neither tells.

    65535 stands for speeds that the 16-bit tag cannot hold; LibRaw knows some of them from makers' notes.
    """
    told = 0.0
    if block is not None:
        image = Image.Exif()
        inner: dict[int, Any] = {}
        with contextlib.suppress(*DECODE_ERRORS):
            image.load(block)
            inner = image.get_ifd(_EXIF_IFD)
        for tag in (_ISO, _RECOMMENDED_ISO):
            value = inner.get(tag, image.get(tag, 0))
            value = value[0] if isinstance(value, tuple) and value else value
            told = float(value) if isinstance(value, int) and value > 0 else told
            if 0 < told < _NO_ISO:
                return told
    other = float(file.other.iso_speed)
    return other if 0 < other < 1e7 and other != _NO_ISO else 0.0


def _tells_of_photo(tag: int, level: int) -> bool:
    if tag in _SENSOR or tag in (_MAKER_NOTE, _PRINT):
        return False
    return level > 0 or _FIRST <= tag < _FIRST_PRIVATE


def _of_preview(stream: BinaryIO, name: str) -> bytes | None:
    """EXIF of the JPEG in a RAF file."""
    stream.seek(_RAF_PREVIEW)
    at = int.from_bytes(stream.read(4), "big")
    length = int.from_bytes(stream.read(4), "big")
    stream.seek(at)
    block = jpeg.read_header(stream.read(length), name).exif
    return tiff_tags.extract(io.BytesIO(block), _tells_of_photo)[0] if block else None


def _make_and_model(head: bytes, end: bytes) -> tuple[str, str]:
    """Maker and model of Canon's CR3, whose boxes come first, and CRW, whose directory comes last."""
    at = head.find(b"CMT1")
    if head[4:12] == b"ftypcrx " and at >= 0:
        length = int.from_bytes(head[at - 4 : at], "big")
        try:
            return _texts(head[at + 4 : at - 4 + length])
        except ValueError:
            return "", ""
    if head[6:14] == b"HEAPCCDR" and (at := end.find(b"Canon\0Canon ")) >= 0:
        make, model = end[at : at + 64].split(b"\0")[:2]
        return make.decode("ascii", "replace"), model.decode("ascii", "replace")
    return "", ""


def _texts(block: bytes) -> tuple[str, str]:
    parsed = exif.Block(block)
    texts = []
    for tag in (_MAKE, _MODEL):
        entry = parsed.find(parsed.first, tag)
        value = b"" if entry is None else bytes(parsed.data[entry.value_at : entry.value_at + entry.size])
        texts.append(value.split(b"\0")[0].decode("ascii", "replace").strip())
    return texts[0], texts[1]


def _camera(block: bytes) -> str:
    try:
        make, model = _texts(block)
    except ValueError:
        return ""
    repeated = make and model.lower().startswith(make.split()[0].lower())
    return model if repeated else f"{make} {model}".strip()


def _made(file: Any, make: str, model: str) -> bytes | None:
    """An EXIF block of what LibRaw reports; None where that is nothing."""
    other = file.other
    block = Image.Exif()
    first: dict[int, Any] = {_MAKE: make, _MODEL: model, _ARTIST: other.artist.strip()}
    inner: dict[int, Any] = {
        _EXPOSURE: _rational(other.shutter_speed),
        _APERTURE: _rational(other.aperture),
        _FOCAL_LENGTH: _rational(other.focal_length),
        _ISO: round(other.iso_speed) if 0 < other.iso_speed < 65536 else None,
    }
    if isinstance(other.timestamp, datetime) and other.timestamp.year > 1980:
        first[_DATE] = inner[_TAKEN] = other.timestamp.strftime("%Y:%m:%d %H:%M:%S")
    inner = {tag: value for tag, value in inner.items() if value is not None}
    for tag, value in first.items():
        if value:
            block[tag] = value
    block.get_ifd(_EXIF_IFD).update(inner)
    return block.tobytes().removeprefix(b"Exif\0\0") if len(block) or inner else None


def _rational(value: float) -> IFDRational | None:
    if not 0 < value < 1e6:
        return None
    return IFDRational(1, round(1 / value)) if value < 0.3 else IFDRational(round(10 * value), 10)
