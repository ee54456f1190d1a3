"""A `restore.toml`: found, read, and checked; every value knows the line that it stands in."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from restorecli.configuration.keys import ABOUT, PRESETS, WHERE_TO, keys_of, tables
from restorecli.errors import UsageError, all_known, did_you_mean

NAME = "restore.toml"
LARGEST = 1 << 20  # bytes
SHIPPED = "presets.toml"


@dataclass(frozen=True)
class Entry:
    """A value and where it stands.

    Attributes:
        value: as TOML has it.
        key: as it is written.
        place: file and line, for people.
    """

    value: Any
    key: str
    place: str

    @property
    def told(self) -> str:
        """The value with its key and place, for messages."""
        value = repr(self.value) if isinstance(self.value, str) else str(self.value)
        return f"{self.place}: {self.key} = {value.lower() if isinstance(self.value, bool) else value}"


Table = Mapping[str, Entry]
"""Field → its entry."""


@dataclass(frozen=True)
class Preset:
    """A named set of defaults.

    Attributes:
        name: as `--preset` takes it.
        about: what it is for.
        place: the file.
        tables: command → its defaults.
    """

    name: str
    about: str
    place: str
    tables: Mapping[str, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """What a file says.

    Attributes:
        path: how messages call it.
        tables: command → its defaults.
        presets: by name.
    """

    path: str
    tables: Mapping[str, Table]
    presets: Mapping[str, Preset]


def user_file() -> Path:
    """Return where the user's own file is or would be."""
    return user_config_path("restorecli", appauthor=False) / NAME


def beside(inputs: Sequence[str]) -> Path | None:
    """Return the file in the folder that photos are in.

    Args:
        inputs: folders, files and globs; what does not exist counts for nothing.

    Raises:
        UsageError: photos of several folders have several, or what is called so is no file.
    """
    found: dict[str, Path] = {}
    for text in inputs:
        path = Path(text) if text != "-" else None
        while path is not None and re.search(r"[*?\[]", path.name):
            path = path.parent
        if path is None or not os.path.lexists(path):
            continue
        folder = path if path.is_dir() else path.parent
        file = folder / NAME
        if file.is_file():
            found.setdefault(str(file.resolve()), file)
        elif file.is_symlink() or file.exists():
            raise UsageError(f"{file}: it is no file of defaults", "move it away, or add --config none")
    if len(found) > 1:
        names = " and ".join(str(path) for path in found.values())
        raise UsageError(f"the photos have several files of defaults: {names}", "choose one with --config")
    return next(iter(found.values()), None)


def read_file(path: Path, *, came_with_photos: bool = False) -> File:
    """Read a file.

    Args:
        path: of the file.
        came_with_photos: whether it may be somebody else's, who is not to say where files are written.

    Raises:
        UsageError: it cannot be read, or holds what no command knows; with the line.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise UsageError(f"{path}: too large for a file of defaults")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: it is not text in UTF-8", "save it as UTF-8") from None
    return parse(text, str(path), came_with_photos=came_with_photos)


def shipped() -> File:
    """Return the presets that come with the tool."""
    text = (files("restorecli.configuration") / SHIPPED).read_text(encoding="utf-8")
    return parse(text, "comes with restore", lined=False)


def parse(text: str, name: str, *, came_with_photos: bool = False, lined: bool = True) -> File:
    """Return what the text of a file says.

    Args:
        text: TOML.
        name: how messages call the file.
        came_with_photos: see `read_file`.
        lined: whether messages name lines.

    Raises:
        UsageError: see `read_file`.
    """
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        quotes = "invalid value" in str(error).lower()
        hint = "texts stand in quotes: noise = 'real'" if quotes else "write each table and each key once"
        raise UsageError(f"{name}: {_lowered(str(error))}", hint) from None
    reader = _Reader(text.splitlines() if lined else [], name, came_with_photos)
    presets = reader.checked(whole.pop(PRESETS, {}), [PRESETS])
    made = {preset: reader.preset(preset, body) for preset, body in presets.items()}
    return File(name, reader.tables(whole, []), made)


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


@dataclass(frozen=True)
class _Reader:
    """Checks the tables of one file."""

    lines: Sequence[str]
    name: str
    came_with_photos: bool

    def preset(self, name: str, body: Any) -> Preset:
        inside = dict(self.checked(body, [PRESETS, name]))
        about = inside.pop(ABOUT, "")
        if not isinstance(about, str):
            raise UsageError(f"{self.place([PRESETS, name, ABOUT])}: about is no text", "put it in quotes")
        return Preset(name, about, self.name, self.tables(inside, [PRESETS, name]))

    def tables(self, whole: Mapping[str, Any], above: Sequence[str]) -> dict[str, Table]:
        known = tables() if above else [*tables(), PRESETS]
        made = {}
        for command, body in whole.items():
            if command not in known:
                raise UsageError(
                    f"{self.place([*above, command])}: there is no table [{'.'.join([*above, command])}]",
                    all_known(command, known),
                )
            made[command] = self.table(command, self.checked(body, [*above, command]), [*above, command])
        return made

    def table(self, command: str, body: Mapping[str, Any], above: Sequence[str]) -> Table:
        known, made = keys_of(command), {}
        for key, value in body.items():
            place = self.place([*above, key])
            wanted = key.replace("_", "-")
            field = known.get(wanted)
            if field is None:
                others = " or ".join(f"[{table}]" for table in tables() if wanted in keys_of(table))
                near = f"it belongs in {others}" if others else did_you_mean(wanted, known)
                raise UsageError(
                    f"{place}: [{'.'.join(above)}] has no option {key}",
                    near or f"it has {', '.join(known)}",
                )
            if field == "preset" and PRESETS in above:
                raise UsageError(f"{place}: a preset cannot name another", "leave it out")
            if self.came_with_photos and field in WHERE_TO:
                raise UsageError(
                    f"{place}: a file beside photos cannot say where to write ({key})",
                    f"give it on the command line, or in {user_file()}",
                )
            if isinstance(value, dict | list):
                raise UsageError(f"{place}: {key} has one value, not several", f"write {key} = …")
            made[field] = Entry(value, key, place)
        return made

    def checked(self, body: Any, above: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(body, dict):
            name = ".".join(above)
            raise UsageError(f"{self.place(above)}: {name} is a table, not a value", f"write [{name}]")
        return body

    def place(self, keys: Sequence[str]) -> str:
        """Return the file and, where it can be told, the line of a key."""
        number = line_of(self.lines, keys)
        return f"{self.name}, line {number}" if number else self.name


def line_of(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    """Return the line, from 1, that a key stands in: of its own, or of the nearest table around it."""
    best: tuple[int, int] | None = None
    table: list[str] = []
    for number, line in enumerate(lines, 1):
        code = line.strip()
        if header := re.match(r"\[+([^\]]+)\]", code):
            table = _parts(header[1])
            written = table
        elif assigned := re.match(r"([\w\-.\"' ]+?)\s*=", code):
            written = [*table, *_parts(assigned[1])]
        else:
            continue
        depth = len(written) if written == list(keys[: len(written)]) else 0
        if depth and (best is None or depth > best[0]):
            best = depth, number
    return None if best is None else best[1]


def _parts(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]
