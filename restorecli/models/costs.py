"""What the catalogue's networks cost, read from a table beside it: counting them takes torch and seconds.

`models.cost` counts; `python -m benchmarks.costs` writes the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from restorecli.models.registry import ModelEntry, package_data

FILE = "costs.json"


@dataclass(frozen=True)
class Cost:
    """What a network of one shape costs and wants, counted on the network itself.

    Attributes:
        models: names of the entries of that shape.
        parameters: learned values.
        gmac_per_megapixel: billions of multiply-adds per million input pixels.
        side_multiple: sides are padded to it.
        tile_overlap: pixels that neighbouring tiles share.
        value_range: the network's own.
        precisions: those it runs in; parts that stay in float32 are named.
    """

    models: tuple[str, ...]
    parameters: int
    gmac_per_megapixel: float
    side_multiple: int
    tile_overlap: int
    value_range: float
    precisions: str


@cache
def known_costs() -> tuple[Cost, ...]:
    """Return the whole table, one row per shape and task."""
    rows = json.loads((package_data("registry") / FILE).read_text(encoding="utf-8"))
    return tuple(Cost(**{**row, "models": tuple(row["models"])}) for row in rows)


def costs_of(entries: Iterable[ModelEntry]) -> list[Cost]:
    """Return the rows of ``entries``, each naming those it is about; networks of spandrel have none."""
    names = {entry.name for entry in entries}
    rows = [replace(row, models=tuple(name for name in row.models if name in names)) for row in known_costs()]
    return [row for row in rows if row.models]


def alike(entries: Iterable[ModelEntry]) -> list[Sequence[ModelEntry]]:
    """Group entries whose networks are of one shape and task, in the catalogue's order."""
    groups: dict[tuple[object, ...], list[ModelEntry]] = {}
    for entry in entries:
        settings = repr(sorted(entry.settings.items()))
        shape = (entry.network, entry.size, entry.parameters, entry.task, settings)
        groups.setdefault(shape, []).append(entry)
    return list(groups.values())
