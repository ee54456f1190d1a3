"""Command functions whose parameters are the fields of dataclasses of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints


def with_options(*kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command every field of ``kinds`` as an option.

    The command is called with one object of each kind. In its help, the first field of the first kind (the
    inputs) comes first, then the other kinds, then the rest of the first.

    Args:
        kinds: dataclasses whose fields are annotated as Typer wants them, all with defaults.
    """
    first, *others = _parameters(kinds[0])
    own = [parameter for kind in kinds[1:] for parameter in _parameters(kind)]
    arranged = [first, *own, *others]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            command(*(kind(**{field.name: values[field.name] for field in fields(kind)}) for kind in kinds))

        wrapper.__signature__ = inspect.Signature(arranged)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in arranged}
        return wrapper

    return decorate


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=None if field.default is MISSING else field.default,
        )
        for field in fields(kind)
    ]
