"""The lines of records, read back: what each says of a result, as little of it as a plan needs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from restorecli.photos.stores import journal
from restorecli.photos.stores.path import AnyPath, StorePath

FILE_NAME = ".restore.jsonl"


@dataclass(frozen=True, slots=True)
class Line:
    """What is kept of a line while a plan is made: of a million there must be room."""

    size: int
    mtime_ns: int
    hash: str
    input: str
    input_size: int
    input_mtime_ns: int
    input_hash: str
    settings_hash: str
    input_kind: str


Lines = dict[str, Line | list[Line]]
"""By the result's name; a list where there are several."""

Seen = int | frozenset[int]
"""How far a folder's records were read: so many bytes of the file, in a store the numbers of the objects."""

_FIELDS: dict[str, type] = {
    "output": str,
    "size": int,
    "mtime_ns": int,
    "hash": str,
    "input": str,
    "input_size": int,
    "input_mtime_ns": int,
    "input_hash": str,
    "settings_hash": str,
}


def read_lines(folder: AnyPath) -> tuple[Lines, str, Seen]:
    """Return the records of a folder's results by name, and what is to be said of what cannot be read.

    The last is how far they were read.
    """
    if not isinstance(folder, StorePath):
        return _read(folder / FILE_NAME)
    found: Lines = {}
    place = folder / journal.FOLDER
    try:
        rows, numbers = journal.rows(folder)
    except OSError as error:
        return (
            found,
            f"{place} cannot be read ({error.strerror or error}): earlier results are not known",
            frozenset(),
        )
    bad = sum(not _add(row, found) for row in rows)
    return found, _ignored(place, bad), numbers


def _read(path: Path) -> tuple[Lines, str, int]:
    found: Lines = {}
    if not os.path.lexists(path):
        return found, "", 0
    bad = length = 0
    try:
        if not path.is_file():  # a pipe would never end
            return found, f"{path} is not a file: earlier results are not known", 0
        with path.open("rb") as stream:
            for row in stream:
                length += len(row)
                bad += bool(row.strip(b"\n")) and not _add(row, found)
    except (OSError, MemoryError) as error:
        return found, f"{path} cannot be read ({error}): earlier results are not known", length
    return found, _ignored(path, bad), length


def _ignored(place: AnyPath, bad: int) -> str:
    return f"{place}: {bad} line{'s' * (bad > 1)} cannot be read and are ignored" if bad else ""


def _add(row: bytes, found: Lines) -> bool:
    """Take a row in; False for what was cut short by a full disk, say, or is none at all."""
    try:
        line = json.loads(row.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(line, dict) or any(type(line.get(key)) is not kind for key, kind in _FIELDS.items()):
        return False
    if not (_is_path(line["output"]) and _is_path(line["input"])):
        return False
    kind = line.get("input_kind")
    kept = Line(
        line["size"],
        line["mtime_ns"],
        line["hash"],
        line["input"],
        line["input_size"],
        line["input_mtime_ns"],
        line["input_hash"],
        sys.intern(line["settings_hash"]),
        sys.intern(kind) if isinstance(kind, str) else "",
    )
    before = found.get(line["output"])
    if before is None:
        found[line["output"]] = kept
    else:
        found[line["output"]] = [*(before if isinstance(before, list) else [before]), kept]
    return True


def _is_path(text: str) -> bool:
    """Whether a file could have this name: no NUL, no half of a surrogate pair."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return "\0" not in text
