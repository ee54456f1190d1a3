"""EXIF data in and out of TIFF files, where it is the file's own tags: directories are copied and moved."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from restorecli.photos.metadata.exif import SIZES, STRUCTURE

_EXIF_IFD = 0x8769
_SUB_IFDS = frozenset((_EXIF_IFD, 0x8825, 0xA005))  # and GPS, interoperability
_DESCRIPTION = 0x010E  # where tifffile notes an array's shape, which the result has not
_LONGEST = 32 << 20  # bytes of one value; more is damage
_MOST = 2 * _LONGEST  # bytes of all values: entries that share one value could claim any number
_MOST_ENTRIES = 4096
# Olympus and Panasonic mark their RAW files in their own way; what follows is TIFF.
_BIG_MARKS = (b"II+\0", b"MM\0+")
_WIDE = (16, 17, 18)  # LONG8, SLONG8, IFD8
_TYPES = {**SIZES, **dict.fromkeys(_WIDE, 8)}
_MAKER_NOTE = 0x927C
# How maker notes begin whose offsets count from their own start, or that hold none (as ExifTool knows them):
# they may be moved. All others, Canon's, Sony's and Panasonic's among them, count from the file's.
_MOVABLE = (
    b"Apple iOS\0",
    b"FUJIFILM",
    b"Nikon\0\2",
    b"OLYMPUS\0",
    b"OM SYSTEM\0",
    b"PENTAX \0",
    b"RICOH\0II",
    b"RICOH\0MM",
    b"KDK",
    b"HDRP",
    b"MOT\0",
)
_DEEPEST = 3  # directories in directories; more is damage
_PIXELS = (0x0111, 0x0144)  # where strips and tiles begin
_FARTHEST = 60_000  # bytes of a block that still fits into a JPEG
_MARKS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")


class _Source:
    """Reads directories of a TIFF or BigTIFF from a seekable stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.bytes_left = _MOST
        self.length = stream.seek(0, 2)
        head = self.read(0, min(16, max(8, self.length)))
        self.big = head[:4] in _BIG_MARKS
        if head[:4] not in (*_MARKS, *_BIG_MARKS):
            raise ValueError("not a TIFF")
        self.order = "<" if head[:1] == b"I" else ">"
        (self.first,) = struct.unpack_from(
            self.order + ("Q" if self.big else "I"), head, 8 if self.big else 4
        )

    def read(self, at: int, size: int) -> bytes:
        self.bytes_left -= size
        if size > _LONGEST or self.bytes_left < 0:
            raise ValueError("a value is too long, or all of them together")
        self.stream.seek(at)
        data = self.stream.read(size)
        if len(data) != size:
            raise ValueError("a directory lies outside the file")
        return data

    def entries(self, ifd: int) -> tuple[dict[int, tuple[int, int, bytes]], int]:
        """Tag → (type, count, value bytes) of the directory at `ifd`, and where the next one is.

        Entries of unknown types and with values outside the file are left out.
        """
        head, step, inline = (8, 20, 8) if self.big else (2, 12, 4)
        (count,) = struct.unpack(self.order + ("Q" if self.big else "H"), self.read(ifd, head))
        if count > _MOST_ENTRIES:
            raise ValueError("a directory is too long")
        table = self.read(ifd + head, step * count + inline)
        offset = self.order + ("Q" if self.big else "I")
        found: dict[int, tuple[int, int, bytes]] = {}
        for at in range(0, step * count, step):
            tag, kind, number = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), table, at)
            if not tag or kind not in _TYPES:
                continue
            place, size = at + step - inline, _TYPES[kind] * number
            value = table[place : place + size]
            if size > inline:
                (start,) = struct.unpack_from(offset, table, place)
                if start + size > self.length:
                    continue
                value = self.read(start, size)
            found.setdefault(tag, self._classic(kind, number, value))
        return found, struct.unpack_from(offset, table, step * count)[0]

    def _classic(self, kind: int, count: int, value: bytes) -> tuple[int, int, bytes]:
        """An entry without BigTIFF's 64-bit numbers; pointers are resolved by those who follow them."""
        if kind not in _WIDE:
            return kind, count, value
        numbers = [number & 0xFFFFFFFF for number in struct.unpack(f"{self.order}{count}Q", value)]
        return 4, count, struct.pack(f"{self.order}{count}I", *numbers)


def _any(tag: int, level: int) -> bool:
    return True


def _packed(
    order: str,
    entries: dict[int, tuple[int, int, bytes]],
    base: int,
    following: int,
    inner: Callable[[bytes, int], bytes] | None = None,
) -> bytes:
    """A directory for offset `base`, its values behind it.

    Inner directories stay where they are, or `inner` packs what a pointer points to, for another offset.
    """
    table = struct.pack(order + "H", len(entries))
    values = b""
    start = base + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        kind, count, value = entries[tag]
        if inner and tag in _SUB_IFDS and len(value) == 4:
            there = struct.pack(order + "I", start + len(values))
            values += inner(value, start + len(values))
            value = there
        elif len(value) > 4:
            pointer = struct.pack(order + "I", start + len(values))
            values += value + bytes(len(value) % 2)
            value = pointer
        table += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    return table + struct.pack(order + "I", following) + values


def _moved(
    source: _Source,
    entries: dict[int, tuple[int, int, bytes]],
    base: int,
    wanted: Callable[[int, int], bool],
    level: int = 0,
) -> bytes:
    """A directory with the directories in it, for offset `base`."""

    def inner(pointer: bytes, start: int) -> bytes:
        try:
            found, _ = source.entries(struct.unpack(source.order + "I", pointer)[0])
        except ValueError:
            found = {}  # what is broken must not cost the rest
        return _moved(source, found, start, wanted, level + 1)

    kept = {tag: entry for tag, entry in entries.items() if wanted(tag, level)}
    return _packed(source.order, kept, base, 0, inner if level < _DEEPEST else None)


def extract(stream: BinaryIO, wanted: Callable[[int, int], bool] = _any) -> tuple[bytes | None, bool]:
    """The tags of a TIFF file that describe the photo and not its samples, as an EXIF block.

    The tags move by that. Maker notes that hold offsets into the file would no longer be true: left out, but
    where all that the directory points to lies before the pixels and can stay in its place.

    Args:
        stream: the file.
        wanted: whether to keep a tag of the first directory (level 0) or of one inside (level 1 and on).

    Returns:
        The block, or None where there are no such tags; and whether maker notes were left out.

    Raises:
        ValueError: the directories are broken.
    """
    source = _Source(stream)
    entries, _ = source.entries(source.first)
    kept = {
        tag: entry
        for tag, entry in entries.items()
        if tag not in STRUCTURE
        and wanted(tag, 0)
        and not (tag == _DESCRIPTION and entry[2].startswith(b'{"shape"'))
    }
    if not kept:
        return None, False
    note = _fixed_maker_note(source, kept) if wanted(_MAKER_NOTE, 1) else None
    if note and (block := _as_it_lies(source, entries, kept, note)):
        return block, False

    def movable(tag: int, level: int) -> bool:
        return wanted(tag, level) and not (note and tag == _MAKER_NOTE)

    return _head(source.order, 8) + _moved(source, kept, 8, movable), note is not None


def _head(order: str, first: int) -> bytes:
    """The header of an EXIF block with its first directory at ``first``."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", first)


def _as_it_lies(
    source: _Source,
    entries: dict[int, tuple[int, int, bytes]],
    kept: dict[int, tuple[int, int, bytes]],
    note: bytes,
) -> bytes | None:
    """A block in which all but the first directory has its place in the file, as in files made by `begin`.

    None where that is not before the pixels, or would be too long for a JPEG.
    """
    order = source.order
    starts = [value for tag in _PIXELS if tag in entries for value in _integers(order, entries[tag])]
    end = min(starts, default=0)
    pointers = [number for tag in _SUB_IFDS if tag in kept for number in _integers(order, kept[tag])]
    if source.big or not 8 < end <= _FARTHEST or not all(8 <= at < end for at in pointers):
        return None
    before = source.read(0, end) + bytes(end % 2)
    if note not in before:
        return None
    return _head(order, len(before)) + before[8:] + _packed(order, kept, len(before), 0)


def _integers(order: str, entry: tuple[int, int, bytes]) -> tuple[int, ...]:
    kind, count, value = entry
    form = {3: "H", 4: "I", 13: "I"}.get(kind)
    return struct.unpack(f"{order}{count}{form}", value[: _TYPES[kind] * count]) if form else ()


def begin(stream: BinaryIO, block: bytes, *, big_endian: bool) -> None:
    """Begin a TIFF file with an EXIF block, so that all offsets in it stay true, those in maker notes too.

    The file has no page yet; `adopt` makes the tags those of the first one.

    Raises:
        ValueError: the block is broken, or of the other byte order.
    """
    if block[:4] != (b"MM\0*" if big_endian else b"II*\0") or len(block) < 8:
        raise ValueError("not an EXIF block of the file's byte order")
    stream.write(block[:4] + bytes(4) + block[8:] + bytes(len(block) % 2))
    stream.seek(0)


def adopt(stream: BinaryIO, block: bytes) -> None:
    """Make the tags of the EXIF block with which a TIFF file begins those of its first page.

    A new directory is written behind the file's end and the header is pointed to it; tags that describe how
    the samples are stored stay the page's own.

    Raises:
        ValueError: the file or the block is broken.
    """
    file = _Source(stream)
    own, following = file.entries(file.first)
    added, _ = file.entries(struct.unpack_from(file.order + "I", block, 4)[0])
    entries = {tag: entry for tag, entry in added.items() if tag not in STRUCTURE} | {
        tag: entry for tag, entry in own.items() if tag in STRUCTURE or tag not in added
    }
    stream.seek(0, 2)
    base = stream.tell()
    base += stream.write(bytes(base % 2))
    packed = _packed(file.order, entries, base, following)
    if base + len(packed) >= 2**32:
        raise ValueError("the file is too long")
    stream.write(packed)
    stream.seek(4)
    stream.write(struct.pack(file.order + "I", base))


def _fixed_maker_note(source: _Source, entries: dict[int, tuple[int, int, bytes]]) -> bytes | None:
    """Maker notes that hold offsets from the start of the file they lie in; None where there are none."""
    pointer = entries.get(_EXIF_IFD)
    if pointer is None or len(pointer[2]) != 4:
        return None
    try:
        inner, _ = source.entries(struct.unpack(source.order + "I", pointer[2])[0])
    except ValueError:
        return None
    note = inner.get(_MAKER_NOTE)
    return None if note is None or note[2].startswith(_MOVABLE) else note[2]
