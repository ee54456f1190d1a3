"""The command ``restore``: wires the commands and turns errors into a message and an exit code."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from restorecli import __version__
from restorecli.cli import compare, doctor, inspect, models
from restorecli.cli import run as chained
from restorecli.cli.bench import command as bench
from restorecli.cli.commands import command_of
from restorecli.cli.config import command as config
from restorecli.cli.config.apply import PARSER_ERROR
from restorecli.cli.failing import from_parser, tell
from restorecli.cli.help import BriefCommand, BriefGroup
from restorecli.cli.loading_line import wait_passively
from restorecli.cli.process import guarded
from restorecli.commands.table import COMMANDS
from restorecli.errors import DeviceError, ExitCode, RestoreError, UsageError

app = typer.Typer(
    name="restore",
    help="Restore whole folders of photos with published neural networks.",
    cls=BriefGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for kind in COMMANDS.values():
    app.command(cls=BriefCommand)(command_of(kind))
app.command(cls=BriefCommand)(chained.run)
app.command(cls=BriefCommand)(inspect.inspect)
app.command(cls=BriefCommand)(compare.compare)
app.command(cls=BriefCommand)(bench.bench)
app.add_typer(models.app, name="models", cls=BriefGroup)
app.add_typer(config.app, name="config", cls=BriefGroup)
app.command(cls=BriefCommand)(doctor.doctor)

_NO_ROOM = "failed to map segment"
"""What the system's loader says of a library for which the memory does not suffice."""


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
    arguments = sys.argv[1:]
    wait_passively()
    try:
        sys.exit(app(standalone_mode=False, prog_name="restore"))
    except RestoreError as error:
        sys.exit(tell(error, arguments))
    except PARSER_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            sys.exit(ExitCode.USAGE)
        sys.exit(tell(from_parser(error, arguments), arguments))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        sys.exit(tell(UsageError(f"{error.filename}: the name is too long", "check the spelling"), arguments))
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and _NO_ROOM not in str(error):
            raise
        message = "the memory that this process may use does not suffice"
        sys.exit(tell(DeviceError(message, "try a smaller --tile, or fewer --jobs"), arguments))
