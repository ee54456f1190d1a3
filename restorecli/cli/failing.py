"""What ends a run, said in one way: ``error:`` and ``hint:``, an exit code, and an event for scripts."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from restorecli.configuration.files import Entry
from restorecli.errors import ExitCode, RestoreError, UsageError, did_you_mean
from restorecli.report.events import RunError
from restorecli.report.jsonl import as_line


def tell(error: RestoreError, arguments: Sequence[str]) -> ExitCode:
    """Say what ended the run, for people on standard error, for scripts as an event too.

    Args:
        error: what it was.
        arguments: the command line, without the program.

    Returns:
        The exit code.
    """
    if wants_json(arguments):
        sys.stdout.write(as_line(RunError(error.code, error.message, error.hint).fields()))
        sys.stdout.flush()
    from rich.console import Console

    from restorecli.report.words import labelled

    console = Console(stderr=True, highlight=False)
    for label, style, text in (("error: ", "red", error.message), ("hint: ", "cyan", error.hint)):
        if text:
            console.print(labelled(console, label, text, style), soft_wrap=True)
    if "-vv" in arguments:
        traceback.print_exception(error)
    return error.exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether JSON was asked for; found before the options are parsed, which may be what fails."""
    options = list(arguments[: arguments.index("--")]) if "--" in arguments else arguments
    return "--json" in options or os.environ.get("RESTORE_JSON", "").lower() in (
        "1",
        "true",
        "yes",
        "on",
        "t",
        "y",
    )


def from_parser(error: Any, arguments: Sequence[str]) -> UsageError:
    """Return what the parser of the command line complains of as an error of ours.

    Args:
        error: a usage error of Typer's parser.
        arguments: the command line, without the program.
    """
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "restore"
    help_hint = f"{command} --help"
    if (option := getattr(error, "option_name", None)) and type(error).__name__ == "NoSuchOption":
        known = [name for each in context.command.params for name in _spellings(each)]
        return UsageError(f"{command} has no option {option}", did_you_mean(option, known) or help_hint)
    if missing := re.search(r"No such command '(.*?)'", error.format_message()):
        known = context.command.list_commands(context) if context is not None else []
        return UsageError(
            f"{command} has no command {missing[1]}", did_you_mean(missing[1], known) or help_hint
        )
    if type(error).__name__ == "BadOptionUsage" and "requires an argument" in error.format_message():
        return UsageError(f"{error.option_name} needs a value", help_hint)
    parameter = getattr(error, "param", None)
    if type(error).__name__ == "MissingParameter" and parameter is not None:
        return UsageError(f"{parameter.metavar or parameter.name.upper()} is missing", help_hint)
    if parameter is not None:
        return UsageError(refused_value(error, parameter, _given(parameter, context, arguments)), help_hint)
    return UsageError(_lowered(error.format_message()), help_hint)


def refused_value(error: Any, parameter: Any, given: str) -> str:
    """Return why a value was refused; the parser's own words are about types, not about options."""
    reason = str(error.message)
    if re.search(r"valid (integer|int)", reason):
        return f"{given} is not a whole number"
    if re.search(r"valid (number|float)", reason):
        return f"{given} is not a number"
    if "valid bool" in reason:
        return f"{given} is neither yes (1, true) nor no (0, false)"
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if re.search(r"greater than|less than|not in the range", reason):
        found = re.search(r"(greater|less) than or equal to (\S+)", reason)
        if found:
            return f"{given} is {'below' if found[1] == 'greater' else 'above'} {found[2]}"
        return f"{given} is not between {least} and {most}"
    return f"{given}: {_lowered(reason)}"


def _lowered(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _spellings(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _given(parameter: Any, context: Any, arguments: Sequence[str]) -> str:
    """Return an option with its value as it was given: "-x two", or "RESTORE_SCALE=two"."""
    if _from_environment(parameter, context):
        return f"{parameter.envvar}={os.environ.get(parameter.envvar, '')}"
    names = sorted(_spellings(parameter), key=len, reverse=True)
    for at, word in enumerate(arguments):
        for name in names:
            if word == name and at + 1 < len(arguments):
                return f"{name} {arguments[at + 1]}"
            if word.startswith(f"{name}=") or (len(name) == 2 and word.startswith(name) and word[1:2] != "-"):
                return word
    return names[0] if names else str(parameter.name)


def _from_environment(parameter: Any, context: Any) -> bool:
    if context is None or not isinstance(getattr(parameter, "envvar", None), str):
        return False
    return _source(parameter.name, context) == "ENVIRONMENT"


def _source(name: str, context: Any) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else str(source.name)


def is_typed(name: str, context: Any) -> bool:
    """Whether the parameter ``name`` stands on the command line, and be it as an empty word."""
    return _source(name, context) == "COMMANDLINE"


def as_given(error: RestoreError, context: Any, entries: Mapping[str, Entry]) -> RestoreError:
    """Return ``error`` with options that a variable or a file has set called by these.

    Args:
        error: what a command raised.
        context: Typer's context of the command.
        entries: options that a file has set.
    """
    for parameter in context.command.params:
        if _from_environment(parameter, context):
            variable, value = parameter.envvar, os.environ.get(parameter.envvar, "")
            error.message = _renamed(error.message, parameter, value, variable, f"{variable}={value}")
        elif (entry := entries.get(parameter.name)) is not None:
            value = f"{entry.value:g}" if isinstance(entry.value, float) else str(entry.value)
            error.message = _renamed(error.message, parameter, value, entry.place, entry.told)
    return error


def _renamed(message: str, parameter: Any, value: str, origin: str, whole: str) -> str:
    """Return a message with an option replaced by where its value comes from, and the value."""
    for name in sorted(parameter.opts, key=len, reverse=True):
        pattern = rf"(?<![\w-]){re.escape(name)}(?: {re.escape(value)})?(?![\w-])"
        message, count = re.subn(pattern, lambda _: whole, message)
        if count:
            return message
    known = re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", message) if len(value) > 1 else None
    return f"{message} ({origin})" if known else message


def refuse_nothing(context: Any) -> None:
    """End a command without input: the bare one with its help.

    Raises:
        UsageError: options were given.
        typer.Exit: the help was shown.
    """
    options = [each for each in context.command.params if each.param_type_name == "option"]
    if any(is_typed(option.name, context) for option in options):
        hint = f"add some, or --files-from LIST; {context.command_path} --help"
        raise UsageError("no files or folders are named", hint)
    typer.echo(context.get_help(), err=True)
    raise typer.Exit(ExitCode.USAGE)
