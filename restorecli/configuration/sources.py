"""Where defaults come from, the strongest first: a preset, the file beside the photos, the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restorecli.configuration.files import Entry, File, Preset, Table, beside, read_file, shipped, user_file
from restorecli.configuration.keys import ALL
from restorecli.errors import UsageError, all_known

NO_FILE = "none"


@dataclass(frozen=True)
class Sources:
    """The files of a run, the strongest first, and what `--preset` names.

    Attributes:
        files: without the presets that come with the tool.
        preset: a name; None for that which a file says, if any.
    """

    files: tuple[File, ...] = ()
    preset: str | None = None

    def of(self, command: str) -> dict[str, Entry]:
        """Return the default of every option that has one, by field; its place says where it comes from.

        Args:
            command: one of `keys.tables`.

        Raises:
            UsageError: there is no such preset.
        """
        chosen: dict[str, Entry] = {}
        plain = [table for file in self.files for table in _tables(file.tables, command)]
        for table in reversed(plain):
            chosen |= table
        name = self.preset or (str(chosen["preset"].value) if "preset" in chosen else None)
        if name is None:
            return chosen
        preset = self.named(name)
        for table in reversed(list(_tables(preset.tables, command))):
            chosen |= {field: _through(name, entry) for field, entry in table.items()}
        return chosen

    @property
    def presets(self) -> dict[str, Preset]:
        """Every preset that there is by name: the user's own before those that come with the tool."""
        known: dict[str, Preset] = {}
        for file in (shipped(), *reversed(self.files)):
            known |= file.presets
        return known

    def named(self, name: str) -> Preset:
        """Return a preset.

        Raises:
            UsageError: there is none of that name.
        """
        known = self.presets
        if name not in known:
            raise UsageError(f"there is no preset {name}", all_known(name, list(known)))
        return known[name]


def _through(preset: str, entry: Entry) -> Entry:
    return replace(entry, place=f"preset {preset} ({entry.place})")


def _tables(of: Mapping[str, Table], command: str) -> Iterable[Table]:
    """Give the command's own table, then that for all."""
    return (of[name] for name in (command, ALL) if name in of)


def sources_for(inputs: Sequence[str], preset: str | None = None, config: str | None = None) -> Sources:
    """Find and read the files.

    Args:
        inputs: the photos, as they are named.
        preset: as --preset names it.
        config: a file to be read instead of all others, or `NO_FILE`.

    Raises:
        UsageError: a file is missing or wrong.
    """
    if config == NO_FILE:
        return Sources((), preset)
    if config is not None:
        return Sources((read_file(Path(config)),), preset)
    found = []
    near = beside(inputs)
    own = user_file()
    if near is not None and near.resolve() != own.resolve():
        found.append(read_file(near, came_with_photos=True))
    if own.is_file():
        found.append(read_file(own))
    return Sources(tuple(found), preset)
