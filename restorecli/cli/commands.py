"""The restoring commands as functions of the command line, made from the table of their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from restorecli.cli.loading_line import loading
from restorecli.cli.signature import with_options
from restorecli.commands.base import CommandOptions
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions

NEEDS = ("inputs", "files_from")


def command_of(kind: type[CommandOptions]) -> Callable[..., None]:
    """Return the function whose parameters are the shared options and those of ``kind``."""

    @with_options(SharedOptions, kind, needs=NEEDS, without=kind.not_shared, table=kind.command)
    def command(shared: SharedOptions, own: CommandOptions) -> None:
        from restorecli.commands.early import begin

        description = RunDescription.of(own, shared)
        found = begin(description)
        with loading(quiet=shared.quiet):
            from restorecli.cli.cluster.where import carry_out  # imports torch

        carry_out(description, found)

    command.__name__ = kind.command
    command.__doc__ = inspect.getdoc(kind)
    return command
