"""Defaults from presets and files, for options that neither the command line nor a variable has set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer

from restorecli.cli.failing import refused_value
from restorecli.configuration.files import Entry
from restorecli.configuration.sources import Sources, sources_for
from restorecli.errors import UsageError

PARSER_ERROR: Any = typer.BadParameter.__mro__[1]
"""What the parser raises; Typer names it elsewhere in each of its releases."""
UNSET = ("DEFAULT", "DEFAULT_MAP")


@dataclass(frozen=True)
class Configured:
    """The values of a command's options.

    Attributes:
        values: of every option.
        entries: of those that a preset or a file has set.
    """

    values: dict[str, Any]
    entries: Mapping[str, Entry]


def configured(
    command: str, context: Any, values: Mapping[str, Any], sources: Sources | None = None
) -> Configured:
    """Return the values with what presets and files say where nothing else was said.

    Args:
        command: the table of the files, see `configuration.keys`.
        context: Typer's, of the command that was parsed.
        values: as it was parsed.
        sources: of the run; None to find them by ``values``.

    Raises:
        UsageError: a file or a value of it is wrong; with file and line.
    """
    if sources is None:
        preset, config = values.get("preset"), values.get("config")
        sources = sources_for(places(values), preset, config)
    chosen = sources.of(command)
    free = {each.name: each for each in context.command.params if _is_free(each, context)}
    entries = {name: entry for name, entry in chosen.items() if name in free}
    made = {name: converted(free[name], context, entry) for name, entry in entries.items()}
    return Configured({**values, **made}, entries)


def places(values: Mapping[str, Any]) -> list[str]:
    """Return what may be photos among the arguments: of `restore run` the steps may be left out."""
    steps = values.get("steps")
    return [*([steps] if steps else []), *(values.get("inputs") or [])]


def _is_free(parameter: Any, context: Any) -> bool:
    source = context.get_parameter_source(parameter.name)
    return source is None or source.name in UNSET


def converted(parameter: Any, context: Any, entry: Entry) -> Any:
    """Return a value of a file as the option takes it.

    Raises:
        UsageError: the option takes no such value.
    """
    value = entry.value
    is_switch = bool(getattr(parameter, "is_flag", False))
    if is_switch and isinstance(value, bool):
        return value
    if is_switch:
        raise UsageError(f"{entry.told} must be true or false", "without quotes")
    if isinstance(value, bool):
        words = parameter.metavar == "on|off"
        hint = "write 'on' or 'off', in quotes" if words else "give a number, or a text in quotes"
        raise UsageError(f"{entry.told}: it is no switch", hint)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    try:
        return parameter.process_value(context, text)
    except PARSER_ERROR as error:
        raise UsageError(refused_value(error, parameter, entry.told)) from None
