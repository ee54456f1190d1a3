"""IPTC captions (IIM records) and their neighbours, where JPEG, TIFF, PNG and PSD keep them: image resources.

Sources: Adobe Photoshop File Formats Specification (image resource blocks), IPTC IIM 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MARK = b"Photoshop 3.0\0"
_IPTC = 0x0404
# Copyright flag, URL, global angle is none of the photo's; caption digest goes with unchanged records.
_KEPT = frozenset((0x040A, 0x040B, 0x0425))
_LONGEST_SEGMENT = 65533
_HEX_LINE = 72


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each image resource block, as far as they are sound."""
    at = 0
    while data[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") and at + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, at + 4)
        at += 6
        at += (data[at] + 2) & ~1  # a name, padded to an even length with its count
        if at + 4 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, at)
        yield number, data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def from_resources(data: bytes) -> bytes | None:
    """The IIM records within image resource blocks, of all such blocks; None where there are none."""
    return b"".join(body for number, body in blocks(data) if number == _IPTC) or None


def kept_resources(data: bytes) -> bytes | None:
    """The other blocks that tell of the photo and not of its pixels: copyright flag, URL, digest."""
    kept = {number: body for number, body in blocks(data) if number in _KEPT}
    return b"".join(_block(number, body) for number, body in kept.items()) or None


def _block(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


def to_resources(records: bytes | None, others: bytes | None = None) -> bytes:
    """Image resource blocks of IIM records and of `kept_resources`."""
    return (_block(_IPTC, records) if records else b"") + (others or b"")


def resources_of_segment(body: bytes) -> bytes | None:
    """The image resource blocks of a JPEG's APP13 segment; None where it is another one."""
    return body.removeprefix(_MARK) if body.startswith(_MARK) else None


def to_segment(records: bytes | None, others: bytes | None = None) -> bytes | None:
    """An APP13 segment with its marker; None where the records are too long for one."""
    body = _MARK + to_resources(records, others)
    return None if len(body) > _LONGEST_SEGMENT else b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def resources_of_text(value: str) -> bytes | None:
    """The image resource blocks of a PNG's "Raw profile type iptc": a name, a length, hexadecimal digits."""
    try:
        data = bytes.fromhex("".join(value.split("\n")[3:]))
    except ValueError:
        return None
    return _block(_IPTC, data) if data.startswith(b"\x1c") else data.removeprefix(_MARK)


def to_text(records: bytes | None, others: bytes | None = None) -> str:
    """The text of a PNG's "Raw profile type iptc" entry."""
    data = to_resources(records, others)
    digits = data.hex()
    lines = [digits[at : at + _HEX_LINE] for at in range(0, len(digits), _HEX_LINE)]
    return "\n".join(["", "iptc", f"{len(data):8d}", *lines, ""])
