"""Write docs/reference/cli.md from the command line: ``python -m benchmarks.documents.cli_reference``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from restorecli.cli.app import app
from restorecli.commands.options import SharedOptions
from restorecli.commands.table import COMMANDS, STEPS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAD = """\
# Command line

Written from the program by `python -m benchmarks.documents.cli_reference`; a test sees that it is current.

Every option beside which a `RESTORE_…` variable stands can be set by that too; the command line goes
before it. A switch is set by `1`, `true` or `yes`. What ends a run, and with which code:
[exit codes and events](exit-codes.md).
"""
SHARED_HEAD = """\
## What the restoring commands share

{names} take, beside their own options below:
"""
WITHOUT = "Takes what the restoring commands share, except {names}."


def walk(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command below ``command`` with its names, itself first."""
    yield names, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, *names, name)


def page() -> str:
    """Return the text of the page."""
    root = typer.main.get_command(app)
    shared = {field.name for field in fields(SharedOptions)}
    parts = [HEAD]
    told = False
    for names, command in walk(root):
        if names and names[0] in STEPS and not told:
            told = True
            wanted = [parameter for parameter in command.params if parameter.name in shared]
            head = SHARED_HEAD.format(names=", ".join(f"`{name}`" for name in STEPS))
            parts.append("\n".join([head, *_options(wanted)]) + "\n")
        parts.append(_section(names, command, shared if names and names[0] in COMMANDS else set()))
    return "\n".join(parts)


def _section(names: tuple[str, ...], command: Any, apart: set[str]) -> str:
    words = " ".join(("restore", *names))
    own = [parameter for parameter in command.params if parameter.name not in apart]
    own = [parameter for parameter in own if "completion" not in (parameter.name or "")]
    lines = [f"{'#' * (1 + max(1, len(names)))} `{words}`", "", *_help(command.help or ""), ""]
    lines += list(_options(own)) if own else ["Takes what the restoring commands share."] if apart else []
    missing = COMMANDS[names[0]].not_shared if names and names[0] in COMMANDS else ()
    if missing:
        lines += ["", WITHOUT.format(names=", ".join(f"`--{name}`" for name in missing))]
    return "\n".join(lines).rstrip() + "\n"


def _help(text: str) -> Iterator[str]:
    """Give the help's paragraphs, its examples as code."""
    examples = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        line = " ".join(paragraph.split())
        if line.startswith("Example: "):
            examples.append(line.removeprefix("Example: "))
        else:
            yield line
    if examples:
        yield from ("", "```console", *(f"$ {example}" for example in examples), "```")


def _options(parameters: list[Any]) -> Iterator[str]:
    for parameter in parameters:
        argument = parameter.param_type_name == "argument"
        names = "" if argument else " / ".join(map(", ".join, filter(None, _spellings(parameter))))
        value = (
            ""
            if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
            else _value(parameter)
        )
        facts = [f"default: {_plain(parameter.default)}"] if _has_default(parameter) else []
        facts += [f"`{parameter.envvar}`"] if parameter.envvar else []
        told = f" ({'; '.join(facts)})" if facts else ""
        yield f"- `{' '.join(part for part in (names, value) if part)}`: {parameter.help or ''}{told}"


def _spellings(parameter: Any) -> tuple[list[str], list[str]]:
    return sorted(parameter.opts, key=len), sorted(parameter.secondary_opts, key=len)


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return "N" if isinstance(parameter.default, int) else "TEXT"


def _has_default(parameter: Any) -> bool:
    return (
        isinstance(parameter.default, (str, int, float))
        and not isinstance(parameter.default, bool)
        and (parameter.default not in ("", 0) or parameter.metavar is not None)
    )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
