"""EXIF blocks, changed without moving what is in them, so that maker notes with offsets of their own survive.

A block is a small TIFF file: header, IFD0, and the directories and values that it points to (EXIF 2.32).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from restorecli.photos.metadata.regions import scaled_place, turned_place

ORIENTATION = 0x0112
SOFTWARE = 0x0131
_EXIF_IFD = 0x8769
_POINTERS = frozenset((_EXIF_IFD, 0x8825, 0xA005))  # and GPS, interoperability
_MOST_DIRECTORIES = 8  # in one block; more is damage
_THUMBNAIL_AT, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_PLACES = frozenset((0x9214, 0xA214))  # SubjectArea, SubjectLocation
_FOCAL_PLANE = (0xA20E, 0xA20F)  # pixels of the picture per unit of the sensor, across and down
_RESOLUTION, _RESOLUTION_UNIT = (0x011A, 0x011B), 0x0128
_RATIONAL = 5
_WIDTHS = (0x0100, 0xA002)
_HEIGHTS = (0x0101, 0xA003)
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
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
        """The entries of the directory at `ifd`, but for those of unknown types or outside the block."""
        found = []
        for index in range(self._number("H", ifd)):
            at = ifd + 2 + 12 * index
            tag, kind, count = self._number("H", at), self._number("H", at + 2), self._number("I", at + 4)
            size = SIZES.get(kind, 0) * count
            value_at = at + 8 if size <= 4 else self._number("I", at + 8)
            if tag and kind in SIZES and value_at + size <= len(self.data):
                found.append(Entry(at, tag, kind, count, value_at))
        return found

    def link(self, ifd: int) -> int:
        """Where the offset of the directory after the one at `ifd` stands."""
        return ifd + 2 + 12 * self._number("H", ifd)

    def numbers(self, entry: Entry) -> list[int]:
        """The values of an entry that holds SHORTs or LONGs; none where it holds others."""
        form = {3: "H", 4: "I"}.get(entry.type)
        step = SIZES[entry.type]
        return [self._number(form, entry.value_at + step * i) for i in range(entry.count)] if form else []

    def put_numbers(self, entry: Entry, values: Sequence[float]) -> None:
        """Overwrite the SHORTs or LONGs of an entry, as far as they hold the rounded values."""
        form, most = ("H", 0xFFFF) if entry.type == 3 else ("I", 0xFFFFFFFF)
        for index, value in enumerate(values):
            cell = min(max(round(value), 0), most)
            struct.pack_into(self.order + form, self.data, entry.value_at + SIZES[entry.type] * index, cell)

    def next_ifd(self, ifd: int) -> int:
        """The offset of the directory after the one at `ifd`; 0 where there is none, or it cannot be read."""
        try:
            return self._number("I", self.link(ifd))
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

    def keep_sound(self, ifd: int) -> None:
        """Take entries that `entries` leaves out from the directory at `ifd`; nothing else moves.

        What lies outside the block now would be other data in the file that the block is written into.
        """
        sound = b"".join(self.data[entry.at : entry.at + 12] for entry in self.entries(ifd))
        if len(sound) // 12 < self._number("H", ifd):
            table = struct.pack(self.order + "H", len(sound) // 12) + sound
            table += struct.pack(self.order + "I", self.next_ifd(ifd))
            self.data[ifd : ifd + len(table)] = table

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


def upright(exif: bytes, size: tuple[int, int] | None = None, turn: int = 1) -> bytes:
    """The block with orientation 1, places in the picture turned, and without its thumbnail.

    Args:
        exif: of the picture as stored.
        size: its width and height as stored, which places refer to; None leaves them as they are.
        turn: the orientation 1–8 by which the picture was turned.

    Raises:
        ValueError: the block is broken.
    """
    block = Block(exif)
    for inner in _inner_directories(block):
        with contextlib.suppress(ValueError):
            block.keep_sound(inner)
    entry = block.find(block.first, ORIENTATION)
    if entry is not None:
        block.put_integer(entry, 1)
    if turn != 1 and size is not None:
        _turn_places(block, turn, size)
    following = block.next_ifd(block.first)
    if following:
        struct.pack_into(block.order + "I", block.data, block.link(block.first), 0)
        _erase_thumbnail(block, following)
    return bytes(block.data)


def _turn_places(block: Block, turn: int, size: tuple[int, int]) -> None:
    for ifd in _directories(block):
        found = {entry.tag: entry for entry in block.entries(ifd)}
        for tag in _PLACES & found.keys():
            values = block.numbers(found[tag])
            if 2 <= len(values) <= 4:
                block.put_numbers(found[tag], turned_place([*map(float, values)], turn, size))
        for pair in (_FOCAL_PLANE, _RESOLUTION):
            across, down = (found.get(tag) for tag in pair)
            if turn >= 5 and across and down and across.type == down.type == _RATIONAL:
                first, second = (bytes(block.data[e.value_at : e.value_at + 8]) for e in (across, down))
                block.data[across.value_at : across.value_at + 8] = second
                block.data[down.value_at : down.value_at + 8] = first


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


def for_output(
    exif: bytes | None,
    width: int,
    height: int,
    software: str,
    *,
    before: tuple[int, int] | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """The block for a result, with sizes and places true for it.

    Args:
        exif: the input's block, already `upright`; None makes a new one.
        width: of the result.
        height: of the result.
        software: for the Software entry; "" leaves it as it is.
        before: width and height of the input, upright, which places refer to.
        dpi: for the resolution entries; None leaves them as they are.

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
    if before is not None and before != (width, height):
        _scale_places(block, width / before[0], height / before[1])
    changes: dict[int, tuple[int, int, bytes] | None] = {}
    if software:
        text = software.encode("utf-8") + b"\0"
        changes[SOFTWARE] = (2, len(text), text)
    if dpi is not None:
        for tag, value in zip(_RESOLUTION, dpi, strict=True):
            parts = 1000 if value < 4e6 else 1
            changes[tag] = (_RATIONAL, 1, struct.pack(block.order + "II", round(value * parts), parts))
        changes[_RESOLUTION_UNIT] = (3, 1, struct.pack(block.order + "H", 2))
    if changes:
        block.rewrite_first(changes)
    return bytes(block.data)


def _scale_places(block: Block, across: float, down: float) -> None:
    for ifd in _directories(block):
        for entry in block.entries(ifd):
            if entry.tag in _PLACES:
                values = block.numbers(entry)
                if 2 <= len(values) <= 4:
                    block.put_numbers(entry, scaled_place([*map(float, values)], across, down))
            elif entry.tag in _FOCAL_PLANE and entry.type == _RATIONAL and entry.count == 1:
                factor = Fraction(across if entry.tag == _FOCAL_PLANE[0] else down).limit_denominator(1000)
                above, below = struct.unpack_from(block.order + "II", block.data, entry.value_at)
                if not below:
                    continue
                value = (Fraction(above, below) * factor).limit_denominator(10**6)
                if value.numerator < 2**32:
                    struct.pack_into(
                        block.order + "II", block.data, entry.value_at, value.numerator, value.denominator
                    )


def without(exif: bytes, tags: Collection[int]) -> bytes:
    """The block without some tags of its first directory. `ValueError` where it is broken."""
    block = Block(exif)
    block.rewrite_first(dict.fromkeys(tags))
    return bytes(block.data)


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Dots per inch that a block states; None where it states none, or is broken."""
    try:
        block = Block(exif)
        found = {entry.tag: entry for entry in block.entries(block.first)}
        unit = block.integer(found[_RESOLUTION_UNIT]) if _RESOLUTION_UNIT in found else 2
        values = []
        for tag in _RESOLUTION:
            above, below = struct.unpack_from(block.order + "II", block.data, found[tag].value_at)
            values.append(above / below * (2.54 if unit == 3 else 1.0))
    except (KeyError, ValueError, ZeroDivisionError, struct.error):
        return None
    return (values[0], values[1]) if unit in (2, 3) and min(values) > 0 else None


def _inner_directories(block: Block) -> list[int]:
    """Where the directories inside IFD0 and inside those lie, as far as they can be found."""
    found = [block.first]
    for ifd in found:
        with contextlib.suppress(ValueError):
            inner = (block.integer(entry) for entry in block.entries(ifd) if entry.tag in _POINTERS)
            found += [at for at in inner if at not in found][: _MOST_DIRECTORIES - len(found)]
    return found[1:]


def _directories(block: Block) -> Iterator[int]:
    yield block.first
    inner = block.find(block.first, _EXIF_IFD)
    if inner is not None:
        yield block.integer(inner)
