"""The boxes that AVIF, HEIF, JPEG 2000 and JPEG XL files are made of (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from restorecli.imaging.cicp import Cicp

_CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
CREDENTIALS_LEFT_OUT = "data of another program was left out: Content Credentials"
_MOST = 10_000  # boxes in one place; more is damage


def box(kind: bytes, body: bytes) -> bytes:
    """One box with its length."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte and end of the content of the boxes in a part of `data`, as far as they are sound."""
    end = len(data) if end is None else min(end, len(data))
    at = start
    for _ in range(_MOST):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        stop = end if size == 0 else at + size
        if stop < at + head or stop > end:
            return
        yield kind, at + head, stop
        at = stop


def find(data: bytes, *path: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """First byte and end of the content of the box at `path`; None where there is none."""
    place = start, len(data) if end is None else end
    for name in path:
        inside = next(((at, stop) for kind, at, stop in boxes(data, *place) if kind == name), None)
        if inside is None:
            return None
        at, stop = inside
        place = (at + 4 if name == b"meta" else at), stop  # a full box: version and flags come first
    return place


def primary_properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of the properties of a HEIF file's primary item (ISO/IEC 23008-12), in their order."""
    container = find(data, b"meta", b"iprp", b"ipco")
    primary = find(data, b"meta", b"pitm")
    links = find(data, b"meta", b"iprp", b"ipma")
    if container is None or primary is None or links is None:
        return []
    properties = [(kind, data[at:stop]) for kind, at, stop in boxes(data, *container)]
    wide = data[primary[0]] > 0
    (item,) = struct.unpack_from(">I" if wide else ">H", data, primary[0] + 4)
    try:
        wanted = _associations(data[slice(*links)]).get(item, [])
    except (struct.error, IndexError):
        return []
    return [properties[index - 1] for index in wanted if 0 < index <= len(properties)]


@dataclass(frozen=True)
class Place:
    """Where an item of a HEIF file lies.

    Attributes:
        item: its number.
        method: 0 for places in the file.
        stretches: first byte and length of each.
    """

    item: int
    method: int
    stretches: tuple[tuple[int, int], ...]


def primary_item(data: bytes) -> bytes:
    """The first stretch of bytes of a HEIF file's primary item; empty where it is not plainly in the file."""
    primary = find(data, b"meta", b"pitm")
    if primary is None:
        return b""
    try:
        (wanted,) = struct.unpack_from(">I" if data[primary[0]] else ">H", data, primary[0] + 4)
    except (struct.error, IndexError):
        return b""
    for place in places(data):
        if place.item == wanted and place.method == 0 and place.stretches:
            start, length = place.stretches[0]
            return data[start : start + length]
    return b""


def places(data: bytes) -> Iterator[Place]:
    """Where the items of a HEIF file lie (ISO/IEC 14496-12, 8.11.3, iloc); none where that is not stated."""
    found = find(data, b"meta", b"iloc")
    if found is None or found[1] - found[0] < 8:
        return
    at, end = found
    version = data[at]
    sizes = data[at + 4] >> 4, data[at + 4] & 15, data[at + 5] >> 4, data[at + 5] & 15
    offset_size, length_size, base_size, index_size = (*sizes[:3], sizes[3] if version else 0)
    stated = index_size + offset_size + length_size
    wide = 4 if version == 2 else 2

    def take(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : at], "big")

    at += 6
    for _ in range(min(take(wide), _MOST)):
        item = take(wide)
        method = take(2) & 15 if version else 0
        take(2)
        base, count = take(base_size), take(2)
        # Of stretches that state nothing, one is as good as any number.
        fitting = max(0, end - at) // stated if stated else 1
        stretches = [
            (take(index_size), base + take(offset_size), take(length_size))
            for _ in range(min(count, fitting))
        ]
        yield Place(item, method, tuple(stretch[1:] for stretch in stretches))


def _associations(ipma: bytes) -> dict[int, list[int]]:
    """Item → the numbers of its properties, counted from 1."""
    (count,) = struct.unpack_from(">I", ipma, 4)
    form, step = (">I", 4) if ipma[0] > 0 else (">H", 2)
    long = ipma[3] & 1
    at, found = 8, dict[int, list[int]]()
    for _ in range(min(count, _MOST)):
        (item,) = struct.unpack_from(form, ipma, at)
        number = ipma[at + step]
        at += step + 1
        width = 2 if long else 1
        mask = 0x7FFF if long else 0x7F
        cells = [
            int.from_bytes(ipma[at + i * width : at + (i + 1) * width], "big") & mask for i in range(number)
        ]
        found.setdefault(item, []).extend(cells)
        at += width * number
    return found


def colours(properties: list[tuple[bytes, bytes]]) -> tuple[Cicp | None, bytes | None]:
    """What the "colr" properties say: code points, and an ICC profile."""
    cicp = profile = None
    for kind, body in properties:
        if kind != b"colr":
            continue
        if body[:4] == b"nclx" and len(body) >= 11:
            primaries, transfer, matrix = struct.unpack_from(">HHH", body, 4)
            cicp = cicp or Cicp(primaries, transfer, matrix, bool(body[10] >> 7))
        elif body[:4] in (b"prof", b"rICC"):
            profile = profile or body[4:]
    return cicp, profile


def has_credentials(data: bytes) -> bool:
    """Whether a file has Content Credentials (C2PA 2.1, A.5), which tell of its very bytes."""
    return any(kind == b"uuid" and data[at : at + 16] == _CREDENTIALS for kind, at, _ in boxes(data))


def mastering(properties: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, bytes]]:
    """What "mdcv" and "clli" properties say, as PNG's chunks mDCV and cLLI hold it.

    The boxes have green, blue and red in this order, and content light levels in whole cd/m² (ISO/IEC
    14496-12, 12.1.6 and 12.1.7, after ITU-T H.265, D.3.28 and D.3.35).
    """
    for kind, body in properties:
        if kind == b"mdcv" and len(body) == 24:
            yield "mDCV", body[8:12] + body[:8] + body[12:]
        elif kind == b"clli" and len(body) == 4:
            yield "cLLI", struct.pack(">II", *(10000 * level for level in struct.unpack(">HH", body)))


def mastering_boxes(chunks: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    """The properties that say what PNG's chunks mDCV and cLLI do; the inverse of `mastering`."""
    for name, body in chunks:
        if name == "mDCV":
            yield box(b"mdcv", body[4:12] + body[:4] + body[12:])
        else:
            levels = (min(0xFFFF, -(-level // 10000)) for level in struct.unpack(">II", body))
            yield box(b"clli", struct.pack(">HH", *levels))
