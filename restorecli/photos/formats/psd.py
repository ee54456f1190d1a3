"""Photoshop files: the merged picture behind the layers, of 1 to 32 bits, and the image resources.

Source: Adobe Photoshop File Formats Specification (file header, image resources, image data).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import imagecodecs
import numpy as np

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats.extent import Extent
from restorecli.photos.metadata import iptc
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples

_BITMAP, _GRAY, _INDEXED, _RGB, _CMYK, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 8, 9
_CHANNELS = {_BITMAP: 1, _GRAY: 1, _INDEXED: 1, _RGB: 3, _CMYK: 4, _DUOTONE: 1, _LAB: 3}
_RAW, _RUNS, _ZIP, _ZIP_PREDICTED = 0, 1, 2, 3
_RESOLUTION, _ICC, _EXIF, _XMP, _TRANSPARENT_INDEX = 1005, 1039, 1058, 1060, 1047
_LONGEST_LINE = 300_000  # pixels; the format's own limit


@dataclass(frozen=True)
class Header:
    """The file header, and where the parts of the file lie."""

    width: int
    height: int
    channels: int
    bits: int
    mode: int
    large: bool
    palette: bytes
    resources: bytes
    merged_alpha: bool
    data_at: int


def read_header(data: bytes, name: str) -> Header:
    """Read the header and find the parts of the file.

    Raises:
        UnreadableError: the file is damaged or cut short.
    """
    try:
        version, channels, height, width, bits, mode = struct.unpack_from(">4xH6xHIIHH", data)
        large = version == 2
        at = 26
        (length,) = struct.unpack_from(">I", data, at)
        palette, at = data[at + 4 : at + 4 + length], at + 4 + length
        (length,) = struct.unpack_from(">I", data, at)
        resources, at = data[at + 4 : at + 4 + length], at + 4 + length
        wide, form = (8, ">Q") if large else (4, ">I")
        (length,) = struct.unpack_from(form, data, at)
        layers = data[at + 2 * wide : at + 2 * wide + 2] if length >= wide + 2 else b""
        # A negative number of layers says that the first extra channel is the merged picture's alpha.
        merged_alpha = len(layers) == 2 and struct.unpack(">h", layers)[0] < 0
        at += wide + length
    except struct.error as error:
        raise UnreadableError(f"{name}: damaged PSD: cut short") from error
    if not (0 < width <= _LONGEST_LINE and 0 < height <= _LONGEST_LINE) or bits not in (1, 8, 16, 32):
        raise UnreadableError(f"{name}: damaged PSD: the header is wrong")
    return Header(width, height, channels, bits, mode, large, palette, resources, merged_alpha, at)


def extent(data: bytes, name: str) -> tuple[Extent, None]:
    """The size, from the header. `UnreadableError` where it is damaged."""
    header = read_header(data, name)
    return Extent(header.width, header.height, 1, min(header.channels, 5), max(1, header.bits // 8)), None


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode the merged picture of a PSD or PSB file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: a colour mode that makes no picture.
    """
    header = read_header(data, name)
    wanted = _CHANNELS.get(header.mode)
    if wanted is None or header.channels < wanted:
        raise UnsupportedError(f"{name}: a PSD of colour mode {header.mode} with {header.channels} channels")
    take = wanted + (header.merged_alpha and header.channels > wanted)
    try:
        planes = _planes(data, header, take)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged PSD: {error or 'cut short'}") from error
    raster = _interpret(planes, header, wanted)
    _take_resources(raster, header)
    if _count_layers(data, header):
        raster.warnings.append("the file has layers: the merged picture was taken")
    if header.channels > take:
        raster.warnings.append(f"{header.channels - take} extra channels were left out")
    return [raster]


def _count_layers(data: bytes, header: Header) -> bool:
    return header.data_at > 26 + 4 + len(header.palette) + 4 + len(header.resources) + 64


def _planes(data: bytes, header: Header, take: int) -> Samples:
    """The first `take` channels, each H×W, of big-endian samples; bitmaps as 0 and 1."""
    (compression,) = struct.unpack_from(">H", data, header.data_at)
    at = header.data_at + 2
    row = (header.width * header.bits + 7) // 8
    size = take * header.height * row
    if compression == _RAW:
        plain = data[at : at + size]
    elif compression == _RUNS:
        plain = _unpacked_rows(data, at, header, take, row)
    elif compression in (_ZIP, _ZIP_PREDICTED):
        machine = zlib.decompressobj()
        plain = machine.decompress(data[at:], size)
    else:
        raise ValueError(f"unknown compression {compression}")
    if len(plain) < size:
        raise ValueError("cut short")
    if header.bits == 1:
        cells = np.frombuffer(plain, np.uint8, size).reshape(take, header.height, row)
        return np.unpackbits(cells, axis=2)[:, :, : header.width]
    if compression == _ZIP_PREDICTED and header.bits == 32:
        plain = _whole_floats(plain, take * header.height, row)
    kind = {8: "u1", 16: ">u2", 32: ">f4"}[header.bits]
    planes = np.frombuffer(plain, kind, take * header.height * header.width)
    planes = planes.reshape(take, header.height, header.width)
    if compression == _ZIP_PREDICTED and header.bits < 32:
        return np.cumsum(planes, axis=2, dtype=planes.dtype.newbyteorder("="))
    return planes.astype(planes.dtype.newbyteorder("="))


def _whole_floats(plain: bytes, rows: int, row: int) -> bytes:
    """Rows of byte differences, with the first bytes of all samples before the second ones, as floats."""
    cells = np.frombuffer(plain, np.uint8, rows * row).reshape(rows, row)
    planes = np.cumsum(cells, axis=1, dtype=np.uint8).reshape(rows, 4, row // 4)
    return planes.swapaxes(1, 2).tobytes()


def _unpacked_rows(data: bytes, at: int, header: Header, take: int, row: int) -> bytes:
    """Rows of PackBits runs, whose lengths stand before them for all channels."""
    count = header.channels * header.height
    lengths = np.frombuffer(data, ">u4" if header.large else ">u2", count, at).astype(np.int64)
    starts = at + count * (4 if header.large else 2) + np.concatenate([[0], np.cumsum(lengths)])
    rows = []
    for index in range(take * header.height):
        packed = data[starts[index] : starts[index + 1]]
        plain = bytes(imagecodecs.packbits_decode(packed, out=row)) if packed else b""
        if len(plain) != row:
            raise ValueError("a row is cut short")
        rows.append(plain)
    return b"".join(rows)


def _interpret(planes: Samples, header: Header, wanted: int) -> Raster:
    peak = {1: 1.0, 8: 255.0, 16: 65535.0, 32: 1.0}[header.bits]
    alpha = planes[wanted] if len(planes) > wanted else None
    colour = np.moveaxis(planes[:wanted], 0, -1)
    if header.mode == _BITMAP:
        return Raster(1 - colour, "gray", 1.0)  # 1 is ink
    if header.mode == _INDEXED:
        return _from_palette(colour[:, :, 0], header)
    if header.mode == _CMYK:
        colour = np.subtract(np.array(peak).astype(colour.dtype), colour)  # 0 is full ink
        return Raster(colour, "cmyk", peak, alpha, peak)
    if header.mode == _LAB and header.bits < 32:
        stored = Depth.UINT8 if header.bits == 8 else Depth.UINT16
        return Raster(_lab(colour, peak), "lab", 1.0, alpha, peak, stored=stored)
    model = "rgb" if wanted == 3 else "gray"
    # Photoshop's 32-bit pictures are light; its merged pictures lie on white where they are transparent.
    raster = Raster(colour, model, peak, alpha, peak, linear=header.bits == 32)  # type: ignore[arg-type]
    return _without_white(raster) if alpha is not None else raster


def _without_white(raster: Raster) -> Raster:
    """Colours of a picture that was put on white, where they are not hidden altogether."""
    assert raster.alpha is not None
    alpha = raster.alpha[:, :, None].astype(np.float64) / raster.alpha_peak
    on_white = raster.samples.astype(np.float64) / raster.peak
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(alpha > 0, (on_white - (1 - alpha)) / alpha, on_white)
    if raster.samples.dtype.kind == "f":
        raster.samples = own.astype(np.float32)
    else:
        raster.samples = np.rint(np.clip(own, 0, 1) * raster.peak).astype(raster.samples.dtype)
    return raster


def _from_palette(indices: Samples, header: Header) -> Raster:
    table = np.frombuffer(header.palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T
    raster = Raster(table[indices], "rgb", 255.0)
    hidden = _resources(header).get(_TRANSPARENT_INDEX)
    if hidden and len(hidden) >= 2:
        (index,) = struct.unpack_from(">H", hidden)
        raster.alpha, raster.alpha_peak = np.where(indices == index, 0, 255).astype(np.uint8), 255.0
    return raster


def _lab(samples: Samples, peak: float) -> Samples:
    """L 0–100 of the full range; a and b around the middle, in steps of 1/256 of the range."""
    values = samples.astype(np.float32)
    step = np.float32((peak + 1) / 256)
    return np.concatenate([values[:, :, :1] * np.float32(100 / peak), values[:, :, 1:] / step - 128], axis=2)


def _resources(header: Header) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for number, body in iptc.blocks(header.resources):
        found.setdefault(number, body)
    return found


def _take_resources(raster: Raster, header: Header) -> None:
    found = _resources(header)
    raster.icc = found.get(_ICC) or None
    raster.xmp = found.get(_XMP) or None
    raster.exif = found.get(_EXIF, b"").removeprefix(b"Exif\0\0") or None
    raster.iptc = iptc.from_resources(header.resources)
    raster.resources = iptc.kept_resources(header.resources)
    resolution = found.get(_RESOLUTION, b"")
    if len(resolution) >= 16:
        across, down = struct.unpack_from(">I4xI", resolution)
        if across and down:  # always dots per inch, whatever unit is shown
            raster.dpi = (across / 65536, down / 65536)
