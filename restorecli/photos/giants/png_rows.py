"""The rows of a PNG file, inflated as they are needed, from top to bottom.

libpng undoes the filters (PNG specification, third edition, section 9): each block goes to it as a picture of
its own whose first row is the last one of the block before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from restorecli.errors import UnreadableError
from restorecli.photos.formats import png
from restorecli.photos.giants.source import HeldWhole, Source, rows_at_once
from restorecli.photos.raster import Raster, Samples

_CHANNELS = {0: 1, 2: 3}  # by colour type
_PIECE = 1 << 20  # bytes read at once


class PngRows(Source):
    """A PNG file's pixels.

    Args:
        stream: the file, which is closed with this.
        name: how messages call it.

    Raises:
        HeldWhole: its rows do not stand in the file from top to bottom, or are coded by a palette.
    """

    kind = "PNG"

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self.name = stream, name
        skeleton = png.skeleton(stream, name)
        self._header = png.read_header(skeleton, name)
        header = self._header
        if header.interlaced:
            raise HeldWhole("it is interlaced")
        if header.frames > 1:
            raise HeldWhole("it is an animation")
        if header.colour not in _CHANNELS or header.bits < 8 or b"tRNS" in png.kinds(skeleton, name):
            raise HeldWhole("it has a palette, transparency or fewer than 8 bits")
        self.height, self.width = header.height, header.width
        self._row_bytes = self.width * _CHANNELS[header.colour] * header.bits // 8
        self.step = rows_at_once(self._row_bytes)
        self._restart()

    def _restart(self) -> None:
        self._next = 0
        self._above = bytes(self._row_bytes)
        self._machine = zlib.decompressobj()
        self._pieces = self._idat()

    def _blocks(self, indices: range) -> list[Samples]:
        """Going back means to begin anew."""
        if indices.start < self._next:
            self._restart()
        while self._next < indices.start:
            self._decode()
        return [self._decode() for _ in indices]

    def _decode(self) -> Samples:
        rows = min(self.step, self.height - self._next * self.step)
        filtered = self._inflate(rows * (self._row_bytes + 1))
        header = self._header
        size = struct.pack(">IIBBBBB", self.width, rows + 1, header.bits, header.colour, 0, 0, 0)
        packed = zlib.compress(b"\0" + self._above + filtered, 0)
        small = png.chunk(b"IHDR", size) + png.chunk(b"IDAT", packed) + png.chunk(b"IEND", b"")
        decoded = imagecodecs.png_decode(png.SIGNATURE + small)
        samples: Samples = decoded.reshape(rows + 1, self.width, -1)[1:]
        order = ">u2" if header.bits == 16 else np.uint8
        self._above = samples[-1].astype(order).tobytes()
        self._next += 1
        return samples

    def _inflate(self, wanted: int) -> bytes:
        out = bytearray()
        while len(out) < wanted:
            rest = self._machine.unconsumed_tail or next(self._pieces, b"")
            if not rest:
                raise UnreadableError(f"{self.name}: damaged PNG: the file is cut short")
            out += self._machine.decompress(rest, wanted - len(out))
        return bytes(out)

    def _idat(self) -> Iterator[bytes]:
        at = len(png.SIGNATURE)
        while True:
            self._stream.seek(at)
            length, kind = struct.unpack(">I4s", self._stream.read(8))
            end = at + 8 + length
            at += 8
            if kind == b"IEND":
                return
            while kind == b"IDAT" and at < end:
                self._stream.seek(at)
                piece = self._stream.read(min(_PIECE, end - at))
                at += len(piece)
                yield piece
            at = end + 4

    def raster(self, samples: Samples) -> Raster:
        """Return a part as gray or RGB."""
        colours = png.Header(
            cicp=self._header.cicp,
            srgb=self._header.srgb,
            gamma=self._header.gamma,
            chromaticities=self._header.chromaticities,
            icc=self._header.icc,
        )
        return png.described(samples, colours)

    def header(self, samples: Samples) -> Raster:
        """Return the same with profile, resolution and metadata."""
        return png.described(samples, self._header)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
