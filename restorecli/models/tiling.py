"""What tiles do to single files of weights: how long they take by size, how far they must overlap.

Measured by `benchmarks.tiling`, which writes the table beside the catalogue: numbers measured on each machine
would make a result's bytes depend on what else the machine did at that moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from restorecli.engine.tiles import Pace
from restorecli.models.registry import package_data

FILE = "tiling.json"


@dataclass(frozen=True)
class Tiling:
    """What is known of one file of weights.

    Attributes:
        overlap: pixels that neighbouring tiles share: the fewest that hardly add to what tiles change anyway.
        paces: by precision, the time per pixel of tiles of several sizes on a CPU.
    """

    overlap: int
    paces: Mapping[str, Pace]


@cache
def _table() -> Mapping[str, Tiling]:
    rows = json.loads((package_data("registry") / FILE).read_text(encoding="utf-8"))
    return {name: Tiling(row["overlap"], _paces(row["microseconds"])) for name, row in rows.items()}


def tiling(name: str) -> Tiling | None:
    """Return what is known of the catalogue's entry ``name``; None where nothing was measured."""
    return _table().get(name)


def _paces(measured: Mapping[str, Mapping[str, float]]) -> dict[str, Pace]:
    return {
        precision: Pace(tuple(map(int, times)), tuple(times.values()))
        for precision, times in measured.items()
    }
