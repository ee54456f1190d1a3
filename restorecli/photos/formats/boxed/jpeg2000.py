"""JPEG 2000 files: their boxes, and their pixels by OpenJPEG (ISO/IEC 15444-1, annexes A and I)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction

import imagecodecs
import numpy as np

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats.boxed import codestream
from restorecli.photos.formats.boxed.boxes import box, boxes, find
from restorecli.photos.formats.extent import Extent
from restorecli.photos.formats.page import Page
from restorecli.photos.metadata import georeference, iptc
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples, from_interleaved

_CMYK, _LAB = 12, 14  # enumerated colour spaces
_HEAD = 4096  # bytes of a box that are looked at to tell what it is
_NO_COLOUR = 0xFFFF
_D65, _NAME_OF_D65 = (0.3127, 0.329), 0x00443635
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_RESOURCES = bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb")  # Photoshop's
_GEOTIFF = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")  # GeoJP2's
_EXIF = b"JpgTiffExif->JP2"


@dataclass
class Header:
    """What a JPEG 2000 file says before its pixels.

    Attributes:
        width, height: in pixels.
        components: those that are stored.
        bits: of the deepest component.
        siz_at: where the codestream begins.
        space: enumerated colour space of the colour box; 0 where it names none, or there is no box.
        channels: type and association of each channel by the channel definition box, in their order.
        palette: whether indices into a table are stored.
        mixed: whether some channels are no columns of that table, or others are not in their order.
        lab: range and offset of L, a and b, and the illuminant, where the colour box states them.
    """

    width: int
    height: int
    components: tuple[codestream.Component, ...]
    bits: int
    siz_at: int
    space: int = 0
    palette: bool = False
    mixed: bool = False
    lab: tuple[int, ...] = ()
    channels: dict[int, tuple[int, int]] = field(default_factory=dict)
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    geotiff: bytes | None = None
    warnings: list[str] = field(default_factory=list)
    dpi: tuple[float, float] | None = None


def read_header(data: bytes, name: str) -> Header:
    """Read the boxes, and the size marker of the codestream.

    Raises:
        UnreadableError: there is no codestream.
    """
    at = data.find(codestream.SIZ)
    if at < 0 or at + 44 > len(data):
        raise UnreadableError(f"{name}: damaged JPEG 2000 file: there is no picture in it")
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    components = codestream.components(data, at)
    if right <= left or bottom <= top or not components:
        raise UnreadableError(f"{name}: damaged JPEG 2000 file: it says that it has no pixels")
    header = Header(right - left, bottom - top, components, max(each.bits for each in components), at)
    if data[4:8] == b"jP  ":
        _read_boxes(header, data)
    return header


def _read_boxes(header: Header, data: bytes) -> None:
    inside = find(data, b"jp2h")
    for kind, at, stop in boxes(data, *inside) if inside else ():
        body = data[at:stop]
        if kind == b"colr" and not header.space and header.icc is None and len(body) >= 3:
            if body[0] == 1 and len(body) >= 7:
                (header.space,) = struct.unpack_from(">I", body, 3)
                if header.space == _LAB and len(body) >= 35:
                    header.lab = struct.unpack_from(">7I", body, 7)
            elif body[0] in (2, 3):  # restricted and any ICC profile
                header.icc = body[3:]
        elif kind == b"pclr":
            header.palette = True
            if len(body) > 3:
                header.bits = max(depth & 0x7F for depth in body[3 : 3 + body[2]]) + 1
        elif kind == b"cmap":
            cells = [tuple(body[place + 2 : place + 4]) for place in range(0, len(body) - 3, 4)]
            header.mixed = cells != [(1, column) for column in range(len(cells))]
        elif kind == b"cdef":
            for place in range(2, len(body) - 5, 6):
                channel, meaning, colour = struct.unpack_from(">HHH", body, place)
                header.channels[channel] = meaning, colour
        elif kind == b"res ":
            header.dpi = _resolution(body)
    for kind, at, stop in boxes(data):
        if kind == b"uuid":
            _read_uuid(header, data[at : at + 16], data[at + 16 : stop])
        elif kind == b"xml " and b"adobe:ns:meta" in data[at:stop]:
            header.xmp = header.xmp or data[at:stop]
        elif kind == b"asoc" and b"gml" in data[at : min(stop, at + _HEAD)].lower():
            header.warnings.append("the georeference in GML was left out")
        elif kind in (b"xml ", b"asoc"):
            header.warnings.append("data of another program in XML was left out")


def _read_uuid(header: Header, name: bytes, body: bytes) -> None:
    if name == _XMP:
        header.xmp = body
    elif name == _EXIF:
        header.exif = body.removeprefix(b"Exif\0\0")
    elif name == _IPTC:
        header.iptc = body
    elif name == _GEOTIFF:
        header.geotiff = body
    elif name == _RESOURCES:
        header.iptc = header.iptc or iptc.from_resources(body)
        header.resources = iptc.kept_resources(body)


def _resolution(body: bytes) -> tuple[float, float] | None:
    """Dots per inch of a resolution box: that of capture, or else of display."""
    for wanted in (b"resc", b"resd"):
        for kind, at, _ in boxes(body):
            if kind == wanted and at + 10 <= len(body):
                up, up_by, across, across_by, up_ten, across_ten = struct.unpack_from(">HHHHbb", body, at)
                if up and up_by and across and across_by:
                    metre = across / across_by * 10.0**across_ten, up / up_by * 10.0**up_ten
                    return metre[0] * 0.0254, metre[1] * 0.0254
    return None


def extent(data: bytes, name: str) -> tuple[Extent, bytes | None]:
    """The size and the EXIF block, from the header. `UnreadableError` where it is damaged."""
    header = read_header(data, name)
    sample_bytes = 1 if header.bits <= 8 else 2 if header.bits <= 16 else 4
    channels = max(len(header.components), 3 if header.palette else 1)
    return Extent(header.width, header.height, 1, channels, sample_bytes), header.exif


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode a JPEG 2000 file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: its channels make no picture.
    """
    header = read_header(data, name)
    if codestream.is_odd(header.components):
        raise UnsupportedError(f"{name}: a JPEG 2000 file whose components are subsampled in an unusual way")
    if header.mixed:
        raise UnsupportedError(f"{name}: a JPEG 2000 file whose palette is not in order")
    try:
        # OpenJPEG sorts channels, looks up palettes and turns sYCC and e-sYCC into RGB.
        samples = _samples(data, header)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged JPEG 2000 file: {error}") from error
    raster = _interpret(samples[:, :, None] if samples.ndim == 2 else samples, header, name)
    raster.icc, raster.exif, raster.xmp = header.icc, header.exif, header.xmp
    raster.iptc, raster.resources, raster.dpi = header.iptc, header.resources, header.dpi
    raster.warnings += dict.fromkeys(header.warnings)
    if header.geotiff is not None:
        try:
            raster.exif = georeference.joined(header.exif, header.geotiff)
        except ValueError:
            raster.warnings.append("the georeference is broken and was left out")
    return [raster]


def _samples(data: bytes, header: Header) -> Samples:
    """The samples, unsigned; those of different depths become 8 or 16 bits deep."""
    kinds = {(each.bits, each.signed) for each in header.components}
    if len(kinds) > 1:
        same = codestream.with_one_depth(data, header.siz_at, header.components)
        samples = np.asarray(imagecodecs.jpeg2k_decode(same))
        samples = codestream.scaled(samples, data, header.siz_at, header.components)
        header.bits = 8 * samples.itemsize
        return samples
    samples = np.asarray(imagecodecs.jpeg2k_decode(data))
    return _unsigned(samples, header.bits) if samples.dtype.kind == "i" else samples


def _unsigned(samples: Samples, bits: int) -> Samples:
    """Signed samples shifted up by half their range."""
    shifted = samples.astype(np.int64) + (1 << (bits - 1))
    return shifted.astype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)


def _interpret(samples: Samples, header: Header, name: str) -> Raster:
    bits, peak = header.bits, float(2**header.bits - 1)
    if bits > 16:
        samples, peak = (samples >> (bits - 16)).astype(np.uint16), 65535.0
    count = samples.shape[2]
    colours = sum(meaning == 0 for meaning, _ in header.channels.values())
    if header.space == _CMYK and count >= 4:
        return Raster(samples[:, :, :4], "cmyk", peak)
    if header.space == _LAB and count >= 3:
        lab = _lab(samples[:, :, :3], header, peak)
        white = _D65 if header.lab[6:] == (_NAME_OF_D65,) else None
        return Raster(lab, "lab", 1.0, stored=_stored(samples), white=white)
    kept = _kept(header) if header.channels else list(range(count))
    if len(kept) > 4 or (header.channels and colours not in (1, 3)):
        raise UnsupportedError(f"{name}: a JPEG 2000 file with {count} channels, {colours} of colour")
    raster = from_interleaved(samples[:, :, kept] if len(kept) < count else samples, peak)
    raster.premultiplied = any(meaning == 2 for meaning, _ in header.channels.values())
    if len(kept) < count:
        raster.warnings.append(f"{count - len(kept)} extra channels were left out")
    return raster


def _kept(header: Header) -> list[int]:
    """Where OpenJPEG, which puts colours in their places, leaves the colour channels; alpha behind them."""
    places = {channel: channel for channel in header.channels}
    colours: list[int] = []
    alpha: list[int] = []
    for channel, (meaning, colour) in header.channels.items():
        if meaning == 0:
            colours.append(channel)
            if colour in (0, _NO_COLOUR):  # it says of no colour that it is it, and stays where it is
                continue
            here, there = places[channel], colour - 1
            swapped = {here: there, there: here}
            places = {each: swapped.get(place, place) for each, place in places.items()}
        elif meaning in (1, 2) and not alpha:
            alpha.append(channel)
    return [*sorted(places[channel] for channel in colours), *(places[channel] for channel in alpha)]


def _stored(samples: Samples) -> Depth:
    return Depth.UINT8 if samples.dtype.itemsize == 1 else Depth.UINT16


def _lab(samples: Samples, header: Header, peak: float) -> Samples:
    """CIELAB by the ranges and offsets of the colour box, or the default ones (15444-2, M.11.7.4.1)."""
    half = 2 ** (header.bits - 1)
    numbers = header.lab or (100, 0, 170, half, 200, half // 2 + half // 4)
    # Offsets count in samples of the file's depth, of which deep ones have lost some bits.
    shrunk = peak / (2**header.bits - 1)
    ranges = np.array(numbers[:6:2], np.float32)
    offsets = np.array(numbers[1:6:2], np.float32) * np.float32(shrunk)
    return (samples.astype(np.float32) - offsets) * ranges / np.float32(peak)


def with_metadata(encoded: bytes, page: Page) -> bytes:
    """An encoded JP2 with profile and resolution in its header; EXIF, XMP and IPTC in own boxes."""
    parts = []
    for kind, at, stop in boxes(encoded):
        body = encoded[at:stop]
        parts.append(box(kind, _header_with(body, page) if kind == b"jp2h" else body))
    captions = iptc.to_resources(page.iptc, page.resources)
    blocks = ((_EXIF, page.exif), (_XMP, page.xmp), (_IPTC, page.iptc), (_RESOURCES, captions))
    return b"".join([*parts, *(box(b"uuid", name + data) for name, data in blocks if data)])


def _header_with(body: bytes, page: Page) -> bytes:
    kept = b""
    for kind, at, stop in boxes(body):
        if kind == b"colr" and page.icc:
            kept += box(b"colr", b"\2\0\0" + page.icc)
        else:
            kept += box(kind, body[at:stop])
    if page.dpi:
        (across, across_ten), (down, down_ten) = (_per_metre(value) for value in page.dpi)
        numbers = (down.numerator, down.denominator, across.numerator, across.denominator)
        kept += box(b"res ", box(b"resc", struct.pack(">HHHHbb", *numbers, down_ten, across_ten)))
    return kept


def _per_metre(dpi: float) -> tuple[Fraction, int]:
    """Dots per inch as a fraction of 16-bit numbers and a power of ten, per metre (I.5.3.7.1)."""
    value = dpi / 0.0254
    ten = math.floor(math.log10(value))
    return Fraction(value / 10.0**ten).limit_denominator(6000), ten  # of a number below 10
