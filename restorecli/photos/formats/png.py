"""PNG files: their chunks, read and written, with pixels by libpng."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from restorecli.errors import TooLargeError, UnreadableError, UnsupportedError
from restorecli.imaging import icc
from restorecli.imaging.cicp import Cicp
from restorecli.photos.formats import adam7
from restorecli.photos.formats.extent import Extent
from restorecli.photos.metadata import iptc
from restorecli.photos.raster import DECODE_ERRORS, Raster, from_interleaved

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_INFLATED = 64 << 20  # bytes of all compressed entries together; more is a bomb
_MOST_BESIDE = 128 << 20  # bytes of all chunks but the pixels
_MOST_CHUNKS = 4_000_000  # of 4 KiB in the largest files that can be met
_ANCILLARY = 0x20  # the bit of a chunk's first letter that says so
_MOST_WARNINGS = 8
# What tells of the encoding or of how to show the file, not of the picture.
_OF_THE_ENCODING = frozenset(b"tRNS bKGD hIST sPLT tIME sBIT fcTL fdAT iDOT vpAg oFFs gIFg gIFx".split())
_MASTERING = {b"mDCV": 24, b"cLLI": 8}  # and their lengths (PNG, third edition, 11.3.2.7 and 11.3.2.8)
_GRAY, _RGB, _PALETTE = 0, 2, 3  # colour types
_GRAYS, _WITH_ALPHA = (_GRAY, 4), (4, 6)
_DISPLAY_GAMMA = 1 / 2.2
_SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


@dataclass
class Header:
    """What a PNG file's chunks say, besides its pixels."""

    width: int = 0
    height: int = 0
    bits: int = 8
    colour: int = 2
    interlaced: bool = False
    frames: int = 1
    cicp: Cicp | None = None
    mastering: list[tuple[str, bytes]] = field(default_factory=list)
    srgb: bool = False
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bytes_left: int = _MOST_INFLATED


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise UnreadableError(f"{name}: damaged PNG: the file is cut short")
        end = at + 8 + length
        if zlib.crc32(memoryview(data)[at + 4 : end]) == int.from_bytes(data[end : end + 4], "big"):
            yield kind, data[at + 8 : end] if kind != b"IDAT" else b""
        elif kind[:1].isupper():  # a chunk that the picture needs
            raise UnreadableError(f"{name}: damaged PNG: wrong check sum")
        at = end + 4
        if kind == b"IEND":
            return
    raise UnreadableError(f"{name}: damaged PNG: the file is cut short")


def skeleton(stream: BinaryIO, name: str) -> bytes:
    """A PNG file with all of its pixels left out, which need not be read: their chunks are empty.

    Raises:
        UnreadableError: the file is cut short, or what follows is no chunk.
        TooLargeError: there is more beside the pixels than any photo has.
    """
    end = stream.seek(0, os.SEEK_END)
    at, parts, kept = len(SIGNATURE), [SIGNATURE], 0
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            break
        stream.seek(at)
        length, kind = struct.unpack(">I4s", stream.read(8))
        at += 12 + length
        if at > end:
            raise UnreadableError(f"{name}: damaged PNG: the file is cut short")
        if not (kind.isascii() and kind.isalpha()):  # ISO/IEC 15948, 5.3
            raise UnreadableError(f"{name}: damaged PNG: there is no chunk where one should be")
        if kind != b"IDAT":
            kept += 12 + length
            if kept > _MOST_BESIDE:
                raise TooLargeError(f"{name}: it has more than {_MOST_BESIDE >> 20} MiB beside its pixels")
            stream.seek(-8, os.SEEK_CUR)
            parts.append(stream.read(12 + length))
        elif not parts[-1].startswith(_EMPTY[:8]):
            parts.append(_EMPTY)
        if kind == b"IEND":
            break
    else:
        raise TooLargeError(f"{name}: it has more than {_MOST_CHUNKS} chunks")
    return b"".join(parts)


def kinds(data: bytes, name: str) -> set[bytes]:
    """The kinds of chunks in a file."""
    return {kind for kind, _ in _chunks(data, name)}


def read_header(data: bytes, name: str) -> Header:
    """Read every chunk but the pixels.

    Raises:
        UnreadableError: the file is cut short or has no header.
    """
    header = Header()
    for kind, body in _chunks(data, name):
        try:
            _read_chunk(header, kind, body)
        except (ValueError, struct.error, zlib.error, UnicodeDecodeError):
            if kind == b"IHDR":
                raise UnreadableError(f"{name}: damaged PNG: the header is wrong") from None
            header.warnings.append(f"the damaged {kind.decode('latin-1')} entry was ignored")
    _unpack_raw_profiles(header)
    if not header.width or not header.height:
        raise UnreadableError(f"{name}: damaged PNG: it says that it has no pixels")
    return header


def _read_chunk(header: Header, kind: bytes, body: bytes) -> None:
    if kind == b"IHDR":
        header.width, header.height, header.bits, header.colour, _, _, laced = struct.unpack(">IIBBBBB", body)
        header.interlaced = bool(laced)
    elif kind == b"acTL":
        header.frames = struct.unpack_from(">I", body)[0]
    elif kind == b"cICP":
        header.cicp = Cicp(*struct.unpack(">BBB?", body))
    elif kind in _MASTERING:
        if len(body) != _MASTERING[kind]:
            raise ValueError("of a wrong length")
        header.mastering.append((kind.decode(), body))
    elif kind == b"sRGB":
        header.srgb = True
    elif kind == b"gAMA":
        header.gamma = struct.unpack(">I", body)[0] / 100000
    elif kind == b"cHRM":
        header.chromaticities = tuple(value / 100000 for value in struct.unpack(">8I", body))
    elif kind == b"iCCP":
        _, _, rest = body.partition(b"\0")
        header.icc = _inflate(header, rest[1:])
    elif kind == b"eXIf":
        header.exif = body.removeprefix(b"Exif\0\0")
    elif kind == b"pHYs":
        x, y, unit = struct.unpack(">IIB", body)
        if unit == 1 and x and y:
            header.dpi = (x * 0.0254, y * 0.0254)
    elif kind in (b"tEXt", b"zTXt", b"iTXt"):
        _read_text(header, kind, body)
    elif kind[0] & _ANCILLARY and kind not in _OF_THE_ENCODING:
        name = "Content Credentials (caBX)" if kind == b"caBX" else kind.decode("latin-1")
        _warn(header, f"data of another program was left out: {name}")


def _warn(header: Header, text: str) -> None:
    if text not in header.warnings and len(header.warnings) < _MOST_WARNINGS:
        header.warnings.append(text)


def _read_text(header: Header, kind: bytes, body: bytes) -> None:
    keyword, _, rest = body.partition(b"\0")
    key = keyword.decode("latin-1")
    if kind == b"tEXt":
        header.text.append((key, rest.decode("latin-1")))
    elif kind == b"zTXt":
        header.text.append((key, _inflate(header, rest[1:]).decode("latin-1")))
    else:
        packed = rest[:1] == b"\1"
        _, _, value = rest[2:].split(b"\0", 2)
        value = _inflate(header, value) if packed else value
        if key == "XML:com.adobe.xmp":
            header.xmp = value
        else:
            header.text.append((key, value.decode("utf-8")))


def _unpack_raw_profiles(header: Header) -> None:
    """Take EXIF and IPTC from the text entries that ImageMagick and ExifTool keep them in."""
    kept = []
    for key, value in header.text:
        if not key.startswith("Raw profile type "):
            kept.append((key, value))
        elif key.endswith(" iptc"):
            resources = iptc.resources_of_text(value) or b""
            header.iptc = iptc.from_resources(resources)
            header.resources = iptc.kept_resources(resources)
        elif key.endswith((" exif", " APP1")) and header.exif is None:
            try:
                block = bytes.fromhex("".join(value.split("\n")[3:]))
            except ValueError:
                header.warnings.append("the damaged EXIF entry was ignored")
                continue
            header.exif = block.removeprefix(b"Exif\0\0") if not block.startswith(b"http") else None
    header.text = kept


def _inflate(header: Header, data: bytes) -> bytes:
    machine = zlib.decompressobj()
    result = machine.decompress(data, max(1, header.bytes_left))
    header.bytes_left -= len(result)
    if not machine.eof:
        raise ValueError("cut short, or too long")
    return result


def extent(data: bytes, name: str) -> tuple[Extent, bytes | None]:
    """The size and the EXIF block, from the header. `UnreadableError` where it is damaged."""
    header = read_header(data, name)
    # That of a palette, and of one colour, stands in a chunk of its own.
    alpha = header.colour in _WITH_ALPHA or b"tRNS" in data
    channels = (1 if header.colour in _GRAYS else 3) + alpha
    return Extent(header.width, header.height, 1, channels, 1 + (header.bits > 8)), header.exif


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode a PNG file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation.
    """
    header = read_header(data, name)
    if header.frames > 1:
        raise UnsupportedError(
            f"{name}: an animation of {header.frames} frames",
            "--frames each restores all of them, --frames first one",
        )
    try:
        samples = _pixels(data, header)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged PNG: {error}") from error
    return [described(samples, header)]


def described(samples: np.ndarray[tuple[int, ...], np.dtype[np.generic]], header: Header) -> Raster:
    """Decoded samples, or a part of them, with what the file says of them."""
    raster = from_interleaved(samples, 255.0 if samples.dtype == np.uint8 else 65535.0)
    raster.cicp, raster.mastering = header.cicp, tuple(header.mastering)
    raster.icc = header.icc or _profile_of_gamma(header, raster.model)
    raster.exif, raster.xmp, raster.dpi = header.exif, header.xmp, header.dpi
    raster.iptc, raster.resources, raster.text = header.iptc, header.resources, tuple(header.text)
    raster.warnings += header.warnings
    return raster


def _pixels(data: bytes, header: Header) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    samples: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
    if header.interlaced and header.bits <= 8:
        # libpng, as imagecodecs calls it, complains on standard error about interlaced files.
        image = Image.open(io.BytesIO(data))
        has_alpha = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
        gray = image.mode in ("1", "L", "LA", "I;16")
        samples = np.asarray(
            image.convert(("LA" if gray else "RGBA") if has_alpha else "L" if gray else "RGB")
        )
        return samples
    if header.interlaced:
        needed = _pixel_chunks(data, header)
        return adam7.decode(header.width, header.height, header.bits, header.colour, needed)
    chunks = b"".join(chunk(kind, body) for kind, body in _pixel_chunks(data, header))
    head = data[len(SIGNATURE) : len(SIGNATURE) + 25]
    samples = imagecodecs.png_decode(SIGNATURE + head + chunks + chunk(b"IEND", b""))
    return samples


def _pixel_chunks(data: bytes, header: Header) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that the pixels need, without those that libpng would complain about on standard error."""
    at, colours = len(SIGNATURE), 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"PLTE":
            colours = length // 3
        fits = {_GRAY: length == 2, _RGB: length == 6, _PALETTE: length <= colours}.get(header.colour, False)
        if (
            kind == b"IDAT"
            or (kind == b"PLTE" and header.colour == _PALETTE)
            or (kind == b"tRNS" and (fits or (header.colour == _PALETTE and colours)))
        ):
            yield kind, body[:colours] if kind == b"tRNS" and header.colour == _PALETTE else body
        at += 12 + length


def _profile_of_gamma(header: Header, model: str) -> bytes | None:
    """A profile that says what gAMA and cHRM say; None where that is sRGB, nearly."""
    if header.srgb or header.gamma is None or not 0.05 <= header.gamma <= 5:
        return None
    chromaticities = header.chromaticities or _SRGB_CHROMATICITIES
    usual = max(abs(a - b) for a, b in zip(chromaticities, _SRGB_CHROMATICITIES, strict=True)) < 0.005
    if abs(header.gamma / _DISPLAY_GAMMA - 1) < 0.02 and (usual or model == "gray"):
        return None
    curve = icc.gamma_curve(1 / header.gamma)
    if model == "gray":
        return icc.gray_profile(curve, "Gray of a PNG's gAMA")
    try:
        return icc.rgb_profile(chromaticities, curve, "RGB of a PNG's gAMA and cHRM")
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its length and check sum."""
    return b"".join(chunk_parts(kind, body))


def chunk_parts(kind: bytes, body: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
    """What a chunk is made of, without a copy of its body."""
    head = struct.pack(">I4s", len(body), kind)
    return head, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


_EMPTY = chunk(b"IDAT", b"")


def insert_chunks(encoded: bytes | bytearray, chunks: bytes) -> tuple[bytes | bytearray, ...]:
    """The parts of a PNG file with `chunks` put behind its header, to be written one after the other."""
    end = len(SIGNATURE) + 25
    return encoded[:end], chunks, encoded[end:]
