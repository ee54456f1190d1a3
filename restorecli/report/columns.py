"""Columns for people: one line per row; on a narrow terminal the least important columns are left out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from restorecli.report.words import printable

GAP = 2


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        weight: the columns of the highest weight are left out first; those of 0 never.
        right: whether its texts end at its right edge.
    """

    title: str
    weight: int = 0
    right: bool = False


def lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the heading and the rows, each a line.

    Args:
        columns: of the table.
        rows: a text per column.
        width: of the terminal; None where there is none: nothing is left out then.

    Returns:
        Lines of at most ``width`` columns, as long as the columns of weight 0 fit; what was left out stands
        in the last one. Columns that are empty in every row are never shown.
    """
    rows = [[printable(text) for text in row] for row in rows]
    shown = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    missing = []
    while width is not None and _width(columns, rows, shown) > width:
        least = max(shown, key=lambda index: (columns[index].weight, index))
        if columns[least].weight == 0:
            break
        shown.remove(least)
        missing.append(columns[least].title)
    made = [_line([columns[index].title for index in shown], columns, rows, shown)]
    made += [_line([row[index] for index in shown], columns, rows, shown) for row in rows]
    if missing:
        made += ["", f"not shown for want of room: {', '.join(reversed(missing))}"]
    return made


def terminal_width(is_terminal: bool) -> int | None:
    """Return the width to give to `lines`: the terminal's, or none."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal else None


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> list[int]:
    return [max(map(len, (columns[index].title, *(row[index] for row in rows)))) for index in shown]


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    return sum(_widths(columns, rows, shown)) + GAP * (len(shown) - 1)


def _line(
    cells: Sequence[str], columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]
) -> str:
    widths = _widths(columns, rows, shown)
    aligned = (
        cell.rjust(size) if columns[index].right else cell.ljust(size)
        for cell, index, size in zip(cells, shown, widths, strict=True)
    )
    return (" " * GAP).join(aligned).rstrip()
