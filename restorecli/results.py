"""What has become of a photo: its file, what the file's metadata say of it, and what the record keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import torch

from restorecli.engine.blend import allocate
from restorecli.errors import UnsupportedError
from restorecli.photo import Depth, Document, Photo
from restorecli.photos.formats.table import FORMATS, RAW_ONLY, is_kept_as, kept_format, nearest_depth
from restorecli.photos.giants.spool import STREAMED, Shape, Spool, SpoolRounding
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.records import Record
from restorecli.photos.rounding import Rounding
from restorecli.photos.stores.path import AnyPath
from restorecli.photos.write import WrittenInfo, remove, write, write_copy
from restorecli.rows import MakeRounding
from restorecli.stages import Details, Passed

_KINDS = {Depth.UINT8: torch.uint8, Depth.UINT16: torch.uint16, Depth.FLOAT32: torch.float32}


@dataclass(frozen=True)
class Encoding:
    """How results are written.

    Attributes:
        depth, jpeg_quality, strip: see `photos.write.write`.
        unneeded: what becomes of a photo that no stage has touched, one of `planned.UNNEEDED`.
        keep_dates: give results the time of change of their photos' files.
        provenance: what the metadata of all results say.
        settings: everything that the results depend on; see `photos.records`.
    """

    depth: Depth | None = None
    jpeg_quality: int = 95
    strip: bool = False
    unneeded: str = "copy"
    keep_dates: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


def rounding_for(
    page: Photo, planned: PlannedPhoto, encoding: Encoding, fingerprint: str = ""
) -> MakeRounding | None:
    """Return what rounds the result of ``page`` for its file while it is made.

    Returns:
        None where there is nothing to be rounded: camera RAW stays as it is.
    """
    wanted = encoding.depth or page.depth
    name = kept_format(page.format, wanted) if planned.format == "keep" else planned.format
    depth = nearest_depth(wanted, name, page.metadata.hdr_peak is not None)
    if name in RAW_ONLY:
        return None
    if page.parts is not None:
        return _spooling(planned, encoding, name, depth, fingerprint)

    def make(photo: Photo, height: int, width: int) -> Rounding | None:
        alpha = photo.alpha is not None
        if alpha and not FORMATS[name].alpha and height != photo.height:
            return None  # colours come before the alpha by which they are to be put on white
        held = alpha and FORMATS[name].alpha
        shape = (height, width, photo.pixels.shape[2] + held)
        return Rounding(name, depth, allocate(shape, _KINDS[depth]).numpy(), alpha=held)

    return make


def _spooling(
    planned: PlannedPhoto, encoding: Encoding, name: str, depth: Depth, fingerprint: str
) -> MakeRounding | None:
    target = planned.target
    if not isinstance(target, Path) or name not in STREAMED or depth is Depth.FLOAT32:
        return None
    run = {**encoding.settings, "input": fingerprint}

    def make(photo: Photo, height: int, width: int) -> Rounding:
        exif = photo.metadata.exif
        big_endian = name == "tiff" and bool(exif and exif[:1] == b"M")
        shape = Shape(name, depth, height, width, photo.pixels.shape[2], big_endian)
        return SpoolRounding(Spool(target, shape, run))

    return make


@dataclass(frozen=True)
class Source:
    """A photo as it was read: what is in it, and its bytes where no file holds them."""

    document: Document
    data: bytes | None = None


@dataclass(frozen=True)
class Result:
    """A photo after the stages, page by page."""

    source: Source
    pages: tuple[Passed, ...]

    @property
    def document(self) -> Document:
        """What is to be written."""
        return replace(self.source.document, pages=tuple(passed.photo for passed in self.pages))

    @property
    def untouched(self) -> bool:
        """Whether every page was left as it is."""
        pages = zip(self.pages, self.source.document.pages, strict=True)
        return all(passed.photo is page for passed, page in pages)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found and chosen, in words; of several pages with their numbers."""
        if len(self.pages) == 1:
            return self.pages[0].notes
        return tuple(
            f"page {number}: {text}" for number, page in enumerate(self.pages, 1) for text in page.notes
        )

    @property
    def details(self) -> dict[str, str | float]:
        """What was found and chosen; where pages differ, one after the other."""
        gathered: dict[str, list[str | float]] = {}
        for passed in self.pages:
            weights = {"weights": ", ".join(each.name for each in passed.used)} if passed.used else {}
            for name, value in (*passed.details.items(), *weights.items()):
                gathered.setdefault(name, []).append(value)
        return {
            name: values[0] if len(set(values)) == 1 else ", ".join(map(str, values))
            for name, values in gathered.items()
        }


@dataclass(frozen=True)
class Destination:
    """Where a result goes.

    Attributes:
        target: its path; None for standard output.
        copy: whether it is the input's own bytes.
    """

    target: AnyPath | None
    copy: bool


def destination(result: Result, planned: PlannedPhoto, encoding: Encoding) -> Destination:
    """Return where a result goes: what no stage has touched keeps its bytes where it can."""
    source = result.source.document
    same_depth = encoding.depth is None or all(page.depth is encoding.depth for page in source.pages)
    if not (result.untouched and same_depth and not encoding.strip) or source.partial:
        return Destination(planned.target, False)
    if is_kept_as(source, planned.format):
        return Destination(planned.target, True)
    if encoding.unneeded == "copy" and planned.target is None and planned.format == "keep":
        return Destination(None, True)
    if encoding.unneeded == "copy" and planned.copied is not None:
        return Destination(planned.copied, True)
    return Destination(planned.target, False)


def write_result(
    result: Result, place: Destination, planned: PlannedPhoto, encoding: Encoding, stdout: BinaryIO
) -> WrittenInfo:
    """Write a result.

    Args:
        result: what is to be written.
        place: where, see `destination`.
        planned: its input and format.
        encoding: how.
        stdout: takes the result that has no target.

    Returns:
        What was written; its warnings are all those of the photo.

    Raises:
        PhotoError: see `photos.write.write`.
    """
    source = result.source.document
    target = place.target if place.target is not None else stdout
    record = None
    if place.target is not None and not planned.found.is_stream:  # a stream cannot be compared later
        record = Record(
            planned.found.path,
            source.fingerprint,
            planned.found.stamp or source.stamp,
            encoding.settings,
            result.details,
            _weights_warnings(result.pages),
            planned.kind,
        )
    if place.copy:
        data = result.source.data
        path = planned.found.path
        origin = path if data is None and isinstance(path, Path) else data or b""
        info = write_copy(origin, source, target, record, _modified(source, encoding))
    elif any(page.parts is not None for page in result.document.pages):
        raise UnsupportedError(
            f"{planned.name}: it is left as it is, and too large to be written in another format or depth",
            "--unneeded skip, or keep its format",
        )
    else:
        info = _encoded(result, target, planned.format, encoding, record)
    for older in planned.older:
        if older != place.target:
            remove(older)
    return info


def _modified(source: Document, encoding: Encoding) -> int | None:
    return source.stamp[1] or None if encoding.keep_dates else None


def _encoded(
    result: Result, target: AnyPath | BinaryIO, format: str, encoding: Encoding, record: Record | None
) -> WrittenInfo:
    document = result.document
    rounded = (page.rounded for page in document.pages)
    spooled = [each.spooled for each in rounded if each is not None and each.spooled is not None]
    try:
        info = _written(result, document, target, format, encoding, record)
    except BaseException:
        for spool in spooled:
            spool.close()
        raise
    for spool in spooled:
        spool.remove()
    return replace(info, warnings=tuple(dict.fromkeys((*document.warnings, *info.warnings))))


def _written(
    result: Result,
    document: Document,
    target: AnyPath | BinaryIO,
    format: str,
    encoding: Encoding,
    record: Record | None,
) -> WrittenInfo:
    return write(
        document,
        target,
        format=format,
        depth=encoding.depth,
        jpeg_quality=encoding.jpeg_quality,
        strip=encoding.strip,
        provenance={**encoding.provenance, **_provenance(result.pages, result.details)},
        record=record,
        modified_ns=_modified(document, encoding),
    )


def _provenance(pages: Sequence[Passed], details: Details) -> dict[str, str]:
    facts = {name.replace("_", "-"): str(value) for name, value in details.items() if name != "weights"}
    used = dict.fromkeys((each.name, each.variant, each.digest) for passed in pages for each in passed.used)
    for index, name in enumerate(("model", "variant", "weights-sha256")):
        if used:
            facts[name] = ", ".join(dict.fromkeys(each[index] for each in used))
    warnings = _weights_warnings(pages)
    return {**facts, "warning": " ".join(warnings)} if warnings else facts


def _weights_warnings(pages: Sequence[Passed]) -> tuple[str, ...]:
    used = (each for passed in pages for each in passed.used)
    return tuple(dict.fromkeys(text for each in used for text in each.warnings))
