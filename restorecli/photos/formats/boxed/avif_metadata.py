"""EXIF and XMP put into an AVIF file that was encoded without them.

Source: ISO/IEC 14496-12, 8.11 (the meta box and its items), ISO/IEC 23008-12, annex A (Exif and XMP items).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from restorecli.photos.formats.boxed.boxes import Place, box, boxes, find, places

_MIME = b"application/rdf+xml\0"
_HEAD = 12  # bytes of a meta box before what it holds


def with_metadata(encoded: bytes, exif: bytes | None, xmp: bytes | None) -> bytes:
    """Return the file with an EXIF block and an XMP packet that tell of its primary item.

    Raises:
        ValueError: its items are laid out in a way that is not handled.
    """
    added = [(b"Exif", bytes(4) + exif)] if exif else []
    added += [(b"mime", xmp)] if xmp else []
    meta, primary = find(encoded, b"meta"), find(encoded, b"meta", b"pitm")
    if not added or meta is None or primary is None or encoded[primary[0]]:
        return _unless(added, encoded)
    (subject,) = struct.unpack_from(">H", encoded, primary[0] + 4)
    held = list(places(encoded))
    if any(place.method or len(place.stretches) != 1 for place in held):
        raise ValueError("items in several pieces")
    first = max(place.item for place in held) + 1
    numbered = [(first + index, *each) for index, each in enumerate(added)]
    # The longer meta box moves what lies behind it; its own length does not depend on the offsets in it.
    shift = len(_meta(encoded, meta, subject, held, numbered, 0, 0)) - (meta[1] - meta[0] + _HEAD)
    made = _meta(encoded, meta, subject, held, numbered, shift, len(encoded) + shift + 8)
    data = box(b"mdat", b"".join(body for _, _, body in numbered))
    return encoded[: meta[0] - _HEAD] + made + encoded[meta[1] :] + data


def _unless(added: Sequence[object], encoded: bytes) -> bytes:
    if added:
        raise ValueError("no items")
    return encoded


def _meta(
    encoded: bytes,
    meta: tuple[int, int],
    subject: int,
    held: list[Place],
    added: list[tuple[int, bytes, bytes]],
    shift: int,
    behind: int,
) -> bytes:
    """The meta box with further items, whose data begin at ``behind``; other data have moved by ``shift``."""
    parts, references = [bytes(4)], b""
    for kind, at, stop in boxes(encoded, *meta):
        body = encoded[at:stop]
        if kind == b"iinf":
            if body[0]:
                raise ValueError("more items than a picture has")
            (count,) = struct.unpack_from(">H", body, 4)
            body = body[:4] + struct.pack(">H", count + len(added)) + body[6:] + b"".join(_entries(added))
        elif kind == b"iloc":
            body = _locations(held, added, shift, behind)
        elif kind == b"iref":
            if body[0]:
                raise ValueError("more items than a picture has")
            references = body[4:]
            continue
        parts.append(box(kind, body))
    told = b"".join(box(b"cdsc", struct.pack(">HHH", item, 1, subject)) for item, _, _ in added)
    return box(b"meta", b"".join([*parts, box(b"iref", bytes(4) + references + told)]))


def _entries(added: list[tuple[int, bytes, bytes]]) -> Iterator[bytes]:
    for item, kind, _ in added:
        name = b"\0" + (_MIME if kind == b"mime" else b"")
        yield box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", item, 0, kind) + name)


def _locations(held: list[Place], added: list[tuple[int, bytes, bytes]], shift: int, behind: int) -> bytes:
    """An iloc box's content, version 0, with offsets and lengths of 4 bytes."""
    cells = [(place.item, place.stretches[0][0] + shift, place.stretches[0][1]) for place in held]
    for item, _, body in added:
        cells.append((item, behind, len(body)))
        behind += len(body)
    lines = (struct.pack(">HHHII", item, 0, 1, offset, length) for item, offset, length in cells)
    return bytes(4) + b"\x44\0" + struct.pack(">H", len(cells)) + b"".join(lines)
