"""What the training commands print: messages, and errors as the main command shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from restorecli.errors import RestoreError


def say(text: str) -> None:
    """Print a message to standard error at once."""
    typer.echo(text, err=True)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn an error a user can cause into two lines and its exit code."""
    try:
        yield
    except RestoreError as error:
        say(f"error: {error.message}\nhint: {error.hint}")
        raise typer.Exit(error.exit_code) from error
