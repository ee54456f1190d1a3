"""Two measurements of the same networks side by side: ratios of medians, with confidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restorecli.errors import UsageError

SAME = ("task", "name", "scale", "width", "height", "batch", "precision", "self_ensemble", "compiled")
"""What two rows must agree in to be compared; machine, device, threads and versions may differ."""

RESAMPLES = 5000
COVERAGE = 0.95


@dataclass(frozen=True)
class Ratio:
    """One network at one size, before and after.

    Attributes:
        row: the first file's row.
        before, after: medians in seconds.
        ratio: before ÷ after, so that above 1 the second is faster.
        low, high: the ratio's 95 % interval.
    """

    row: Mapping[str, Any]
    before: float
    after: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval says."""
        if self.low > 1:
            return "faster"
        return "slower" if self.high < 1 else "no clear difference"


def compare(first: Path, second: Path) -> tuple[list[Ratio], list[str]]:
    """Compare two files of ``restore bench --json``.

    Returns:
        The ratios of rows in both, and the names of rows in one alone.

    Raises:
        UsageError: a file is not one of those, or they have no row in common.
    """
    rows = [{_key(row): row for row in read_rows(path)} for path in (first, second)]
    common = [key for key in rows[0] if key in rows[1]]
    if not common:
        raise UsageError(
            f"{first} and {second} have no measurement in common", "measure the same models and sizes"
        )
    alone = [_name(rows[index][key]) for index in (0, 1) for key in rows[index] if key not in common]
    return [_ratio(rows[0][key], rows[1][key]) for key in common], alone


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of ``restore bench --json``.

    Raises:
        UsageError: it is not one.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [row for row in document["rows"] if _key(row) and row["seconds"]]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} holds no run times of restore bench", "make one with: restore bench --json > FILE"
        ) from error
    return rows


def ratio_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of median(before) ÷ median(after).

    The percentile bootstrap (Efron, Bootstrap Methods, Annals of Statistics 1979): both lists are drawn from
    with replacement `RESAMPLES` times, from a fixed seed. It covers how the passes of one run differ, not how
    runs on another day would.
    """
    generator = np.random.default_rng(0)
    medians = [
        np.median(generator.choice(np.asarray(seconds), (RESAMPLES, len(seconds))), axis=1)
        for seconds in (before, after)
    ]
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(medians[0] / medians[1], (tail, 1 - tail))
    return float(low), float(high)


def _ratio(first: Mapping[str, Any], second: Mapping[str, Any]) -> Ratio:
    before, after = (float(np.median(row["seconds"])) for row in (first, second))
    low, high = ratio_interval(first["seconds"], second["seconds"])
    return Ratio(first, before, after, before / after, low, high)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in SAME)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['name']} {row['width']}×{row['height']} {row['precision']}"
