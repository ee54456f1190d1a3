"""Messages for people: wrapped at words on a terminal, whole elsewhere."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # help is shown without it
    from rich.console import Console
    from rich.text import Text

_NARROWEST = 24  # columns of text; below that a terminal wraps by itself
TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of what stands behind them: a name must not rearrange what is around it."""
_STEERING = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160), *map(ord, TURNING)), "\ufffd")


def printable(text: str) -> str:
    """Return ``text`` without what steers a terminal or begins a line: names of files may hold anything."""
    return text.translate(_STEERING)


def wrapped(console: Console, text: str, indent: int = 0) -> list[str]:
    """Return ``text`` in lines that fit behind ``indent`` columns; one line where it is no terminal.

    Words are never broken: a long path stays whole, so that it can be copied.
    """
    text = printable(text)
    room = console.width - indent
    if not console.is_terminal or room < _NARROWEST:
        return [text]
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def labelled(console: Console, label: str, text: str, style: str = "") -> Text:
    """Return a message: a coloured label in front, further lines indented below the first."""
    from rich.text import Text

    lines = wrapped(console, text, len(label))
    return Text.assemble((label, style), ("\n" + " " * len(label)).join(lines))
