"""Markdown that fits the terminal, or 80 columns in a pipe: tables go on below, prose is wrapped."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"[-+–−\d]|$")
"""What the cells of a column of numbers begin with."""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        titles: of the columns.
        rows: cells as texts.
        keys: how many columns tell rows apart; they stand first, in every part of a table that is continued.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: int = 1

    def markdown(self, columns: int | None = None) -> str:
        """Return it as Markdown, columns that are empty all the way left out.

        Args:
            columns: most characters of a line; None for those of the terminal. Where the table is wider, its
                other columns follow in further tables. One column beside the keys always stands, however
                wide.
        """
        used = [i for i in range(len(self.titles)) if any(row[i] not in ("", "–") for row in self.rows)]
        cells = {
            i: _column(self.titles[i], [row[i] for row in self.rows], right=i >= self.keys) for i in used
        }
        keys = [i for i in used if i < self.keys]
        parts = _parts(cells, keys, terminal_columns() if columns is None else columns)
        return "\n\n".join(_lines([cells[i] for i in part]) for part in parts)

    def fits(self) -> bool:
        """Whether it needs no second part."""
        return "\n\n" not in self.markdown()


def wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Give lines no longer than the terminal's; tables and single words stay whole."""
    columns = terminal_columns()
    for text in lines:
        for line in text.split("\n"):
            if line.startswith("|") or len(line) <= columns:
                yield line
            else:
                yield from textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False)


def terminal_columns() -> int:
    """Return the columns of the terminal, or ``COLUMNS``; 80 in a pipe."""
    return shutil.get_terminal_size((80, 24)).columns


def _column(title: str, cells: Sequence[str], *, right: bool) -> list[str]:
    """Return a column's lines, equally wide: title, rule and cells; numbers to the `right` if they may."""
    numbers = right and all(NUMBER.match(cell) for cell in cells)
    width = max(3, *(len(text) for text in (title, *cells)))
    lines = [text.rjust(width) if numbers else text.ljust(width) for text in (title, *cells)]
    return [lines[0], "-" * (width - numbers) + ":" * numbers, *lines[1:]]


def _parts(cells: dict[int, list[str]], keys: Sequence[int], columns: int) -> list[list[int]]:
    """Return which columns stand side by side."""
    parts: list[list[int]] = []
    taken = columns + 1
    for i in cells:
        if i in keys:
            continue
        width = len(cells[i][0]) + 3
        if taken + width > columns:
            parts.append(list(keys))
            taken = 1 + sum(len(cells[key][0]) + 3 for key in keys)
        parts[-1].append(i)
        taken += width
    return parts or [list(keys)]


def _lines(columns: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True))
