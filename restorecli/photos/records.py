"""What was made, from what, with which settings: a line of JSON per result, in a hidden file beside them.

A line is written before the result takes its name, in one write at the file's end, so several processes
may fill one folder, and one that is killed leaves a result that some line describes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

FILE_NAME = ".restore.jsonl"


@dataclass(frozen=True)
class Record:
    """What a result is made from.

    Attributes:
        source: the input file.
        fingerprint: `Document.fingerprint` of the input as it was read.
        settings: everything that the result's bytes depend on.
        details: what was found in the input and chosen for it; noted, never compared.
    """

    source: Path
    fingerprint: str
    settings: Mapping[str, str]
    details: Mapping[str, str | float] = field(default_factory=dict)


class Standing(Enum):
    """What is known of the file that bears a result's name."""

    ABSENT = "there is no such file"
    DONE = "already done with the same settings"
    OUTDATED = "made by this tool from another state of the input or with other settings"
    FOREIGN = "exists, and is not recorded as made by this tool"


def digest(settings: Mapping[str, str]) -> str:
    """A short name for a set of settings, whatever their order."""
    text = json.dumps(sorted(settings.items()), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fingerprint(path: Path) -> str:
    """The hash of a file's bytes, as in `Document.fingerprint`. Raises `OSError`."""
    machine = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            machine.update(block)
    return machine.hexdigest()


def append(target: Path, finished: Path, record: Record) -> None:
    """Record that `finished`, complete under a temporary name, is about to become `target`.

    Raises:
        OSError: the record cannot be written.
    """
    made, source = finished.stat(), record.source.stat()
    line = {
        "output": target.name,
        "size": made.st_size,
        "mtime_ns": made.st_mtime_ns,
        "hash": fingerprint(finished),
        "input": _relative(record.source, target.parent),
        "input_size": source.st_size,
        "input_mtime_ns": source.st_mtime_ns,
        "input_hash": record.fingerprint,
        "settings_hash": digest(record.settings),
        "settings": dict(record.settings),
        "details": dict(record.details),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")
    descriptor = os.open(target.parent / FILE_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _relative(source: Path, folder: Path) -> str:
    try:
        return os.path.relpath(os.path.realpath(source), os.path.realpath(folder))
    except ValueError:  # another drive
        return os.path.realpath(source)


class Records:
    """The records of the folders that a plan looks at; each folder's file is read once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[dict[str, Any]]]] = {}

    def _lines(self, target: Path) -> list[dict[str, Any]]:
        folder = target.parent
        if folder not in self._folders:
            self._folders[folder] = _read(folder / FILE_NAME)
        return self._folders[folder].get(target.name, [])

    def standing(self, target: Path, source: Path, settings: Mapping[str, str]) -> Standing:
        """What is known of `target` as a result of `source` with `settings`."""
        if not os.path.lexists(target):
            return Standing.ABSENT
        matching = self._matching(target)
        if not matching:
            return Standing.FOREIGN
        wanted, here = digest(settings), _relative(source, target.parent)
        line = matching[-1]
        same = line["settings_hash"] == wanted and line["input"] == here and _is_input(source, line)
        return Standing.DONE if same else Standing.OUTDATED

    def knows(self, target: Path) -> bool:
        """Whether a result of this name was once recorded, whatever the file is now."""
        return bool(self._lines(target))

    def source_of(self, path: Path) -> str | None:
        """The real path of the input that `path` was made from, if it is a recorded result."""
        lines = self._lines(path)
        if not lines or not self._matching(path):
            return None
        made_from: str = lines[-1]["input"]
        return os.path.realpath(path.parent / made_from)

    def _matching(self, target: Path) -> list[dict[str, Any]]:
        """The lines that describe the file as it is now, last one last."""
        lines = self._lines(target)
        try:
            state = target.stat()
        except OSError:
            return []
        sized = [line for line in lines if line["size"] == state.st_size]
        exact = [line for line in sized if line["mtime_ns"] == state.st_mtime_ns]
        if exact or not sized:
            return exact
        try:  # copied elsewhere, perhaps: the bytes decide
            actual = fingerprint(target)
        except OSError:
            return []
        return [line for line in sized if line["hash"] == actual]


def _is_input(source: Path, line: dict[str, Any]) -> bool:
    try:
        state = source.stat()
        if state.st_size != line["input_size"]:
            return False
        return bool(state.st_mtime_ns == line["input_mtime_ns"] or fingerprint(source) == line["input_hash"])
    except OSError:
        return False


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


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return found
    for row in text.split("\n"):
        try:
            line = json.loads(row)
        except ValueError:  # cut short by a full disk, say
            continue
        if isinstance(line, dict) and all(isinstance(line.get(key), kind) for key, kind in _FIELDS.items()):
            found.setdefault(line["output"], []).append(line)
    return found
