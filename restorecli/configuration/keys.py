"""What may stand in a `restore.toml`: the long names of the commands' own options, with - or _."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from typer.models import OptionInfo

from restorecli.commands.auto import NOT_FOR_ALL
from restorecli.commands.declare import PREFIX
from restorecli.commands.options import SharedOptions
from restorecli.commands.table import COMMANDS

ALL, RUN, PRESETS, ABOUT = "all", "run", "presets", "about"
STEPS = "steps"
"""Of `restore run`: an argument there, an option here."""
OF_ONE_RUN = frozenset({"files_from", "null", "shard", "dry_run", "config"})
"""Options that a default makes no sense for."""
WHERE_TO = frozenset({"output", "compare"})
"""Where something is written: a file that came with photos has no say in that."""


@cache
def keys_of(command: str) -> Mapping[str, str]:
    """Return the key → field of every option that ``command`` may be given a default for.

    Args:
        command: a name of `commands.table.COMMANDS`, `RUN`, or `ALL` for what commands share.
    """
    shared = {key: name for key, name in long_names(SharedOptions).items() if name not in OF_ONE_RUN}
    if command == ALL:
        return shared
    if command == RUN:
        return {STEPS: STEPS, **{key: name for key, name in shared.items() if name not in NOT_FOR_ALL}}
    kind = COMMANDS[command]
    return {
        **long_names(kind),
        **{key: name for key, name in shared.items() if name not in kind.not_shared},
    }


def tables() -> list[str]:
    """Return the names of the tables that a file may have."""
    return [ALL, *COMMANDS, RUN]


def long_names(kind: type[Any]) -> dict[str, str]:
    """Return the long option's name, which its variable has too, → field of a dataclass of options."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for field in fields(kind):
        for info in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(info, OptionInfo):
                found[str(info.envvar).removeprefix(PREFIX).lower().replace("_", "-")] = field.name
    return found
