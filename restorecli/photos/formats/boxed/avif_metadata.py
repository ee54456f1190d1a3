"""EXIF, XMP and the mastering display put into an AVIF file that was encoded without them.

Source: ISO/IEC 14496-12, 8.11 (the meta box and its items), ISO/IEC 23008-12, 9.3 (properties of items) and
annex A (Exif and XMP items).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from restorecli.photos.formats.boxed.boxes import Place, box, boxes, find, mastering_boxes, places

_MIME = b"application/rdf+xml\0"
_HEAD = 12  # bytes of a meta box before what it holds


@dataclass(frozen=True)
class _Added:
    """What a meta box gets.

    Attributes:
        subject: number of the primary item, which everything tells of.
        items: number, type and content of each new item.
        properties: new properties of the primary item, as boxes.
    """

    subject: int
    items: tuple[tuple[int, bytes, bytes], ...]
    properties: tuple[bytes, ...]


def with_metadata(
    encoded: bytes, exif: bytes | None, xmp: bytes | None, mastering: Sequence[tuple[str, bytes]] = ()
) -> bytes:
    """Return the file with an EXIF block, an XMP packet and a mastering display of its primary item.

    Args:
        encoded: an AVIF file.
        exif: EXIF block, or None.
        xmp: XMP packet, or None.
        mastering: see `Metadata.mastering`.

    Raises:
        ValueError: its items are laid out in a way that is not handled.
    """
    bodies = [(b"Exif", bytes(4) + exif)] if exif else []
    bodies += [(b"mime", xmp)] if xmp else []
    if not bodies and not mastering:
        return encoded
    meta, primary = find(encoded, b"meta"), find(encoded, b"meta", b"pitm")
    if meta is None or primary is None or encoded[primary[0]]:
        raise ValueError("no items")
    (subject,) = struct.unpack_from(">H", encoded, primary[0] + 4)
    held = list(places(encoded))
    if any(place.method or len(place.stretches) != 1 for place in held):
        raise ValueError("items in several pieces")
    first = max(place.item for place in held) + 1
    items = tuple((first + index, *each) for index, each in enumerate(bodies))
    added = _Added(subject, items, tuple(mastering_boxes(mastering)))
    # The longer meta box moves what lies behind it; its own length does not depend on the offsets in it.
    shift = len(_meta(encoded, meta, held, added, 0, 0)) - (meta[1] - meta[0] + _HEAD)
    made = _meta(encoded, meta, held, added, shift, len(encoded) + shift + 8)
    data = box(b"mdat", b"".join(body for _, _, body in items)) if items else b""
    return encoded[: meta[0] - _HEAD] + made + encoded[meta[1] :] + data


def _meta(
    encoded: bytes, meta: tuple[int, int], held: list[Place], added: _Added, shift: int, behind: int
) -> bytes:
    """The meta box with what is added; new items lie at ``behind``, other data have moved by ``shift``."""
    parts, references = [bytes(4)], b""
    for kind, at, stop in boxes(encoded, *meta):
        body = encoded[at:stop]
        if kind == b"iinf":
            if body[0]:
                raise ValueError("more items than a picture has")
            (count,) = struct.unpack_from(">H", body, 4)
            count += len(added.items)
            body = body[:4] + struct.pack(">H", count) + body[6:] + b"".join(_entries(added))
        elif kind == b"iloc":
            body = _locations(held, added, shift, behind)
        elif kind == b"iprp" and added.properties:
            body = _properties(body, added)
        elif kind == b"iref":
            if body[0]:
                raise ValueError("more items than a picture has")
            references = body[4:]
            continue
        parts.append(box(kind, body))
    told = (box(b"cdsc", struct.pack(">HHH", item, 1, added.subject)) for item, _, _ in added.items)
    references += b"".join(told)
    return box(b"meta", b"".join([*parts, box(b"iref", bytes(4) + references) if references else b""]))


def _entries(added: _Added) -> Iterator[bytes]:
    for item, kind, _ in added.items:
        name = b"\0" + (_MIME if kind == b"mime" else b"")
        yield box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", item, 0, kind) + name)


def _properties(iprp: bytes, added: _Added) -> bytes:
    """The content of an iprp box with further properties, at the end of those of the primary item."""
    parts, number = [], 0
    for kind, at, stop in boxes(iprp):
        body = iprp[at:stop]
        if kind == b"ipco":
            number = sum(1 for _ in boxes(body))
            body += b"".join(added.properties)
        elif kind == b"ipma":
            body = _associated(body, added.subject, range(number + 1, number + 1 + len(added.properties)))
        parts.append(box(kind, body))
    return b"".join(parts)


def _associated(ipma: bytes, subject: int, numbers: range) -> bytes:
    """An ipma box's content with further properties of an item, none of them essential."""
    if ipma[0] or (ipma[3] & 1 == 0 and numbers.stop > 128):
        raise ValueError("more properties than a picture has")
    width = 1 + (ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    at, parts = 8, [ipma[:8]]
    for _ in range(count):
        item, held = struct.unpack_from(">HB", ipma, at)
        cells = ipma[at + 3 : at + 3 + held * width]
        at += 3 + held * width
        if item == subject:
            cells += b"".join(number.to_bytes(width, "big") for number in numbers)
        parts.append(struct.pack(">HB", item, len(cells) // width) + cells)
    return b"".join(parts)


def _locations(held: list[Place], added: _Added, shift: int, behind: int) -> bytes:
    """An iloc box's content, version 0, with offsets and lengths of 4 bytes."""
    cells = [(place.item, place.stretches[0][0] + shift, place.stretches[0][1]) for place in held]
    for item, _, body in added.items:
        cells.append((item, behind, len(body)))
        behind += len(body)
    lines = (struct.pack(">HHHII", item, 0, 1, offset, length) for item, offset, length in cells)
    return bytes(4) + b"\x44\0" + struct.pack(">H", len(cells)) + b"".join(lines)
