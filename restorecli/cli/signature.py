"""Command functions whose parameters are the fields of dataclasses of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from restorecli.cli.config.apply import configured
from restorecli.cli.failing import as_given, is_typed, refuse_nothing
from restorecli.configuration.files import Entry
from restorecli.configuration.sources import Sources
from restorecli.errors import RestoreError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def with_options(
    *kinds: type[DataclassInstance],
    needs: Sequence[str] = (),
    without: Collection[str] = (),
    table: str = "",
    sources: Sources | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command every field of ``kinds`` as an option.

    The command is called with one object of each kind. In its help, the first field of the first kind (the
    inputs) comes first, then the other kinds, then the rest of the first.

    Args:
        kinds: dataclasses whose fields are annotated as Typer wants them, all with defaults.
        needs: fields one of which must be given; the bare command shows its help.
        without: fields that the command has no option for; they keep their defaults.
        table: of files of defaults, which are read for what is not given; "" for none.
        sources: these files; None to find them.
    """
    first, *others = (each for each in _parameters(kinds[0]) if each.name not in without)
    more = (parameter for kind in kinds[1:] for parameter in _parameters(kind))
    own = [parameter for parameter in more if parameter.name not in without]
    arranged = [first, *own, *others]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(context: typer.Context, **values: Any) -> None:
            there = {name: value for name in needs if (value := values[name]) is not None}
            if needs and not any(value or is_typed(name, context) for name, value in there.items()):
                refuse_nothing(context)
            entries: Mapping[str, Entry] = {}
            try:
                if table:
                    whole = configured(table, context, values, sources)
                    values, entries = whole.values, whole.entries
                command(*(_made(kind, values) for kind in kinds))
            except RestoreError as error:
                raise as_given(error, context, entries) from error.__cause__

        keyword = inspect.Parameter.KEYWORD_ONLY
        whole = [inspect.Parameter("context", keyword, annotation=typer.Context), *arranged]
        wrapper.__signature__ = inspect.Signature(whole)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in whole}
        return wrapper

    return decorate


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


@functools.cache
def _parameters(kind: type[DataclassInstance]) -> tuple[inspect.Parameter, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=None if field.default is MISSING else field.default,
        )
        for field in fields(kind)
    )
