"""The directories of a TIFF file as a chain: how many there are, found without trusting where they point.

Sources: TIFF 6.0, section 2; the BigTIFF design (offsets of 8 bytes).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

MOST_PAGES = 10_000
MOST_INNER = 32
"""So many directories inside the first one are read."""


@dataclass(frozen=True)
class Chain:
    """The directories that follow one another.

    Attributes:
        count: how many there are, each counted once.
        circular: whether the last one points back.
    """

    count: int
    circular: bool


def follow(stream: BinaryIO) -> Chain:
    """Follow the chain of directories of a TIFF file.

    Raises:
        ValueError: it is no TIFF, or its directories are longer together than the file: they overlap.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(16)
    if head[:2] not in (b"II", b"MM") or len(head) < 8:
        raise ValueError("not a TIFF")
    order = "<" if head[:1] == b"I" else ">"
    big = 43 in struct.unpack_from(order + "H", head, 2)
    count_form, entry, offset_form = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    seen: set[int] = set()
    at = struct.unpack_from(offset_form, head, 8 if big else 4)[0] if len(head) >= 8 + 8 * big else 0
    total = 0
    while at and at not in seen and len(seen) <= MOST_PAGES:
        size = struct.calcsize(count_form)
        stream.seek(at)
        data = stream.read(size)
        if len(data) < size:
            break  # beyond the file: tifffile takes what comes before
        (entries,) = struct.unpack(count_form, data)
        total += entries * entry
        if total > length:
            raise ValueError("its directories overlap, or lie outside the file")
        seen.add(at)
        stream.seek(at + size + entries * entry)
        data = stream.read(struct.calcsize(offset_form))
        at = struct.unpack(offset_form, data)[0] if len(data) == struct.calcsize(offset_form) else 0
    return Chain(len(seen), at in seen)
