"""What has become of a photo: its file, what the file's metadata say of it, and what the record keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from restorecli.photo import Depth, Document
from restorecli.photos.formats.table import is_kept_as
from restorecli.photos.naming import PlannedPhoto
from restorecli.photos.records import Record
from restorecli.photos.write import WrittenInfo, write, write_copy
from restorecli.stages import Details, Passed


@dataclass(frozen=True)
class Encoding:
    """How results are written.

    Attributes:
        depth, jpeg_quality, strip: see `photos.write.write`.
        provenance: what the metadata of all results say.
        settings: everything that the results depend on; see `photos.records`.
    """

    depth: Depth | None = None
    jpeg_quality: int = 95
    strip: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


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


def write_result(result: Result, planned: PlannedPhoto, encoding: Encoding, stdout: BinaryIO) -> WrittenInfo:
    """Write a result where it was planned; what no stage has touched keeps its bytes where it can.

    Args:
        result: what is to be written.
        planned: its target and format.
        encoding: how.
        stdout: takes the result that has no target.

    Returns:
        What was written; its warnings are all those of the photo.

    Raises:
        PhotoError: see `photos.write.write`.
    """
    source = result.source.document
    target = planned.target if planned.target is not None else stdout
    record = None
    if planned.target is not None and not planned.found.is_stream:  # a stream cannot be compared later
        record = Record(
            planned.found.path, source.fingerprint, source.stamp, encoding.settings, result.details
        )
    if result.untouched and _bytes_fit(source, planned.format, encoding):
        data = result.source.data
        return write_copy(planned.found.path if data is None else data, source, target, record)
    document = result.document
    info = write(
        document,
        target,
        format=planned.format,
        depth=encoding.depth,
        jpeg_quality=encoding.jpeg_quality,
        strip=encoding.strip,
        provenance={**encoding.provenance, **_provenance(result.pages, result.details)},
        record=record,
    )
    return replace(info, warnings=tuple(dict.fromkeys((*document.warnings, *info.warnings))))


def _bytes_fit(source: Document, format: str, encoding: Encoding) -> bool:
    same_depth = encoding.depth is None or all(page.depth is encoding.depth for page in source.pages)
    return same_depth and not encoding.strip and is_kept_as(source, format)


def _provenance(pages: Sequence[Passed], details: Details) -> dict[str, str]:
    facts = {name.replace("_", "-"): str(value) for name, value in details.items() if name != "weights"}
    used = dict.fromkeys((each.name, each.variant, each.digest) for passed in pages for each in passed.used)
    for index, name in enumerate(("model", "variant", "weights-sha256")):
        if used:
            facts[name] = ", ".join(dict.fromkeys(each[index] for each in used))
    warnings = dict.fromkeys(text for passed in pages for each in passed.used for text in each.warnings)
    return {**facts, "warning": " ".join(warnings)} if warnings else facts
