"""What was made, from what, with which settings: a line of JSON per result, in a hidden file beside them.

A line is written before the result takes its name, in one write at the file's end, so several processes
may fill one folder, and one that is killed leaves a result that some line describes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from io import FileIO
from pathlib import Path
from typing import Any

from restorecli.photos.paths import Real, Survey, folder_text
from restorecli.photos.stores import store
from restorecli.photos.stores.lines import FILE_NAME, Line, Lines, Seen, read_lines
from restorecli.photos.stores.path import AnyPath, StorePath, is_store, path_of


@dataclass(frozen=True)
class Record:
    """What a result is made from.

    Attributes:
        source: the input file.
        fingerprint: `Document.fingerprint` of the input as it was read.
        stamp: `Document.stamp` of it: what the file is by now may be another one.
        settings: everything that the result's bytes depend on.
        details: what was found in the input and chosen for it; noted, never compared.
        warnings: how the weights are others than were asked for; noted, never compared.
        kind: of the input, as its result's name was planned with: it need not be looked into again.
    """

    source: AnyPath
    fingerprint: str
    stamp: tuple[int, int]
    settings: Mapping[str, str]
    details: Mapping[str, str | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    kind: str = ""


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


def hash_of(data: bytes) -> str:
    """The hash of bytes, as in `Document.fingerprint`."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def fingerprint(path: AnyPath) -> str:
    """The hash of a file's bytes, as in `Document.fingerprint`. Raises `OSError`."""
    if isinstance(path, StorePath):
        return hash_of(store.read(path))
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
    made = finished.stat()
    line = line_of(target, (made.st_size, made.st_mtime_ns), fingerprint(finished), record)
    data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")
    with (target.parent / FILE_NAME).open("ab+", buffering=0) as stream, held(stream.fileno()):
        _append_whole(stream, data)


def line_of(target: AnyPath, stamp: tuple[int, int], hash: str, record: Record) -> dict[str, Any]:
    """What is recorded of a result.

    Args:
        target: its place.
        stamp: its size and time of change (ns).
        hash: of its bytes.
        record: what it is made from.
    """
    return {
        "output": target.name,
        "size": stamp[0],
        "mtime_ns": stamp[1],
        "hash": hash,
        "input": _relative(record.source, target.parent),
        "input_size": record.stamp[0],
        "input_mtime_ns": record.stamp[1],
        "input_hash": record.fingerprint,
        **({"input_kind": record.kind} if record.kind else {}),
        "settings_hash": digest(record.settings),
        "settings": dict(record.settings),
        "details": dict(record.details),
        **({"warnings": list(record.warnings)} if record.warnings else {}),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _append_whole(stream: FileIO, line: bytes) -> None:
    """Add a line that ends in a line end: all of it or nothing, and never behind half a line."""
    end = stream.seek(0, os.SEEK_END)
    if end:
        stream.seek(end - 1)
        line = line if stream.read(1) == b"\n" else b"\n" + line
    try:
        written = 0
        while written < len(line):
            written += stream.write(line[written:]) or 0
    except OSError:
        with contextlib.suppress(OSError):
            stream.truncate(end)
        raise


@contextlib.contextmanager
def held(descriptor: int) -> Iterator[None]:
    """Keep other processes from writing between a look at the file's end and the line that follows."""
    try:
        import fcntl
    except ImportError:  # Windows has none: there a cut line is ended by the next
        yield
        return
    with contextlib.suppress(OSError):  # some network file systems lock nothing
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield  # closing the file lets go


def _relative(source: AnyPath, folder: AnyPath) -> str:
    if isinstance(source, StorePath):
        return str(source)
    origin, name = os.path.split(os.path.realpath(source))
    real = str(folder) if isinstance(folder, StorePath) else os.path.realpath(folder)
    return os.path.join(_between(origin, real), name)  # noqa: PTH118 - records hold text


def _between(origin: str, folder: str) -> str:
    """The way from `folder` to `origin`, both real; empty where they are one."""
    if is_store(folder):
        return origin
    try:
        way = os.path.relpath(origin, folder)
    except ValueError:  # another drive
        return origin
    return "" if way == "." else way


_MOST_LINES = 30_000  # held at a time, of several folders


class Records:
    """The records of the folders that a plan looks at; a folder's file is read when it is first asked for.

    Args:
        survey: of the file system.
    """

    def __init__(self, survey: Survey | None = None) -> None:
        self.warnings: list[str] = []  # what of the files could not be read
        self.seen: dict[AnyPath, Seen] = {}  # how far each folder's records were read
        self._survey = survey or Survey()
        self._folders: dict[str, Lines] = {}
        self._by_input: tuple[str | None, dict[str, Line]] = None, {}
        self._between: dict[tuple[str, str], str] = {}
        self._digested: tuple[Mapping[str, str] | None, str] = None, ""

    def _of_folder(self, folder: str) -> Lines:
        known = self._folders.get(folder)
        return self._read(folder) if known is None else known

    def _read(self, folder: str) -> Lines:
        path = path_of(folder)
        lines, warning, seen = read_lines(path)
        self.seen.setdefault(path, seen)
        if warning and warning not in self.warnings:
            self.warnings.append(warning)
        while self._folders and sum(map(len, self._folders.values())) + len(lines) > _MOST_LINES:
            self._folders.pop(next(iter(self._folders)))
        self._folders[folder] = lines
        return lines

    def _lines(self, target: AnyPath) -> list[Line]:
        lines = self._of_folder(folder_text(target))
        found = lines.get(target.name, []) if lines else []
        return found if isinstance(found, list) else [found]

    def kind_of(self, source: AnyPath, folder: AnyPath, stamp: tuple[int, int] | None = None) -> str | None:
        """What kind of file `source` was when a result in `folder` was made of it; None if it has changed."""
        place = str(folder)
        lines = self._of_folder(place)
        if not lines:
            return None
        if self._by_input[0] != place:
            last = (found[-1] if isinstance(found, list) else found for found in lines.values())
            self._by_input = place, {line.input: line for line in last}
        line = self._by_input[1].get(self._relative(source, folder))
        if line is None or not line.input_kind:
            return None
        stamp = stamp or self._survey.stamp(source)
        return line.input_kind if stamp == (line.input_size, line.input_mtime_ns) else None

    def standing(
        self,
        target: AnyPath,
        source: AnyPath,
        settings: Mapping[str, str],
        stamp: tuple[int, int] | None = None,
    ) -> Standing:
        """What is known of `target` as a result of `source`, whose stamp may be known, with `settings`."""
        if not self._survey.exists(target):
            return Standing.ABSENT
        matching = self._matching(target)
        if not matching:
            return Standing.FOREIGN
        line = matching[-1]
        here = self._relative(source, target.parent)
        same = line.settings_hash == self._digest(settings) and line.input == here
        same = same and _is_input(source, stamp or self._survey.stamp(source), line)
        return Standing.DONE if same else Standing.OUTDATED

    def _digest(self, settings: Mapping[str, str]) -> str:
        """`digest` of the settings of a run, which are the same for all of its photos."""
        if self._digested[0] is not settings:
            self._digested = settings, digest(settings)
        return self._digested[1]

    def knows(self, target: AnyPath) -> bool:
        """Whether a result of this name was once recorded, whatever the file is now."""
        return bool(self._lines(target))

    def source_of(self, path: AnyPath) -> Real | None:
        """The real place of the input that `path` was made from, if it is a recorded result."""
        lines = self._lines(path)
        if not lines or not self._matching(path):
            return None
        made_from = lines[-1].input
        folder = Path() if isinstance(path, StorePath) else path.parent
        return self._survey.real(StorePath(made_from) if is_store(made_from) else folder / made_from)

    def _relative(self, source: AnyPath, folder: AnyPath) -> str:
        """What `_relative` gives, worked out once for a pair of folders."""
        if isinstance(source, StorePath):
            return str(source)
        origin, name = self._survey.real(source)
        pair = origin, self._survey.folder(folder)
        if pair not in self._between:
            self._between[pair] = _between(*pair)
        return os.path.join(self._between[pair], name)  # noqa: PTH118 - records hold text

    def _matching(self, target: AnyPath) -> list[Line]:
        """The lines that describe the file as it is now, last one last."""
        lines = self._lines(target)
        if not lines:
            return []
        stamp = self._survey.stamp(target)
        if stamp is None:
            return []
        sized = [line for line in lines if line.size == stamp[0]]
        exact = [line for line in sized if line.mtime_ns == stamp[1]]
        if exact or not sized:
            return exact
        try:  # copied elsewhere, perhaps: the bytes decide
            actual = fingerprint(target)
        except OSError:
            return []
        return [line for line in sized if line.hash == actual]


def _is_input(source: AnyPath, stamp: tuple[int, int] | None, line: Line) -> bool:
    if stamp is None or stamp[0] != line.input_size:
        return False
    try:
        return stamp[1] == line.input_mtime_ns or fingerprint(source) == line.input_hash
    except OSError:
        return False
