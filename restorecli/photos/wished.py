"""The name that each result would have if it were alone: by the input, by ``-o``, or by a template."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from restorecli.errors import PhotoError, UnreadableError, UsageError
from restorecli.photos.distinct import Wish, portable_folder
from restorecli.photos.formats import kinds
from restorecli.photos.formats import table as formats
from restorecli.photos.inputs import Found
from restorecli.photos.output import is_file_name, named_root, stated_format
from restorecli.photos.read import size
from restorecli.photos.records import Records
from restorecli.photos.stores.path import AnyPath, StorePath, path_of
from restorecli.photos.stores.store import head, read
from restorecli.photos.template import SIZES, Template


def wishes_for(
    found: Sequence[Found], output: str | None, task_suffix: str, format: str, records: Records
) -> list[Wish]:
    """Return a candidate name for each input, by a folder or a file name, or as siblings of the inputs."""
    to_file = bool(found) and output is not None and is_file_name(output, len(found))
    folders = _Folders(output, task_suffix)
    wishes = []
    for item in found:
        folder = path_of(output or "").parent if to_file else folders.of(item)
        kind = kind_of_file(item, folder, records)
        if to_file:
            path = path_of(output or "")
            name = stated_format(str(output), format)
            wishes.append(Wish(item, folder, path.stem, path.suffix, name, kind, fixed=True))
            continue
        name = formats.kept_format(kind) if format == "keep" else format
        path = item.path
        stem = "stdin" if item.is_stdin else stem_of(path)
        if output is None and item.how != "folder":
            stem = f"{stem}_{task_suffix}"
        wishes.append(Wish(item, folder, stem, own_suffix(path, name), name, kind))
    return wishes


class _Folders:
    """The folders of results; what several inputs share is worked out once."""

    def __init__(self, output: str | None, task_suffix: str) -> None:
        self._output = output
        self._task_suffix = task_suffix
        self._known: dict[tuple[str, AnyPath, AnyPath], AnyPath] = {}

    def of(self, item: Found) -> AnyPath:
        """The folder of an input's result."""
        if item.is_stdin and self._output is not None:
            return path_of(self._output)
        place = item.how, item.path.parent, item.root
        if place not in self._known:
            self._known[place] = self._worked_out(item)
        return self._known[place]

    def _worked_out(self, item: Found) -> AnyPath:
        if self._output is not None:
            return path_of(self._output) / portable_folder(below(item))
        parent = item.path.parent
        if item.how != "folder":
            if item.is_stream and Path(os.path.realpath(parent)).parts[1:2] in (("dev",), ("proc",)):
                raise UsageError(f"{item.path}: a pipe has no sibling", "say where to write with -o")
            return parent
        root = named_root(item)
        # `photos` stays relative; `.` and `..` are named by what they are.
        base: AnyPath = item.root if item.root.name not in ("", "..") else root
        return base.parent / f"{base.name}_{self._task_suffix}" / portable_folder(below(item))


def kind_of_file(item: Found, folder: AnyPath, records: Records) -> str:
    """Return an input's kind by its content, "" where that is not known."""
    if item.is_stream:  # it can be read once only
        return ""
    path = item.path
    known = records.kind_of(path, folder, item.stamp)
    if known is not None:
        return known
    try:
        if isinstance(path, StorePath):  # names are trusted: to look into each object would take a second
            kind = kinds.by_suffix(path.suffix) or kinds.sniff(head(path, kinds.HEAD))
        else:
            kind = kinds.sniff_file(path)
    except OSError:
        return ""
    # TIFF inside, but camera files by name; what they are is found out when they are read.
    return "raw" if kind in ("", "tiff") and path.suffix.lower() in kinds.RAW_SUFFIXES else kind


def stem_of(path: AnyPath) -> str:
    """The name without its suffix, where that is an image's: "x.200" has none."""
    return path.stem if path.suffix.lower() in kinds.IMAGE_SUFFIXES else path.name


def own_suffix(path: AnyPath, name: str) -> str:
    """The input's own spelling of the suffix (.TIF, .tif) where the format stays the same."""
    own = path.suffix
    return own if formats.format_of_suffix(own) == name else formats.FORMATS[name].suffix


def by_template(
    template: Template, found: Sequence[Found], task_suffix: str, format: str, records: Records
) -> list[Wish]:
    """Return a candidate name for each input, by a template that was checked."""
    wishes = []
    for number, item in enumerate(found, 1):
        kind = kind_of_file(item, path_of(template.begin or ""), records)
        name = formats.kept_format(kind) if format == "keep" else format
        suffix = own_suffix(item.path, name)
        values: dict[str, str | int] = {
            "name": "stdin" if item.is_stdin else stem_of(item.path),
            "task": task_suffix,
            "ext": suffix.removeprefix("."),
            "index": number,
        }
        error = None
        if not item.is_stream:
            values |= {"parent": _folder_name(item), "folder": below(item).as_posix().removeprefix(".")}
        if template.fields & SIZES:
            try:
                values |= _size(item)
            except PhotoError as refused:
                error = refused
                values |= dict.fromkeys(SIZES, 0)
        path: AnyPath = template.path(values)
        suffix = suffix if template.format == "keep" else path.suffix
        stem = path.name.removesuffix(suffix)
        wishes.append(Wish(item, path.parent, stem, suffix, name, kind, error=error))
    return wishes


def _size(item: Found) -> dict[str, int]:
    path = item.path
    if isinstance(path, StorePath):
        try:
            sides = size(read(path), name=str(path))
        except OSError as error:
            raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error
    else:
        sides = size(path)
    if sides is None:
        raise UnreadableError(f"{item.path}: its header does not tell the size that -o asks for")
    return {"width": sides[0], "height": sides[1]}


def _folder_name(item: Found) -> str:
    return item.path.parent.name or Path(os.path.realpath(item.path.parent)).name


def below(item: Found) -> PurePath:
    """Return the folders between the one that was named and the input."""
    try:
        return item.path.parent.relative_to(item.root)
    except ValueError:
        return Path()
