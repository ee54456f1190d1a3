"""The steps of `restore run`, such as "dejpeg | denoise", read by the options of the commands themselves."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any

import typer

from restorecli.cli.config.apply import PARSER_ERROR
from restorecli.cli.failing import from_parser
from restorecli.cli.signature import with_options
from restorecli.commands.base import CommandOptions
from restorecli.commands.description import OF_A_STEP, Step
from restorecli.commands.options import SharedOptions
from restorecli.commands.table import COMMANDS, STEPS
from restorecli.configuration.sources import Sources
from restorecli.errors import UsageError, all_known

EXAMPLE = "write for example: restore run 'dejpeg | denoise --strength 0.8 | upscale -x2' photos/"


@dataclass(frozen=True)
class ChainOptions:
    """The argument that only `restore run` has."""

    steps: Annotated[
        str,
        typer.Argument(
            help="Commands with their options, | between them.", metavar="STEPS", show_default=False
        ),
    ] = ""


def read_chain(text: str, sources: Sources | None = None) -> tuple[Step, ...]:
    """Return the steps that ``text`` names.

    Args:
        text: commands with their own options, ``|`` between them; quotes as in a shell.
        sources: of defaults for their options; None for none.

    Raises:
        UsageError: naming the step, and what to write instead.
    """
    parts = _split(text)
    if parts == [""]:
        raise UsageError("the run has no steps", EXAMPLE)
    steps = []
    for number, part in enumerate(parts, 1):
        words = _words(part, number)
        if not words:
            raise UsageError(f"step {number} of the run is empty", f"leave out one |; {EXAMPLE}")
        steps.append(_step(words, number, sources or Sources()))
    for number, step in enumerate(steps[1:], 2):
        if step.own.develops_raw:
            raise UsageError(
                f"step {number}: {step.own.command} makes pictures of camera RAW, and can only come first",
                "camera RAW is developed before the first step anyway",
            )
    return tuple(steps)


def _split(text: str) -> list[str]:
    """Return the parts between bars that do not stand in quotes."""
    parts, quote, begin = [], "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "|":
            parts.append(text[begin:at])
            begin = at + 1
    return [part.strip() for part in (*parts, text[begin:])]


def _words(part: str, number: int) -> list[str]:
    lexer = shlex.shlex(part, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if os.name == "nt":
        lexer.escape = ""  # paths have backslashes
    try:
        return list(lexer)
    except ValueError as error:
        wrong = "a quote is not closed" if "quot" in str(error) else "nothing stands behind the last \\"
        raise UsageError(f"step {number} of the run: {wrong}: {part}", EXAMPLE) from None


def _step(words: Sequence[str], number: int, sources: Sources) -> Step:
    name, *arguments = words
    if name not in STEPS:
        whole = "auto is a run of its own: restore auto" if name == "auto" else ""
        raise UsageError(
            f"step {number} of the run: there is no step {name}", whole or all_known(name, STEPS)
        )
    read: list[Step] = []
    try:
        _parser(name, read.append, sources).main(
            arguments, prog_name=f"restore {name}", standalone_mode=False
        )
    except PARSER_ERROR as error:
        raise _refused(error, name, arguments, number) from None
    except UsageError as error:
        hint = error.hint or f"restore {name} --help"
        raise UsageError(f"step {number} ({name}): {error.message}", hint) from None
    if not read:  # --help was answered
        raise typer.Exit
    return read[0]


def _parser(name: str, take: Callable[[Step], None], sources: Sources) -> Any:
    """Return the parser of a command's own options and those shared ones that a step may have."""
    whole_run = {field.name for field in fields(SharedOptions)} - OF_A_STEP
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @with_options(SharedOptions, COMMANDS[name], without=whole_run, table=name, sources=sources)
    def step(shared: SharedOptions, own: CommandOptions) -> None:
        values = {each: getattr(shared, each) for each in sorted(OF_A_STEP)}
        take(Step(own, {each: value for each, value in values.items() if value is not None}))

    app.command(name, help=COMMANDS[name].__doc__)(step)
    return typer.main.get_command(app)


def _refused(error: Any, name: str, arguments: Sequence[str], number: int) -> UsageError:
    """Return what the parser complains of, in the words of a run."""
    place = f"step {number} ({name})"
    option = str(getattr(error, "option_name", "") or "")
    if option in shared_spellings():
        return UsageError(
            f"{place}: {option} applies to the whole run", f"give it behind the photos, once, not to {name}"
        )
    if "unexpected extra argument" in error.format_message():
        stray = _stray(error.format_message())
        return UsageError(
            f"{place}: {stray} is no option", "photos are named behind the steps, outside the quotes"
        )
    refused = from_parser(error, arguments)
    hint = f"restore {name} --help" if refused.hint == "restore --help" else refused.hint
    return UsageError(f"{place}: {refused.message}", hint)


def _stray(message: str) -> str:
    found = re.search(r"\(([^()]*)\)\.?$", message.strip())
    return found[1] if found else "a word"


@cache
def shared_spellings() -> frozenset[str]:
    """Return how the options that only a whole run can have are written, such as "-o"."""
    app = typer.Typer(add_completion=False)

    @with_options(SharedOptions, without=OF_A_STEP)
    def shared(_shared: SharedOptions) -> None: ...

    app.command()(shared)
    command = typer.main.get_command(app)
    return frozenset(name for each in command.params for name in (*each.opts, *each.secondary_opts))
