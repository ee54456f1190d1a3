"""How an option is declared: a field of a dataclass, annotated as Typer wants it.

The command line, presets and the record of settings all read it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import typer

INPUTS, MODEL, ENGINE, OUTPUT, RUN = "Inputs", "Model", "Speed and memory", "Output", "Run"


PREFIX = "RESTORE_"
"""Of the variables that set options."""
_PLACEHOLDERS = frozenset({"N", "NAME", "FILE", "FOLDER", "PHOTOS", "NETWORK", "TASK", "PATH", "EV"})


def option(
    *names: str,
    help: str,
    panel: str,
    metavar: str | None = None,
    complete: Callable[[str], list[str]] | None = None,
    **more: Any,
) -> Any:
    """Return a Typer option that can also be set by ``RESTORE_…``, named after its first long name.

    Args:
        names: as typed: "--tile", "-o".
        help: what it does.
        panel: the heading it stands under in the help.
        metavar: what stands for its value, choices with ``|`` between them.
        complete: gives the values that begin with what was typed; default: the choices of ``metavar``.
        more: further arguments of `typer.Option`.
    """
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    if complete is None and metavar is not None and "|" in metavar:
        complete = beginning_of([word for word in metavar.split("|") if word not in _PLACEHOLDERS])
    return typer.Option(
        *names,
        help=help,
        rich_help_panel=panel,
        metavar=metavar,
        envvar=variable_of(long),
        autocompletion=complete,
        **more,
    )


def beginning_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what gives those of ``words`` that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def model_names(incomplete: str) -> list[str]:
    """Return the networks, and the files of weights, whose names begin with ``incomplete``."""
    from restorecli.models.registry import load_registry

    registry = load_registry()
    known = [*registry.networks, *(entry.name for entry in registry.entries)]
    begun = [name for name in known if name.startswith(incomplete)]
    return begun if incomplete else list(registry.networks)


def format_names(incomplete: str) -> list[str]:
    """Return the formats that can be written whose names begin with ``incomplete``."""
    from restorecli.photos.formats.table import WRITABLE

    return beginning_of(("keep", *WRITABLE))(incomplete)


def variable_of(option: str) -> str:
    """Return the environment variable of a long option's name: ``RESTORE_TILE`` of ``--tile``."""
    return PREFIX + option.removeprefix("--").upper().replace("-", "_")
