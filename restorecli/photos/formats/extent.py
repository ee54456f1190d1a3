"""The size of a picture by its header alone, before anything is decoded.

For the formats whose decoders do not report it: Radiance HDR, JPEG XL, OpenEXR and QOI.

Sources: ISO/IEC 18181-1 (JPEG XL), annex D, size header; OpenEXR File Layout, attribute dataWindow;
qoiformat.org.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from restorecli.photos.formats.bitmaps import radiance

_HEAD = 65536  # bytes in which a text header must end
_FLOAT = 4  # bytes
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height, by index from 1


@dataclass(frozen=True)
class Extent:
    """One page's size.

    Attributes:
        width, height: as stored; 0 where the header does not state it.
        orientation: EXIF orientation 1–8 that turns it upright.
        channels: samples of a pixel, those that are left out later too.
        sample_bytes: bytes of a decoded sample.
        hidden: pixels that are decoded besides: masked ones of a sensor, layers, slices.
        beside: bytes a pixel that the decoder takes beside its samples.
    """

    width: int
    height: int
    orientation: int = 1
    channels: int = 4
    sample_bytes: int = 1
    hidden: int = 0
    beside: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of the picture."""
        return self.width * self.height

    @property
    def decoded_bytes(self) -> int:
        """What the decoder gives, all samples."""
        return (self.pixels + self.hidden) * self.channels * self.sample_bytes

    @property
    def float_bytes(self) -> int:
        """What the picture takes in float32: its colours, and alpha where there may be one."""
        return self.pixels * min(self.channels, 4) * _FLOAT


def of_header(data: bytes, kind: str) -> Extent | None:
    """The extent that the header of a file of `kind` states; None for kinds that are not read here.

    Raises:
        ValueError: the header states none.
    """
    read = {"hdr": _hdr, "jpegxl": _jpeg_xl, "exr": _exr, "qoi": _qoi}.get(kind)
    return None if read is None else read(data)


def _hdr(data: bytes) -> Extent:
    width, height = radiance.size(data)
    return Extent(width, height, channels=3, sample_bytes=_FLOAT)


def _qoi(data: bytes) -> Extent:
    if len(data) < 14:
        raise ValueError("the header is cut short")
    width, height, channels = struct.unpack_from(">IIB", data, 4)
    return Extent(width, height, channels=3 if channels == 3 else 4)


def _exr(data: bytes) -> Extent:
    """The data window; channels are counted as four of 32 bits, whatever they are."""
    name = b"dataWindow\0box2i\0"
    at = data.find(name, 0, 1 << 20)
    if at < 0 or at + len(name) + 20 > len(data):
        raise ValueError("it does not state its size")
    left, top, right, bottom = struct.unpack_from("<iiii", data, at + len(name) + 4)
    if right < left or bottom < top:
        raise ValueError("it states an impossible size")
    return Extent(right - left + 1, bottom - top + 1, sample_bytes=_FLOAT)


def _jpeg_xl(data: bytes) -> Extent:
    """The size header of the code stream, inside boxes or bare."""
    at = 0
    if data[:2] != b"\xff\x0a":
        whole, first = data.find(b"jxlc", 0, _HEAD), data.find(b"jxlp", 0, _HEAD)
        at = whole + 4 if whole >= 0 else first + 8 if first >= 0 else -1
    if at < 0 or data[at : at + 2] != b"\xff\x0a":
        raise ValueError("it does not state its size")
    bits = _Bits(data[at + 2 : at + 16])
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else bits.number()
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        width = height * across // down
    else:
        width = 8 * (bits.take(5) + 1) if small else bits.number()
    return Extent(width, height, sample_bytes=_FLOAT)


class _Bits:
    """Bits of a JPEG XL code stream, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def number(self) -> int:
        """A number coded by its own length: 9, 13, 18 or 30 bits."""
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1
