"""IPTC captions (IIM records), where JPEG, TIFF and PNG keep them: among Photoshop's image resources.

Sources: Adobe Photoshop File Formats Specification (image resource blocks), IPTC IIM 4.2.
"""

from __future__ import annotations

import struct

_MARK = b"Photoshop 3.0\0"
_IPTC = 0x0404
_LONGEST_SEGMENT = 65533
_HEX_LINE = 72


def from_resources(data: bytes) -> bytes | None:
    """The IIM records within image resource blocks; None where there are none, or the blocks are broken."""
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, at + 4)
        at += 6
        at += (data[at] + 2) & ~1  # a name, padded to an even length with its count
        if at + 4 > len(data):
            return None
        (size,) = struct.unpack_from(">I", data, at)
        if number == _IPTC:
            return data[at + 4 : at + 4 + size] or None
        at += 4 + size + size % 2
    return None


def to_resources(records: bytes) -> bytes:
    """IIM records as one image resource block."""
    return b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(records)) + records + bytes(len(records) % 2)


def from_segment(body: bytes) -> bytes | None:
    """The IIM records of a JPEG's APP13 segment; None where it is another one."""
    return from_resources(body[len(_MARK) :]) if body.startswith(_MARK) else None


def to_segment(records: bytes) -> bytes | None:
    """An APP13 segment with its marker; None where the records are too long for one."""
    body = _MARK + to_resources(records)
    return None if len(body) > _LONGEST_SEGMENT else b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def from_text(value: str) -> bytes | None:
    """The IIM records of a PNG's "Raw profile type iptc" text: a name, a length, and hexadecimal digits."""
    try:
        data = bytes.fromhex("".join(value.split("\n")[3:]))
    except ValueError:
        return None
    if data.startswith(b"\x1c"):
        return data
    return from_resources(data.removeprefix(_MARK))


def to_text(records: bytes) -> str:
    """The text of a PNG's "Raw profile type iptc" entry."""
    data = to_resources(records)
    digits = data.hex()
    lines = [digits[at : at + _HEX_LINE] for at in range(0, len(digits), _HEX_LINE)]
    return "\n".join(["", "iptc", f"{len(data):8d}", *lines, ""])
