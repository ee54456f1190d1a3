"""What ``restore bench`` prints and writes: Markdown to paste, JSON, CSV; messages on standard error."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from restorecli.cli.bench.layout import wrapped
from restorecli.cli.bench.options import BenchOptions
from restorecli.errors import WriteError

FORMAT = 1
"""Version of the JSON document; a field that changes its meaning raises it."""


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
        lines: the text for people, Markdown; what is no table is wrapped.
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
        sys.stdout.write("\n".join(wrapped(lines)) + "\n")


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


def _cell(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return "" if value is None else value
