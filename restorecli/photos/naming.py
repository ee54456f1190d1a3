"""Every result's name, planned before any work: no two alike, and none that of an input."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from restorecli.errors import (
    CollisionError,
    PhotoError,
    UnreadableError,
    UnsupportedError,
    UsageError,
    unknown_value,
)
from restorecli.photos.distinct import Wish, key, portable, portable_folder, separate, spread_folders
from restorecli.photos.formats import kinds
from restorecli.photos.formats import table as formats
from restorecli.photos.inputs import Found
from restorecli.photos.output import (
    check_one,
    is_file_name,
    is_stdout,
    named_root,
    stated_format,
    without_outputs_folder,
)
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.photos.read import read
from restorecli.photos.records import Records, Standing

IF_EXISTS = ("skip", "overwrite", "rename", "error")
FRAMES = ("each", "first")
"""Which frames of an animation are restored, where it is not refused."""
UNNEEDED = ("copy", "skip", "convert")
"""What becomes of a photo that needs nothing: its own bytes, no file, or a file of the results' format."""


def plan_names(
    found: Sequence[Found],
    *,
    output: str | None,
    task_suffix: str,
    format: str = "keep",
    if_exists: str = "skip",
    copies: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Plan:
    """Plan the results' names.

    Args:
        found: the inputs.
        output: a folder, a file name for one input, "-" for standard output; None for siblings of the inputs.
        task_suffix: what is appended to sibling names, as "upscale-x4".
        format: one of `formats.WRITABLE`, or "keep".
        if_exists: one of `IF_EXISTS`.
        copies: whether an input that is left as it is may keep its own format where ``format`` is "keep".
        settings: all that the results depend on, compared with the run record by "skip".

    Returns:
        One entry per input, in their order; those that are not inputs after all are left out.

    Raises:
        UsageError: options that do not go together.
    """
    format = formats.check_format(format)
    if if_exists not in IF_EXISTS:
        raise unknown_value("--if-exists", if_exists, IF_EXISTS)
    everything = without_outputs_folder(found, output)
    all_found, found = found, [item for item in everything if not item.refusal]
    if is_stdout(everything, output):
        check_one(everything, output)
        (item,) = everything
        return Plan((_refused(item) if item.refusal else PlannedPhoto(item, None, format),))
    records = Records()
    wishes = [_wish(item, output, task_suffix, format, len(found)) for item in found]
    for wish in wishes if copies and format == "keep" else ():
        wish.own_suffix = _suffix_of_bytes(wish)
    spread_folders(wishes)
    separate(wishes)
    # A file found in the output folder that is no recorded result is the user's own: protected like an input.
    kept = set(found)
    guarded = [item for item in all_found if item in kept or not records.knows(item.path)]
    inputs = {os.path.realpath(item.path) for item in guarded if not item.is_stream}
    identities = _identities(guarded)
    taken = {name for wish in wishes for name in wish.keys}
    photos = []
    for wish in wishes:
        planned = PlannedPhoto(
            wish.found, wish.target, wish.format, warnings=tuple(wish.warnings), copied=wish.copied
        )
        if wish.format in formats.RAW_ONLY and wish.kind not in ("", "tiff", "raw"):
            refusal = f"{wish.found.path}: {wish.format} is for camera RAW, and this is a {wish.kind} file"
            photos.append(replace(planned, error=UnsupportedError(refusal, "choose another --format")))
            continue
        photos.append(_settled(planned, records, inputs, identities, taken, if_exists, settings or {}))
    settled = iter(_without_duplicates(photos))
    whole = tuple(_refused(item) if item.refusal else next(settled) for item in everything)
    return Plan(whole, (*_notes(wishes, format), *records.warnings))


def _refused(item: Found) -> PlannedPhoto:
    return PlannedPhoto(item, None, "keep", error=UnreadableError(item.refusal))


def _wish(item: Found, output: str | None, task_suffix: str, format: str, count: int) -> Wish:
    kind = _kind(item)
    name = formats.kept_format(kind) if format == "keep" else format
    suffix = formats.FORMATS[name].suffix
    stem = "stdin" if item.is_stdin else _stem(item.path)
    if output is None:
        return _sibling(item, task_suffix, stem, suffix, name, kind)
    if is_file_name(output, count):
        return _file_name(item, output, format, kind)
    folder = Path(output) / (Path() if item.is_stdin else portable_folder(_below(item)))
    return Wish(item, folder, stem, _own_suffix(item, suffix, name), name, kind)


def _sibling(item: Found, task_suffix: str, stem: str, suffix: str, name: str, kind: str) -> Wish:
    if item.how != "folder":
        own = _own_suffix(item, suffix, name)
        if item.is_stream and Path(os.path.realpath(item.path.parent)).parts[1:2] in (("dev",), ("proc",)):
            raise UsageError(f"{item.path}: a pipe has no sibling", "say where to write with -o")
        return Wish(replace(item), item.path.parent, f"{stem}_{task_suffix}", own, name, kind)
    root = named_root(item)
    # `photos` stays relative; `.` and `..` are named by what they are.
    named = item.root.name not in ("", "..")
    base = item.root if named else root
    folder = base.parent / f"{base.name}_{task_suffix}"
    return Wish(
        item, folder / portable_folder(_below(item)), stem, _own_suffix(item, suffix, name), name, kind
    )


def _file_name(item: Found, output: str, format: str, kind: str) -> Wish:
    path = Path(output)
    return Wish(item, path.parent, path.stem, path.suffix, stated_format(output, format), kind, fixed=True)


def _kind(item: Found) -> str:
    if item.is_stream:  # it can be read once only
        return ""
    try:
        kind = kinds.sniff_file(item.path)
    except OSError:
        return ""
    # TIFF inside, but camera files by name; what they are is found out when they are read.
    return "raw" if kind in ("", "tiff") and item.path.suffix.lower() in kinds.RAW_SUFFIXES else kind


def _stem(path: Path) -> str:
    """The name without its suffix, where that is an image's: "x.200" has none."""
    return path.stem if path.suffix.lower() in kinds.IMAGE_SUFFIXES else path.name


def _own_suffix(item: Found, suffix: str, name: str) -> str:
    """The input's own spelling of the suffix (.TIF, .tif) where the format stays the same."""
    return item.path.suffix if formats.format_of_suffix(item.path.suffix) == name else suffix


def _suffix_of_bytes(wish: Wish) -> str:
    """The suffix of a copy of the input's bytes; empty where results are of that format anyway."""
    if wish.fixed or wish.kind in ("", "raw") or wish.kind in formats.UNCHANGED:
        return ""
    return formats.suffix_of_kind(wish.kind, wish.found.path.suffix)


def _below(item: Found) -> Path:
    try:
        return item.path.parent.relative_to(item.root)
    except ValueError:
        return Path()


def _identities(found: Sequence[Found]) -> set[tuple[int, int]]:
    """Device and number of each input file: hard links and bind mounts have other paths, but not these."""
    result = set()
    for item in found:
        try:
            state = item.path.stat()
        except OSError:
            continue
        if not item.is_stream and state.st_ino:
            result.add((state.st_dev, state.st_ino))
    return result


def _is_input(target: Path, inputs: set[str], identities: set[tuple[int, int]]) -> bool:
    if os.path.realpath(target) in inputs:
        return True
    try:
        state = target.stat()
    except OSError:
        return False
    return (state.st_dev, state.st_ino) in identities


def _settled(
    planned: PlannedPhoto,
    records: Records,
    inputs: set[str],
    identities: set[tuple[int, int]],
    taken: set[str],
    if_exists: str,
    settings: Mapping[str, str],
) -> PlannedPhoto:
    """What becomes of a photo, given what is on the disk."""
    target, source = planned.target, planned.found.path
    assert target is not None
    if not planned.found.is_stream:
        maker = records.source_of(source)
        if maker in inputs and maker != os.path.realpath(source):
            return replace(planned, skip=f"it is itself a result, made from {Path(maker).name}")
    standing = records.standing(target, source, settings)
    if standing is Standing.FOREIGN and records.knows(target) and _is_damaged(target):
        standing = Standing.OUTDATED
    if standing is Standing.DONE and if_exists == "skip":
        return replace(planned, skip=standing.value)
    copied = planned.copied
    if copied is not None and (copied.is_dir() or _is_input(copied, inputs, identities)):
        copied = None
    if copied is not None and os.path.lexists(copied):
        of_copy = records.standing(copied, source, settings)
        if of_copy is Standing.DONE and if_exists == "skip":
            return replace(planned, target=copied, skip=of_copy.value)
        if of_copy is Standing.FOREIGN and if_exists != "overwrite":
            copied = None
        elif if_exists == "error":
            return replace(planned, error=_exists_already(copied))
    older = (target, planned.copied) if if_exists in ("skip", "overwrite") else ()
    planned = replace(
        planned,
        copied=copied,
        older=tuple(path for path in older if path and records.source_of(path) == os.path.realpath(source)),
    )
    if _is_input(target, inputs, identities) and if_exists != "rename":
        if standing is not Standing.FOREIGN and _made_from_inputs(records, target, inputs):
            return planned
        return replace(
            planned,
            error=CollisionError(
                f"{source}: the result would overwrite the input {target}",
                "give another folder with -o, or --if-exists rename",
            ),
        )
    if target.is_dir():
        return replace(planned, error=CollisionError(f"{source}: a folder has the result's name {target}"))
    if standing is Standing.ABSENT or if_exists == "overwrite":
        return planned
    if if_exists == "rename":
        return replace(planned, target=_free_name(target, taken), copied=None)
    if if_exists == "error":
        return replace(planned, error=_exists_already(target))
    if standing is Standing.FOREIGN:
        return replace(planned, skip=f"{target.name} {standing.value}")
    return planned


def _exists_already(path: Path) -> CollisionError:
    return CollisionError(f"{path}: exists already", "see --if-exists")


def _is_damaged(target: Path) -> bool:
    """Whether a file cannot be read; one that a record names and that is cut short is redone."""
    try:
        read(target)
    except PhotoError:
        return not target.is_dir()
    return False


def _made_from_inputs(records: Records, target: Path, inputs: set[str]) -> bool:
    """Whether a target that is among the inputs is an older result, which the plan leaves out as an input."""
    maker = records.source_of(target)
    return maker in inputs and maker != os.path.realpath(target)


def _free_name(target: Path, taken: set[str]) -> Path:
    number = 2
    while True:
        candidate = target.with_name(portable(target.stem, f"-{number}{target.suffix}"))
        if key(candidate) not in taken and not os.path.lexists(candidate):
            taken.add(key(candidate))
            return candidate
        number += 1


def _without_duplicates(photos: Sequence[PlannedPhoto]) -> tuple[PlannedPhoto, ...]:
    """Fail what would still share a name, as two inputs for one `-o FILE` would."""
    seen: set[str] = set()
    result = []
    for planned in photos:
        name = key(planned.target) if planned.target is not None else ""
        if planned.error is None and not planned.skip and name in seen:
            error = CollisionError(
                f"{planned.found.path}: another input has the result's name {planned.target}"
            )
            planned = replace(planned, error=error)
        seen.add(name)
        result.append(planned)
    return tuple(result)


def _notes(wishes: Sequence[Wish], format: str) -> tuple[str, ...]:
    if format != "keep":
        return ()
    changed = {(wish.kind, wish.format) for wish in wishes if wish.kind and not wish.fixed}
    notes = []
    for kind, name in sorted(changed):
        if kind == "raw":
            notes.append("camera RAW files become 16-bit TIFF")
        elif formats.kept_format(kind) == name and kind not in formats.UNCHANGED:
            notes.append(
                f"{kind.upper()} files become {name.upper()}, so that nothing is lost again (see --format)"
            )
    return tuple(notes)
