"""The command ``restore``: wires the commands and turns errors into a message and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from restorecli import __version__
from restorecli.cli import doctor, models
from restorecli.cli.bench import command as bench
from restorecli.cli.commands import command_of
from restorecli.cli.process import guarded
from restorecli.commands.table import COMMANDS
from restorecli.errors import ExitCode, RestoreError

app = typer.Typer(
    name="restore",
    help="Restore whole folders of photos with published neural networks.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for kind in COMMANDS.values():
    app.command()(command_of(kind))
app.command()(bench.bench)
app.add_typer(models.app, name="models")
app.command()(doctor.doctor)


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(f"restore {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Restore whole folders of photos with published neural networks."""


def main() -> None:
    """Run the command line in this process and leave it."""
    guarded(run)


def run() -> None:
    """Run the command line; the only place where an error becomes a message.

    Raises:
        SystemExit: with the exit code.
    """
    try:
        app()
    except RestoreError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        if "-vv" in sys.argv:
            raise
        sys.exit(error.exit_code)
    except MemoryError:
        sys.stderr.write("error: the memory that this process may use does not suffice\n")
        sys.exit(ExitCode.DEVICE)
