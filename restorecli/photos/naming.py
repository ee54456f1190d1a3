"""Every result's name, planned before any work: no two alike, and none that of an input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from restorecli.errors import CollisionError, UnreadableError, UnsupportedError, unknown_value
from restorecli.photos.distinct import (
    Wish,
    key,
    names_of,
    repeated,
    separate,
    spread_folders,
)
from restorecli.photos.formats import table as formats
from restorecli.photos.inputs import Found
from restorecli.photos.output import (
    check_one,
    check_template,
    is_stdout,
    understood,
    without_outputs_folder,
)
from restorecli.photos.paths import Survey
from restorecli.photos.planned import IF_EXISTS, Plan, PlannedPhoto
from restorecli.photos.records import Records
from restorecli.photos.settling import Guard, Settle
from restorecli.photos.wished import by_template, wishes_for


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
        output: a folder, a file name for one input, "-" for standard output, or a template of names; None for
            siblings of the inputs.
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
    named = understood(output, formats.check_format(format))
    output, format = named.output, named.format
    if if_exists not in IF_EXISTS:
        raise unknown_value("--if-exists", if_exists, IF_EXISTS)
    everything = without_outputs_folder(found, output)
    all_found, found = found, [item for item in everything if not item.refusal]
    if named.template is None and is_stdout(everything, output):
        check_one(everything, output)
        (item,) = everything
        return Plan((_refused(item) if item.refusal else PlannedPhoto(item, None, format),))
    survey = Survey()
    records = Records(survey)
    if named.template is None:
        wishes = wishes_for(found, output, task_suffix, format, records)
    else:
        check_template(named.template, found)
        wishes = by_template(named.template, found, task_suffix, format, records)
    for wish in wishes if copies and format == "keep" else ():
        wish.own_suffix = _suffix_of_bytes(wish)
    spread_folders(wishes, survey)
    separate(wishes, survey)
    notes = _notes(wishes, format)
    guard = Guard(_guarded(all_found, found, records), survey)
    taken = names_of(wishes, survey) if if_exists == "rename" else set()
    settle = Settle(records, guard, survey, if_exists, settings or {}, taken)
    wishes.reverse()
    photos = []
    while wishes:  # let go one by one: of a million there is no room for both
        photos.append(_planned(wishes.pop(), settle))
    settled = iter(_without_duplicates(photos, survey))
    whole = tuple(_refused(item) if item.refusal else next(settled) for item in everything)
    return Plan(whole, (*notes, *records.warnings), records.seen)


def _guarded(all_found: Sequence[Found], inputs: Sequence[Found], records: Records) -> Iterator[Found]:
    """What must not be overwritten.

    A file found in the output folder that is no recorded result is the user's own: protected like an input.
    """
    kept = {id(item) for item in inputs} if len(inputs) < len(all_found) else None
    for item in all_found:
        if kept is None or id(item) in kept or not records.knows(item.path):
            yield item


def _planned(wish: Wish, settle: Settle) -> PlannedPhoto:
    planned = PlannedPhoto(
        wish.found, wish.target, wish.format, warnings=wish.warnings, copied=wish.copied, kind=wish.kind
    )
    if wish.error is not None:
        return replace(planned, error=wish.error)
    if wish.format in formats.RAW_ONLY and wish.kind not in ("", "tiff", "raw"):
        refusal = f"{wish.found.path}: {wish.format} is for camera RAW, and this is a {wish.kind} file"
        return replace(planned, error=UnsupportedError(refusal, "choose another --format"))
    return settle(planned)


def _refused(item: Found) -> PlannedPhoto:
    return PlannedPhoto(item, None, "keep", error=UnreadableError(item.refusal))


def _suffix_of_bytes(wish: Wish) -> str:
    """The suffix of a copy of the input's bytes; empty where results are of that format anyway."""
    if wish.fixed or wish.kind in ("", "raw") or wish.kind in formats.UNCHANGED:
        return ""
    return formats.suffix_of_kind(wish.kind, wish.found.path.suffix)


def _without_duplicates(photos: list[PlannedPhoto], survey: Survey) -> list[PlannedPhoto]:
    """Fail what would still share a name, as two inputs for one `-o FILE` would."""
    again = repeated(_key(planned, survey) for planned in photos)
    seen: set[str] = set()
    for number, planned in enumerate(photos if again else ()):
        name = _key(planned, survey)
        if planned.error is None and not planned.skip and name in seen:
            error = CollisionError(
                f"{planned.found.path}: another input has the result's name {planned.target}"
            )
            photos[number] = replace(planned, error=error)
        seen.add(name)
    return photos


def _key(planned: PlannedPhoto, survey: Survey) -> str:
    target = planned.target
    return "" if target is None else key(target.parent, target.name, survey)


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
