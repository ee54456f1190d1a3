"""What the check says: Markdown for people, JSON lines for tables of the documentation, each line at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Value = str | int | float | bool | None


class Told:
    """The report and the file of JSON lines beside it; both are added to, and never held open.

    Args:
        report: the Markdown file.
        rows: the file of JSON lines.
    """

    def __init__(self, report: Path, rows: Path) -> None:
        self.report, self.rows = report, rows
        self.part = ""
        self._columns: tuple[str, ...] = ()

    def head(self, text: str) -> None:
        """Write the title."""
        self._markdown(text)
        self._json({"title": text})

    def begin(self, part: str, title: str) -> None:
        """Begin a part."""
        self.part, self._columns = part, ()
        self._json({"event": "begun", "at": time.time()})
        self._markdown(f"\n## {title}\n")

    def end(self, seconds: float) -> None:
        """End the part."""
        self._json({"event": "done", "seconds": round(seconds, 2)})
        self._markdown(f"\n({seconds:.1f} s)")

    def row(self, **cells: Value) -> None:
        """Add a row; a table begins wherever the columns are others than before."""
        columns = tuple(cells)
        if columns != self._columns:
            titles = " | ".join(column.replace("_", " ") for column in columns)
            self._markdown(f"\n| {titles} |\n|{'---|' * len(columns)}")
            self._columns = columns
        self._markdown(f"| {' | '.join(map(shown, cells.values()))} |")
        self._json(cells)

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self._columns = ()
        self._markdown(f"\n{text}")
        self._json({"said": text})

    def number(self, **cells: Value) -> None:
        """Add a line to the JSON lines alone."""
        self._json(cells)

    def item(self, name: str) -> None:
        """Note that an item of the part begins, for a process that has to go on from there."""
        self._json({"event": "item", "item": name})

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the file of JSON lines holds until now; a line that was cut off is left out."""
        if not self.rows.exists():
            return
        for line in self.rows.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _markdown(self, text: str) -> None:
        print(text, flush=True)
        with self.report.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")

    def _json(self, cells: Mapping[str, Any]) -> None:
        with self.rows.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps({'part': self.part, **cells}, ensure_ascii=False)}\n")


def shown(value: Value) -> str:
    """Return a cell as people read it: three digits of a fraction, "–" for what is not there."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
