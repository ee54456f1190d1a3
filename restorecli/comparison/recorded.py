"""What the run records of folders tell of results: what they were made from, and what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restorecli.photos.records import Records
from restorecli.photos.stores.lines import FILE_NAME

Details = Mapping[str, str | float]


class Recorded:
    """The records of folders, each read once."""

    def __init__(self) -> None:
        self._records = Records()
        self._details: dict[Path, dict[str, Details]] = {}

    def source_of(self, result: Path) -> str | None:
        """Return the real path of what ``result`` was made from; None where that is not recorded."""
        real = self._records.source_of(result)
        return None if real is None else os.path.join(*real)  # noqa: PTH118 - compared as text

    def details_of(self, result: Path) -> Details:
        """Return what was found in a photo and chosen for it; empty where ``result`` is not recorded."""
        if self._records.source_of(result) is None:
            return {}
        if result.parent not in self._details:
            self._details[result.parent] = _read(result.parent / FILE_NAME)
        return self._details[result.parent].get(result.name, {})


def _read(path: Path) -> dict[str, Details]:
    """Return the details of each result by its name, those of its last line."""
    found: dict[str, Details] = {}
    with path.open("rb") as stream:
        for row in stream:
            line = _line(row)
            details = line.get("details")
            if isinstance(details, dict):
                found[str(line.get("output"))] = details
    return found


def _line(row: bytes) -> dict[str, Any]:
    """Return a line; empty where it was cut short."""
    try:
        line = json.loads(row.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}
