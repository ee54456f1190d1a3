"""JPEG files: their segments, and their pixels by libjpeg-turbo with its warnings heard.

Segments are read here, not by Pillow. Of 75 files it gives the same sizes, tables, EXIF, XMP and profiles.
But it opens none with 12 bits or with junk behind the first marker, gives a resolution from EXIF as if it
were JFIF's (10 files), keeps the last of several comments, and tells neither of a broken profile nor of what
it leaves out.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

import imagecodecs
import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Quantisation
from restorecli.photos.formats.extent import Extent
from restorecli.photos.metadata import dcf, iptc
from restorecli.photos.raster import Raster, from_interleaved

_JPEG_LS = 0xF7  # its frame (ITU-T T.87, C.1.1)
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_LONG_XMP = b"http://ns.adobe.com/xmp/extension/\x00"
# Segments that tell of the encoding, which is another one in the result, or hold a thumbnail.
_OF_THE_ENCODING = (b"JFIF\0", b"JFXX\0", b"Adobe", b"Ducky", b"AVI1", b"Exif\0", _XMP)
_SEGMENT_NAME = re.compile(rb"[A-Za-z][\w./: -]{1,30}")
_MOST_NAMED = 5
_MOST_SCANS = 500  # progressive files have about ten
# Complaints of libjpeg about files whose picture is whole all the same.
_HARMLESS = (
    "extraneous bytes",
    "bad ICC marker",
    "unknown JFIF revision",
    "Adobe color transform",
    "Inconsistent progression",
    "Invalid SOS parameters",
)
# One about a file whose pixels may all be there, and one about sampling that TurboJPEG has no name for.
_NO_END = "Premature end of JPEG file"
_UNKNOWN_SAMPLING = "Could not determine subsampling"
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_PADDING = 64  # bytes behind the end that nobody misses
# Where the k-th coefficient of the file lies in the 8×8 block, row by row (ITU-T T.81, figure A.6):
# diagonal by diagonal, downwards on the odd ones.
_ZIGZAG = np.array(
    sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))
)


@dataclass
class Header:
    """What stands in a JPEG file before its pixels."""

    width: int = 0
    height: int = 0
    precision: int = 8
    components: int = 0
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resources: bytes = b""
    comments: list[str] = field(default_factory=list)
    has_further_pictures: bool = False
    left_out: list[str] = field(default_factory=list)  # segments that are not understood
    dpi: tuple[float, float] | None = None
    tables: dict[int, NDArray[np.uint16]] = field(default_factory=dict)
    sampling: list[tuple[int, int, int]] = field(default_factory=list)  # horizontal, vertical, table
    warnings: list[str] = field(default_factory=list)

    @property
    def quantisation(self) -> Quantisation | None:
        """The tables of all components; None where one is missing or the file is lossless."""
        tables = [self.tables.get(table) for _, _, table in self.sampling]
        known = tuple(table for table in tables if table is not None)
        if not known or len(known) != self.components:
            return None
        return Quantisation(known, tuple((across, down) for across, down, _ in self.sampling))


def read_header(data: bytes, name: str) -> Header:
    """Read the segments before the first scan.

    Raises:
        UnreadableError: there is no frame in the file.
        UnsupportedError: it is JPEG-LS.
    """
    header = Header()
    profile_parts: dict[int, bytes] = {}
    announced: set[int] = set()
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _STANDALONE:  # 0 follows an FF that is no marker
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD9, 0xDA):
            break
        if marker == _JPEG_LS:
            raise UnsupportedError(f"{name}: JPEG-LS", "convert it first")
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in _FRAMES and len(body) >= 6:
            header.precision, header.height, header.width, header.components = struct.unpack_from(
                ">BHHB", body
            )
            parts = (body[at : at + 3] for at in range(6, min(len(body) - 2, 6 + 3 * body[5]), 3))
            header.sampling = [(part[1] >> 4, part[1] & 15, part[2]) for part in parts]
        elif marker == 0xDB:
            header.tables |= _tables(body)
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\x00") and len(body) > 14:
            profile_parts[body[12]] = body[14:]
            announced.add(body[13])
        else:
            _application_segment(header, marker, body)
    if not header.components or not header.width or not header.height:
        raise UnreadableError(f"{name}: the JPEG header is damaged or cut short")
    if header.left_out:
        named = ", ".join([*dict.fromkeys(header.left_out)][:_MOST_NAMED])
        header.warnings.append(f"data of the camera or of another program was left out: {named}")
    if profile_parts:
        if announced == {len(profile_parts)} and min(profile_parts) == 1 and max(profile_parts) in announced:
            header.icc = b"".join(profile_parts[part] for part in sorted(profile_parts))
        else:
            header.warnings.append("the colour profile is incomplete and was ignored")
    return header


def _tables(body: bytes) -> dict[int, NDArray[np.uint16]]:
    """The tables of one DQT segment (ITU-T T.81, B.2.4.1), each 8×8 with the constant part top left."""
    tables: dict[int, NDArray[np.uint16]] = {}
    at = 0
    while at < len(body):
        wide, number = body[at] >> 4, body[at] & 15
        entries = body[at + 1 : at + 1 + (128 if wide else 64)]
        at += 1 + (128 if wide else 64)
        if at > len(body):
            break
        table = np.empty(64, np.uint16)
        table[_ZIGZAG] = np.frombuffer(entries, ">u2" if wide else np.uint8)
        tables[number] = table.reshape(8, 8)
    return tables


def _application_segment(header: Header, marker: int, body: bytes) -> None:
    if marker == 0xE0 and body.startswith(b"JFIF\x00") and len(body) >= 12:
        unit, x, y = struct.unpack_from(">BHH", body, 7)
        if unit in (1, 2) and x and y:
            factor = 1.0 if unit == 1 else 2.54
            header.dpi = (x * factor, y * factor)
    elif marker == 0xE1 and body.startswith(b"Exif\x00") and header.exif is None:
        header.exif = body[6:]
    elif marker == 0xE1 and body.startswith(_XMP):
        header.xmp = body[len(_XMP) :]
    elif marker == 0xE1 and body.startswith(_LONG_XMP):
        _warn(header, "the extended part of the XMP metadata was left out")
    elif marker == 0xE2 and body.startswith(b"MPF\x00"):
        header.has_further_pictures = True
        _warn(header, "the file holds further pictures (a gain map, a depth map or a second view): left out")
    elif marker == 0xED and (resources := iptc.resources_of_segment(body)):
        header.resources += resources
    elif marker == 0xFE and body.strip(b"\0 "):
        header.comments.append(body.rstrip(b"\0").decode("utf-8", "replace"))
    elif 0xE0 <= marker <= 0xEF and body and not body.startswith(_OF_THE_ENCODING):
        name = _SEGMENT_NAME.match(body)
        header.left_out.append(f"APP{marker - 0xE0}" + (f" {name[0].decode().strip()}" if name else ""))


def _warn(header: Header, text: str) -> None:
    if text not in header.warnings:
        header.warnings.append(text)


def extent(data: bytes, name: str) -> tuple[Extent, bytes | None]:
    """The size and the EXIF block, from the header. `UnreadableError` where it is damaged."""
    header = read_header(data, name)
    size = Extent(header.width, header.height, 1, header.components, 1 if header.precision == 8 else 2)
    return size, header.exif


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode a JPEG file.

    Raises:
        UnreadableError: the file is damaged or cut short.
    """
    header = read_header(data, name)
    scans = data.count(b"\xff\xda")
    if scans > _MOST_SCANS:  # each goes over the whole picture
        raise UnreadableError(f"{name}: damaged JPEG: it has {scans} scans")
    raster = _decode_deep(data, header, name) if header.precision != 8 else _decode(data, header, name)
    raster.icc, raster.exif, raster.xmp, raster.dpi = header.icc, header.exif, header.xmp, header.dpi
    if raster.icc is None and raster.model == "rgb" and header.exif and dcf.is_adobe_rgb(header.exif):
        raster.icc = dcf.adobe_rgb()
    raster.iptc = iptc.from_resources(header.resources)
    raster.resources = iptc.kept_resources(header.resources)
    raster.text = tuple(("Comment", comment) for comment in header.comments)
    raster.quantisation = header.quantisation
    raster.warnings += header.warnings
    behind = len(data) - _end(data)
    if behind > _PADDING and data[-behind:].strip(b"\0") and not header.has_further_pictures:
        raster.warnings.append(f"{behind} bytes of other data behind the picture were left out")
    return [raster]


def _end(data: bytes) -> int:
    """Where the picture ends: behind its end marker, or at the end of the data."""
    at = 2
    while found := _MARKER.search(data, at):
        at = found.end()
        if found[0] == _END:
            return at
        if found[0][1] not in _STANDALONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return len(data)


def _decode(data: bytes, header: Header, name: str) -> Raster:
    space = {1: "GRAY", 3: "RGB", 4: "CMYK"}.get(header.components)
    if space is None:
        raise UnreadableError(f"{name}: a JPEG with {header.components} components")
    warnings = []
    try:
        samples = simplejpeg.decode_jpeg(data, space, strict=True)
    except ValueError as error:
        samples, warning = _decode_all_the_same(data, space, str(error), name)
        warnings.append(warning)
    if space == "CMYK":
        # Adobe's convention, which all writers follow: 255 means no ink.
        return Raster(np.subtract(255, samples), "cmyk", 255.0, warnings=warnings)
    return from_interleaved(samples, 255.0, warnings=warnings)


def _decode_all_the_same(
    data: bytes, space: str, complaint: str, name: str
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str]:
    """Decode what libjpeg complains about though its picture is whole, and say so.

    Raises:
        UnreadableError: it is not.
    """
    if _is_harmless(complaint):
        return (
            _decode_cleaned(data, space, name),
            f"the JPEG data has small errors: {_plain(complaint)}",
        )
    try:
        if _NO_END in complaint:
            return simplejpeg.decode_jpeg(data + _END, space, strict=True), "the JPEG lacks its end marker"
        if _UNKNOWN_SAMPLING in complaint and space == "RGB" and data.rfind(_END) > 0:
            return imagecodecs.jpeg8_decode(data), "unusual chroma subsampling: damage was not looked for"
    except (ValueError, RuntimeError) as error:
        complaint = complaint if _NO_END in complaint else str(error)
    raise UnreadableError(f"{name}: damaged JPEG: {_plain(complaint)}")


def _is_harmless(reason: str) -> bool:
    """Whether a complaint of libjpeg is about something that takes nothing from the picture."""
    return any(text in reason for text in _HARMLESS)


def _decode_cleaned(data: bytes, space: str, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Decode without what does not belong to the picture; complaints about the rest must be harmless."""
    cleaned = cleaned_segments(data)
    for strict in (True, False):
        try:
            samples: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = simplejpeg.decode_jpeg(
                cleaned, space, strict=strict
            )
            return samples
        except ValueError as error:
            if not strict or not _is_harmless(str(error)):
                raise UnreadableError(f"{name}: damaged JPEG: {_plain(str(error))}") from error
    raise AssertionError("the loop returns or raises")


def cleaned_segments(data: bytes) -> bytes:
    """A JPEG without junk between its segments, and of its application segments only what colours need."""
    kept, at = [b"\xff\xd8"], 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF) or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at:end]
        if marker == 0xE0 and segment[4:9] == b"JFIF\0":
            segment = segment[:9] + b"\1" + segment[10:]  # of any other revision libjpeg complains
        elif marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) > 15 and segment[15] > 2:
            segment = b""  # an unknown transform: the usual one is taken
        elif marker == 0xFE or (0xE0 <= marker <= 0xEF and marker != 0xEE):
            segment = b""
        if marker == 0xDA:
            end = _scan_end(data, end)
            segment = data[at:end]
        kept.append(segment)
        at = end
    return b"".join(kept) + b"\xff\xd9" if b"\xff\xd9" in data[-65536:] else b"".join(kept)


def _scan_end(data: bytes, at: int) -> int:
    """Where the entropy-coded data that begins at ``at`` ends: at a marker that is no restart marker."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1
    return len(data)


def _plain(reason: str) -> str:
    reason = reason.removeprefix("Corrupt JPEG data: ")
    return "the file is cut short" if reason.lower().startswith("premature end") else reason


def _decode_deep(data: bytes, header: Header, name: str) -> Raster:
    try:
        samples = imagecodecs.jpeg_decode(data)
    except (ValueError, RuntimeError) as error:
        raise UnreadableError(f"{name}: damaged {header.precision}-bit JPEG: {error}") from error
    return from_interleaved(samples, float(2**header.precision - 1))
