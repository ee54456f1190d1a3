"""What ``restore bench`` prints and writes: Markdown to paste, JSON, CSV; messages on standard error."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorecli.cli.bench.options import BenchOptions
from restorecli.errors import UsageError, WriteError

FORMAT = 1
"""Version of the JSON document; a field that changes its meaning raises it."""


@dataclass(frozen=True)
class Table:
    """A table for people: titles, and cells as texts."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it as a Markdown table, columns that are empty all the way left out."""
        used = [i for i in range(len(self.titles)) if any(row[i] not in ("", "–") for row in self.rows)]
        lines = [[self.titles[i] for i in used], ["---"] * len(used)]
        lines += [[row[i] for i in used] for row in self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def say(options: BenchOptions, text: str) -> None:
    """Print a message to standard error, unless --quiet."""
    if not options.quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def show(
    options: BenchOptions,
    kind: str,
    lines: Iterable[str],
    records: Sequence[Mapping[str, Any]],
    **more: Any,
) -> None:
    """Print a measurement and write its CSV.

    Args:
        options: what was asked.
        kind: "times", "sweep", "quality", …
        lines: the text for people, Markdown.
        records: the rows for machines.
        more: further parts of the JSON document, such as ``machine``.

    Raises:
        WriteError: the CSV file cannot be written.
    """
    if options.csv is not None:
        write_csv(options.csv, records)
    if options.as_json:
        document = {"restore_bench": FORMAT, "kind": kind, **more, "rows": list(records)}
        sys.stdout.write(json.dumps(finite(document), ensure_ascii=False, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as CSV: one line each, lists joined by spaces, None empty.

    Raises:
        WriteError: the file cannot be written.
    """
    names = list(dict.fromkeys(name for record in records for name in record))
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            for record in records:
                writer.writerow({name: _cell(value) for name, value in record.items()})
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}") from error


def finite(value: Any) -> Any:
    """Return ``value`` with infinities and NaN, which JSON does not know, as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


def sizes(options: BenchOptions) -> list[tuple[int, int]]:
    """Return the sizes asked for as (width, height).

    Raises:
        UsageError: one is not WxH.
    """
    return [_size(text) for text in options.size or []]


def runs(options: BenchOptions) -> int | None:
    """Return the number of timed passes, None for auto.

    Raises:
        UsageError: it is neither auto nor a number from 1.
    """
    if options.runs == "auto":
        return None
    if not options.runs.isdecimal() or int(options.runs) < 1:
        raise UsageError(f"--runs {options.runs} is neither auto nor a number from 1")
    return int(options.runs)


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits that matter, "–" for None."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return "–" if value is None else f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().replace("×", "x").partition("x")
    height = height if cross else width
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise UsageError(f"--size {text} is not a size", "give width x height in pixels, such as 256x256")
    return int(width), int(height)


def _cell(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return "" if value is None else value
