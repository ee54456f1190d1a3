"""Messages for people: wrapped at words on a terminal, whole elsewhere."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

_NARROWEST = 24  # columns of text; below that a terminal wraps by itself
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\ufffd")


def printable(text: str) -> str:
    """Return ``text`` without what steers a terminal: the names of files may hold anything."""
    return text.translate(_CONTROLS)


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
    lines = wrapped(console, text, len(label))
    return Text.assemble((label, style), ("\n" + " " * len(label)).join(lines))
