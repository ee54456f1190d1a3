"""Help that fits a screen: a row per option, in groups; defaults where the choices do not begin with them."""

from __future__ import annotations

import inspect
import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from restorecli.commands.declare import INPUTS, MODEL, OUTPUT

MOST_COLUMNS = 100
_LEFT = 27  # columns of names; longer ones stand in a line of their own
_FIRST = (MODEL, INPUTS, OUTPUT)


class BriefCommand(TyperCommand):
    """A command with `brief` help, whose parser's errors tell which command they are of."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; the parser leaves its context out of some errors."""
        try:
            return list(super().parse_args(ctx, args))
        except Exception as error:
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(brief(self, ctx))


class BriefGroup(TyperGroup):
    """A group of commands with `brief` help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(brief(self, ctx))


def brief(command: Any, context: Any) -> str:
    """Return the help of a command or group, in lines of at most `MOST_COLUMNS`."""
    columns = min(shutil.get_terminal_size((80, 24)).columns, MOST_COLUMNS)
    told = [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    examples = [text.removeprefix("Example: ") for text in told if text.startswith("Example: ")]
    texts = [text for text in told if not text.startswith("Example: ")]
    children = [(name, context.command.get_command(context, name)) for name in _names(command, context)]
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    words = [_argument(parameter) for parameter in arguments]
    usage = " ".join([context.command_path, "[OPTIONS]", *words, *(["COMMAND"] if children else [])])
    lines = [f"Usage: {usage}"]
    for text in texts:
        lines += ["", *textwrap.wrap(text, columns)]
    if examples:
        lines += ["", *(f"  {text}" for text in examples)]
    if arguments:
        lines += ["", _heading("Arguments")]
        for parameter, word in zip(arguments, words, strict=True):
            lines += _row(word, parameter.help or "", columns)
    for panel, parameters in _panels(command, context, shown).items():
        lines += ["", _heading(panel)]
        for parameter in parameters:
            lines += _row(_names_of(parameter), _told(parameter), columns)
    if children:
        lines += ["", _heading("Commands")]
        for name, child in children:
            lines += _row(name, inspect.cleandoc(child.help or "").split("\n\n")[0], columns)
    if any(getattr(parameter, "envvar", None) for parameter in shown):
        note = "A variable sets an option too: RESTORE_TILE=256 is --tile 256, RESTORE_STRIP=1 is --strip."
        lines += ["", *textwrap.wrap(note, columns)]
    return "\n".join(lines) + "\n"


def _names(command: Any, context: Any) -> Sequence[str]:
    return command.list_commands(context) if hasattr(command, "list_commands") else ()


def _heading(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else typer.style(text, bold=True)


def _panels(command: Any, context: Any, shown: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the options by panel: what is done and to what first, then how."""
    panels: dict[str, list[Any]] = {name: [] for name in _FIRST}
    for parameter in shown:
        if parameter.param_type_name != "argument":
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(parameter)
    general = panels.pop("Options", [])
    if (asked := command.get_help_option(context)) is not None and asked not in general:
        general.append(asked)
    panels = {**panels, "Options" if not any(panels.values()) else "Other": general}
    return {name: parameters for name, parameters in panels.items() if parameters}


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.upper())
    many = "…" if parameter.nargs == -1 and not name.endswith("…") else ""
    return f"{name}{many}" if parameter.required else f"[{name}{many}]"


def _names_of(parameter: Any) -> str:
    """Return "-o, --output PATH"; of a switch with a counterpart "-r/-R, --[no-]recursive"."""
    short = [name for name in parameter.opts if not name.startswith("--")]
    long = [name for name in parameter.opts if name.startswith("--")]
    off = [name for name in parameter.secondary_opts if not name.startswith("--")]
    names = ["/".join([*short, *off])] if short else []
    names += [name.replace("--", "--[no-]") if parameter.secondary_opts else name for name in long]
    value = "" if _is_switch(parameter) else str(parameter.metavar or _kind(parameter))
    return ("" if short else "    ") + f"{', '.join(names)} {value}".rstrip()


def _is_switch(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))


def _kind(parameter: Any) -> str:
    return "N" if isinstance(parameter.default, (int, float)) else "TEXT"


def _told(parameter: Any) -> str:
    """Return what an option's help says, and its default, unless that is the first of its choices."""
    text, default = parameter.help or "", parameter.default
    plain = isinstance(default, (str, int, float)) and not _is_switch(parameter)
    if not plain or default == "" or str(parameter.metavar or "").split("|")[0] == str(default):
        return text
    return f"{text} [{default:g}]" if isinstance(default, float) else f"{text} [{default}]"


def _row(left: str, right: str, columns: int) -> Iterator[str]:
    """Give the lines of a row: two columns, the left one alone where it is too wide."""
    lines = textwrap.wrap(right, columns - _LEFT - 3, break_on_hyphens=False) or [""]
    if len(left) > _LEFT:
        yield f"  {left}"
    else:
        yield f"  {left.ljust(_LEFT)} {lines.pop(0)}".rstrip()
    yield from (" " * (_LEFT + 3) + line for line in lines)
