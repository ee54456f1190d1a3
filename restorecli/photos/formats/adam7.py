"""Interlaced PNGs of 16 bits: the seven passes decoded as pictures of their own and put in their places.

libpng, as imagecodecs calls it, complains on standard error about interlaced files; single passes are plain.
Source: PNG specification, third edition, 8.1 (Adam7).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import imagecodecs
import numpy as np

from restorecli.photos.raster import Samples

# First column and row of each pass, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode(width: int, height: int, bits: int, colour: int, chunks: Iterator[tuple[bytes, bytes]]) -> Samples:
    """Decode an interlaced PNG.

    Args:
        width: of the picture.
        height: of the picture.
        bits: of a sample.
        colour: PNG's colour type.
        chunks: type and content of the chunks that the pixels need: PLTE, tRNS and IDAT.

    Raises:
        ValueError, zlib.error: the file is damaged or cut short.
    """
    held = list(chunks)
    beside = b"".join(_chunk(kind, body) for kind, body in held if kind != b"IDAT")
    packed = b"".join(body for kind, body in held if kind == b"IDAT")
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _PASSES]
    lengths = [h * (1 + (w * _CHANNELS[colour] * bits + 7) // 8) if w > 0 and h > 0 else 0 for w, h in sizes]
    plain = zlib.decompressobj().decompress(packed, sum(lengths))
    if len(plain) < sum(lengths):
        raise ValueError("not enough image data")
    result, at = None, 0
    for (x, y, dx, dy), (w, h), length in zip(_PASSES, sizes, lengths, strict=True):
        if not length:
            continue
        head = struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, 0)
        stream = _chunk(b"IDAT", zlib.compress(plain[at : at + length], 0))
        at += length
        whole = _SIGNATURE + _chunk(b"IHDR", head) + beside + stream + _chunk(b"IEND", b"")
        part = np.asarray(imagecodecs.png_decode(whole)).reshape(h, w, -1)
        if result is None:
            result = np.empty((height, width, part.shape[2]), part.dtype)
        result[y::dy, x::dx] = part
    if result is None:
        raise ValueError("no pixels")
    return result


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
