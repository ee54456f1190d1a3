"""EXIF blocks, changed without moving what is in them, so that maker notes with offsets of their own survive.

A block is a small TIFF file: header, IFD0, and the directories and values that it points to (EXIF 2.32).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
SOFTWARE = 0x0131
_EXIF_IFD = 0x8769
_THUMBNAIL_AT, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_WIDTHS = (0x0100, 0xA002)
_HEIGHTS = (0x0101, 0xA003)
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
# What describes the stored samples of a TIFF, not the photo: wrong in any other file.
# fmt: off
STRUCTURE = frozenset((
    0x00FE, 0x00FF, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010A, 0x0111, 0x0115, 0x0116, 0x0117,
    0x011A, 0x011B, 0x011C, 0x0128, 0x013D, 0x0140, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A, 0x0152,
    0x0153, 0x015B, 0x0201, 0x0202, 0x0211, 0x0212, 0x0213, 0x0214, 0x02BC, 0x83BB, 0x8649, 0x8773,
))
# fmt: on


@dataclass(frozen=True)
class Entry:
    """One entry of a directory: where it stands, what it holds, and where its value lies."""

    at: int
    tag: int
    type: int
    count: int
    value_at: int

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return SIZES.get(self.type, 1) * self.count


class Block:
    """An EXIF block that can be read and patched in place.

    Raises:
        ValueError: the block is not one.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("not an EXIF block")
        self.order = "<" if data[:1] == b"I" else ">"
        self.first = self._number("I", 4)
        self.entries(self.first)

    def _number(self, form: str, at: int) -> int:
        try:
            return int(struct.unpack_from(self.order + form, self.data, at)[0])
        except struct.error as error:
            raise ValueError("an EXIF directory lies outside the block") from error

    def entries(self, ifd: int) -> list[Entry]:
        """The entries of the directory at offset `ifd`."""
        found = []
        for index in range(self._number("H", ifd)):
            at = ifd + 2 + 12 * index
            tag, kind, count = self._number("H", at), self._number("H", at + 2), self._number("I", at + 4)
            size = SIZES.get(kind, 1) * count
            found.append(Entry(at, tag, kind, count, at + 8 if size <= 4 else self._number("I", at + 8)))
        return found

    def next_ifd(self, ifd: int) -> int:
        """The offset of the directory after the one at `ifd`; 0 where there is none, or it cannot be read."""
        try:
            return self._number("I", ifd + 2 + 12 * self._number("H", ifd))
        except ValueError:
            return 0

    def find(self, ifd: int, tag: int) -> Entry | None:
        """The entry with `tag` of the directory at `ifd`."""
        return next((entry for entry in self.entries(ifd) if entry.tag == tag), None)

    def integer(self, entry: Entry) -> int:
        """The value of an entry that holds one SHORT or LONG."""
        return self._number("H" if entry.type == 3 else "I", entry.value_at)

    def put_integer(self, entry: Entry, value: int) -> None:
        """Overwrite the value of an entry that holds one number; a SHORT becomes a LONG where it must."""
        if entry.type not in (3, 4) or entry.count != 1:
            return
        if entry.type == 3 and value > 0xFFFF:
            struct.pack_into(self.order + "H", self.data, entry.at + 2, 4)
            struct.pack_into(self.order + "I", self.data, entry.value_at, value)
        else:
            struct.pack_into(self.order + ("H" if entry.type == 3 else "I"), self.data, entry.value_at, value)

    def rewrite_first(self, changes: dict[int, tuple[int, int, bytes] | None]) -> None:
        """Put a new IFD0 behind everything else.

        Args:
            changes: maps a tag to its type, count and value, or to None to drop it.
        """
        kept = {e.tag: bytes(self.data[e.at : e.at + 12]) for e in self.entries(self.first)}
        self.data += bytes(len(self.data) % 2)
        for tag, change in changes.items():
            kept.pop(tag, None)
            if change is not None:
                kind, count, value = change
                if len(value) > 4:
                    pointer = struct.pack(self.order + "I", len(self.data))
                    self.data += value + bytes(len(value) % 2)
                    value = pointer
                kept[tag] = struct.pack(self.order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
        self.first = len(self.data)
        struct.pack_into(self.order + "I", self.data, 4, self.first)
        self.data += (
            struct.pack(self.order + "H", len(kept)) + b"".join(kept[tag] for tag in sorted(kept)) + bytes(4)
        )


def orientation(exif: bytes) -> int:
    """The orientation 1–8 that a block states, 1 where it states none; `ValueError` for a broken block."""
    block = Block(exif)
    entry = block.find(block.first, ORIENTATION)
    value = block.integer(entry) if entry is not None and entry.type in (3, 4) else 1
    return value if 1 <= value <= 8 else 1


def upright(exif: bytes) -> bytes:
    """The block with orientation 1 and without its thumbnail. `ValueError` where the block is broken."""
    block = Block(exif)
    entry = block.find(block.first, ORIENTATION)
    if entry is not None:
        block.put_integer(entry, 1)
    following = block.next_ifd(block.first)
    if following:
        struct.pack_into(
            block.order + "I", block.data, block.first + 2 + 12 * len(block.entries(block.first)), 0
        )
        _erase_thumbnail(block, following)
    return bytes(block.data)


def _erase_thumbnail(block: Block, ifd: int) -> None:
    try:
        at, length = block.find(ifd, _THUMBNAIL_AT), block.find(ifd, _THUMBNAIL_LENGTH)
    except ValueError:
        return
    if at is None or length is None:
        return
    start, size = block.integer(at), block.integer(length)
    end = start + size
    if not 8 <= start < end <= len(block.data):
        return
    if end >= len(block.data) - 1:
        del block.data[start:]
    else:
        block.data[start:end] = bytes(size)


def for_output(exif: bytes | None, width: int, height: int, software: str) -> bytes:
    """The block for a result of this size, with the Software entry set.

    Args:
        exif: the input's block, already `upright`; None makes a new one.
        width: of the result.
        height: of the result.
        software: for the Software entry; "" leaves it as it is.

    Raises:
        ValueError: the block is broken.
    """
    block = Block(exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    for ifd in _directories(block):
        for entry in block.entries(ifd):
            if entry.tag in _WIDTHS:
                block.put_integer(entry, width)
            elif entry.tag in _HEIGHTS:
                block.put_integer(entry, height)
    if software:
        text = software.encode("utf-8") + b"\0"
        block.rewrite_first({SOFTWARE: (2, len(text), text)})
    return bytes(block.data)


def _directories(block: Block) -> Iterator[int]:
    yield block.first
    inner = block.find(block.first, _EXIF_IFD)
    if inner is not None:
        yield block.integer(inner)
