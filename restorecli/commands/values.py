"""The values of options that are given as text."""

from __future__ import annotations

from collections.abc import Sequence

from restorecli.errors import UsageError, unknown_value


def one_of(value: str, name: str, known: Sequence[str]) -> None:
    """Refuse a ``value`` of the option ``name`` that is none of the ``known`` ones.

    Raises:
        UsageError: it is not known.
    """
    if value not in known:
        raise unknown_value(name, value, known)


def number(text: str, name: str) -> int | None:
    """Return the number of an ``auto|N`` option, None for auto.

    Raises:
        UsageError: it is neither.
    """
    if text == "auto":
        return None
    if not text.isdecimal():
        raise UsageError(f"{name} {text} is neither auto nor a number")
    return int(text)


def level(text: str, name: str, least: float, most: float) -> float | None:
    """Return the value of an ``auto|N`` option that may have decimals, None for auto.

    Raises:
        UsageError: it is neither, or not between ``least`` and ``most``.
    """
    return None if text == "auto" else between(text, name, least, most, "neither auto nor a number")


def between(text: str, name: str, least: float, most: float, otherwise: str = "no number") -> float:
    """Return the number that ``text``, given for the option ``name``, stands for.

    Raises:
        UsageError: it is ``otherwise``, or not between ``least`` and ``most``.
    """
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{name} {text} is {otherwise}") from None
    if not least <= value <= most:
        raise UsageError(f"{name} {text} is not between {least:g} and {most:g}")
    return value
