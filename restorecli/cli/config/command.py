"""``restore config``: which defaults there are, and where each comes from."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from restorecli.cli.config.apply import PARSER_ERROR, configured, places
from restorecli.cli.failing import from_parser
from restorecli.cli.help import BriefCommand
from restorecli.commands.table import COMMANDS
from restorecli.configuration.files import user_file
from restorecli.configuration.keys import RUN, keys_of
from restorecli.configuration.sources import sources_for
from restorecli.errors import UsageError, unknown_value
from restorecli.report.columns import Column, lines, terminal_width

app = typer.Typer(help="Show defaults of your own: restore.toml and presets.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
COLUMNS = (Column("option"), Column("value"), Column("from"))
FROM = {"COMMANDLINE": "command line", "ENVIRONMENT": "variable", "PROMPT": "command line"}
USUAL = "default"


@app.command(
    cls=BriefCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def show(
    context: typer.Context,
    command: Annotated[str, typer.Argument(help="A restoring command, or run.", metavar="COMMAND")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Its photos and options.", metavar="ARGUMENTS…")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Usual defaults too.")] = False,
    as_json: Json = False,
) -> None:
    """Show which value each option of a command would have, and where that comes from.

    The command is not run. Everything behind its name is read as it would be.

    Example: restore config show denoise photos/

    Example: restore config show --all run --preset scans photos/
    """
    known = [*COMMANDS, RUN]
    if command not in known:
        raise unknown_value("COMMAND", command, known)
    rows = _rows(context.find_root(), command, arguments or [])
    if not everything:
        rows = [row for row in rows if row[2] != USUAL]
    if as_json:
        keys = ("option", "value", "from")
        sys.stdout.write(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2) + "\n")
    elif rows:
        texts = [(name, _written(value), origin) for name, value, origin in rows]
        sys.stdout.write("\n".join(lines(COLUMNS, texts, terminal_width(sys.stdout.isatty()))) + "\n")
    else:
        typer.echo(f"{command}: usual defaults; a file of your own would be {user_file()}")


@app.command(cls=BriefCommand)
def presets(
    photos: Annotated[list[str] | None, typer.Argument(help="Whose restore.toml is read too.")] = None,
    as_json: Json = False,
) -> None:
    """List the presets, and what each sets.

    Example: restore config presets
    """
    _check_places(photos or [])
    known = sources_for(photos or []).presets.values()
    if as_json:
        described = [
            {
                "name": each.name,
                "about": each.about,
                "from": each.place,
                "sets": {
                    command: {entry.key: entry.value for entry in table.values()}
                    for command, table in each.tables.items()
                },
            }
            for each in known
        ]
        sys.stdout.write(json.dumps(described, indent=2) + "\n")
        return
    for each in known:
        sys.stdout.write(f"{each.name}: {each.about} ({each.place})\n")
        for command, table in each.tables.items():
            sets = ", ".join(f"{entry.key} = {_written(entry.value)}" for entry in table.values())
            sys.stdout.write(f"  {command}: {sets}\n")


@app.command(cls=BriefCommand)
def path() -> None:
    """Print where a restore.toml of your own is read from, whether it is there or not.

    Example: restore config path
    """
    sys.stdout.write(f"{user_file()}\n")


def _check_places(photos: Sequence[str]) -> None:
    """Refuse photos that are not there: what lies beside them would be missed.

    Raises:
        UsageError: naming the first.
    """
    for name in photos:
        if name != "-" and not glob.has_magic(name) and "://" not in name and not os.path.lexists(name):
            raise UsageError(f"{name}: there is no such file or folder", "check the spelling")


def _rows(root: Any, command: str, arguments: list[str]) -> list[tuple[str, Any, str]]:
    """Return option, value and origin of all that a file could set.

    Raises:
        UsageError: the arguments are none that the command takes, or a file is wrong.
    """
    parser = root.command.get_command(root, command)
    try:
        context = parser.make_context(f"restore {command}", list(arguments))
    except PARSER_ERROR as error:
        raise from_parser(error, arguments) from None
    given = dict(context.params)
    _check_places(given.get("inputs") or [])
    sources = sources_for(places(given), given.get("preset"), given.get("config"))
    whole = configured(command, context, given, sources)
    rows = []
    for key, field in keys_of(command).items():
        entry = sources.of(command).get(field) if field == "steps" else whole.entries.get(field)
        if entry is not None:
            rows.append((key, entry.value, entry.place))
        elif field != "steps":
            rows.append((key, whole.values.get(field), _origin(context, field)))
    return rows


def _origin(context: Any, field: str) -> str:
    source = context.get_parameter_source(field)
    if source is None or source.name not in FROM:
        return USUAL
    if source.name != "ENVIRONMENT":
        return FROM[source.name]
    (parameter,) = (each for each in context.command.params if each.name == field)
    return f"{FROM[source.name]} {parameter.envvar}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
