"""Results become files, whole or not at all: a temporary file beside the target, checked, then renamed."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from restorecli.errors import RestoreError, TooLargeError, UnreadableError, UnsupportedError, WriteError
from restorecli.imaging.orientation import upright_size
from restorecli.photo import Depth, Document, Photo
from restorecli.photos import read, records, temporary
from restorecli.photos.formats import animation, encode
from restorecli.photos.formats.page import Page
from restorecli.photos.formats.table import FORMATS, RAW_ONLY, check_format, kept_format, nearest_depth
from restorecli.photos.stores import store
from restorecli.photos.stores.path import AnyPath, StorePath

_BLOCK = 1 << 20  # bytes copied at once
_DEPTH_NAMES = {Depth.UINT8: "8 bits", Depth.UINT16: "16 bits", Depth.FLOAT32: "32-bit float"}


@dataclass(frozen=True)
class WrittenInfo:
    """What was written.

    Attributes:
        warnings: what the format could not keep, one sentence each.
        bytes: length of the file.
        format: its format.
        width: of the first page.
        height: of the first page.
        line: what is to be recorded of a result in a store, where nothing can be added to a file of records.
    """

    warnings: tuple[str, ...]
    bytes: int
    format: str
    width: int
    height: int
    line: Mapping[str, Any] | None = None


def write(
    pages: Document | Sequence[Photo],
    target: AnyPath | BinaryIO,
    *,
    format: str = "keep",
    depth: Depth | None = None,
    jpeg_quality: int = 95,
    strip: bool = False,
    provenance: Mapping[str, str] | None = None,
    record: records.Record | None = None,
    modified_ns: int | None = None,
) -> WrittenInfo:
    """Encode photos and put the file in its place.

    Args:
        pages: one photo, or the pages of a TIFF; pixels in the working space that their metadata names.
        target: a path, whose missing folders are made, a name in a store, or a binary stream, which need not
            be seekable.
        format: one of `formats.WRITABLE`, or "keep" for the kept format of the first page.
        depth: of a sample; None for that of each photo, or the nearest that the format has.
        jpeg_quality: 1–100, for lossy formats.
        strip: leave out all metadata but the colour profile, without which colours would be wrong.
        provenance: what was done, for the file's metadata; its entry "software" becomes EXIF's Software.
        modified_ns: the file's time of change, in nanoseconds; None for now.
        record: noted in the folder's run record just before the file takes its name.

    Raises:
        WriteError: the folder or the disk refuses; nothing is left behind.
        TooLargeError: the format cannot hold so many pixels.
        UnsupportedError: several pages for a format of one; a DNG of what is no RAW, or RAW as anything else.
    """
    photos = list(pages.pages if isinstance(pages, Document) else pages)
    first = photos[0]
    name = check_format(format)
    name = kept_format(first.format, depth or first.depth) if name == "keep" else name
    label = _label(target)
    _check(photos, name, label)
    with _failures_named(label):
        prepared = []
        for photo in photos:
            wanted = depth or photo.depth
            used = nearest_depth(wanted, name, photo.metadata.hdr_peak is not None)
            page = encode.prepare(photo, name, used, strip, provenance or {})
            if used is not wanted and (used is Depth.UINT8 or wanted is Depth.FLOAT32):
                page.warnings.insert(
                    0, f"{name} cannot store {_DEPTH_NAMES[wanted]}: stored as {_DEPTH_NAMES[used]}"
                )
            prepared.append(page)
        line = None
        if isinstance(target, Path):
            sides = _sides(first, name)
            length = _to_file(
                lambda stream: _encode(prepared, name, stream, jpeg_quality),
                target,
                sides,
                record,
                modified_ns,
            )
        else:
            buffer = io.BytesIO()
            _encode(prepared, name, buffer, jpeg_quality)
            length = buffer.seek(0, os.SEEK_END)
            line = _deliver(buffer.getvalue(), target, _sides(first, name), record)
    warnings = tuple(dict.fromkeys(text for page in prepared for text in page.warnings))
    return WrittenInfo(warnings, length, name, *_sides(first, name), line)


def _label(target: AnyPath | BinaryIO) -> str:
    return str(target) if isinstance(target, Path | StorePath) else "standard output"


def _deliver(
    data: bytes, target: StorePath | BinaryIO, sides: tuple[int, int], record: records.Record | None
) -> Mapping[str, Any] | None:
    """Hand whole bytes to a stream, or put them into a store; return what is to be recorded of these."""
    if not isinstance(target, StorePath):
        target.write(data)
        target.flush()
        return None
    _verify(data, sides, target)
    entry = store.put(target, data)
    return None if record is None else records.line_of(target, entry.stamp, records.hash_of(data), record)


def remove(path: AnyPath) -> None:
    """Delete a file or an object; one that is not there is no error.

    Raises:
        OSError: it cannot be deleted.
    """
    if isinstance(path, StorePath):
        store.remove(path)
    else:
        path.unlink(missing_ok=True)


def _encode(pages: Sequence[Page], name: str, stream: BinaryIO, jpeg_quality: int) -> None:
    if len(pages) > 1 and name != "tiff":
        animation.encode(pages, name, stream)
    else:
        encode.encode(pages, name, stream, jpeg_quality)


def _sides(photo: Photo, name: str) -> tuple[int, int]:
    """Width and height of what a viewer shows."""
    if photo.raw is None or name not in RAW_ONLY:
        return photo.width, photo.height
    return upright_size(photo.raw)


def write_copy(
    source: Path | bytes,
    document: Document,
    target: AnyPath | BinaryIO,
    record: records.Record | None = None,
    modified_ns: int | None = None,
) -> WrittenInfo:
    """Put an input's own bytes in a result's place: what needs no restoring is not encoded again.

    Args:
        source: the input file, or its bytes.
        document: what was read from it.
        target: as for `write`.
        record: as for `write`.
        modified_ns: as for `write`.

    Raises:
        WriteError: the folder or the disk refuses; nothing is left behind.
        UnreadableError: the input is not any more what was read.
    """
    label = _label(target)
    first = document.pages[0]
    sides, line = (first.width, first.height), None

    def fill(stream: BinaryIO) -> int:
        return stream.write(source) if isinstance(source, bytes) else _copy(source, document, stream)

    with _failures_named(label):
        if isinstance(target, Path):
            length = _to_file(fill, target, sides, record, modified_ns)
        else:
            buffer = io.BytesIO()
            length = fill(buffer)
            line = _deliver(buffer.getvalue(), target, sides, record)
    return WrittenInfo((), length, document.format, *sides, line)


def _copy(source: Path, document: Document, target: BinaryIO) -> int:
    """Copy the bytes of an input file, which must be those that were read from it; return how many."""
    length = 0
    try:
        stream = source.open("rb")
    except OSError as error:
        raise UnreadableError(f"{source}: cannot be read: {error.strerror or error}") from error
    with stream:
        if read.fingerprint_of(stream) != document.fingerprint:
            raise UnreadableError(f"{source}: the file was changed while it was restored", "run again")
        stream.seek(0)
        while block := stream.read(_BLOCK):
            length += target.write(block)
    return length


def _check(photos: Sequence[Photo], name: str, label: str) -> None:
    if any((photo.raw is None) == (name in RAW_ONLY) for photo in photos):
        what = "is for camera RAW" if name in RAW_ONLY else "cannot hold RAW that is not developed"
        raise UnsupportedError(f"{label}: {name} {what}", "use --format tiff")
    animated = FORMATS[name].frames and all(photo.metadata.duration is not None for photo in photos)
    if len(photos) > 1 and name != "tiff" and not animated:
        raise UnsupportedError(f"{label}: {name} cannot hold {len(photos)} pages", "use --format tiff")
    side = max(max(photo.width, photo.height) for photo in photos)
    if side > FORMATS[name].side:
        limit = FORMATS[name].side
        raise TooLargeError(
            f"{label}: {name} holds {limit} pixels a side, not {side}", "use --format tiff or png"
        )


@contextlib.contextmanager
def _failures_named(label: str) -> Iterator[None]:
    try:
        yield
    except RestoreError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"{label}: too large to encode in this machine's memory") from error
    except OSError as error:
        raise WriteError(f"{label}: cannot be written: {error.strerror or error}") from error
    except (ValueError, TypeError, RuntimeError, LookupError) as error:
        raise WriteError(f"{label}: the encoder failed: {error}") from error


def _to_file(
    fill: Callable[[BinaryIO], object],
    target: Path,
    sides: tuple[int, int],
    record: records.Record | None,
    modified_ns: int | None,
) -> int:
    """Let ``fill`` write the file; check that it can be read back with the width and height ``sides``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise WriteError(f"{target}: a part of its path is a file, not a folder") from error
    if target.is_dir():
        raise WriteError(f"{target}: is a folder")
    part = temporary.beside(target)  # not by tempfile, whose files only their owner can read
    try:
        with part.open("x+b") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())  # after a power cut, too, the name leads to the whole file
        length = part.stat().st_size
        _verify(part, sides, target)
        if modified_ns is not None:
            os.utime(part, ns=(modified_ns, modified_ns))
        if record is not None:
            records.append(target, part, record)
        part.replace(target)
    except BaseException:  # Ctrl-C too: nothing half-written may stay
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return length


def _verify(part: Path | bytes, sides: tuple[int, int], target: AnyPath) -> None:
    """Read the header back: a full disk or a broken encoder must not pass for a result."""
    try:
        found = read.size(part, name=str(target))
    except RestoreError as error:
        raise WriteError(f"{target}: what was written cannot be read back") from error
    if found != sides:
        raise WriteError(f"{target}: what was written has the size {found}, not {sides[0]}×{sides[1]}")
