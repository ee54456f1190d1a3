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
from restorecli.models.registry import ModelEntry, package_data

FILE = "tiling.json"


@dataclass(frozen=True)
class Tiling:
    """What is known of one file of weights.

    Attributes:
        sha256: of the file that was measured.
        overlap: pixels that neighbouring tiles share: the fewest that hardly add to what tiles change anyway;
            None where that was not measured.
        paces: by precision, the time per pixel of tiles of several sizes on a CPU; only up to the side beyond
            which results get worse: some attention is at its best in tiles such as it was trained on.
    """

    sha256: str
    overlap: int | None
    paces: Mapping[str, Pace]


@cache
def _table() -> Mapping[str, Tiling]:
    rows = json.loads((package_data("registry") / FILE).read_text(encoding="utf-8"))
    return {
        name: Tiling(row["sha256"], row["overlap"], _paces(row["microseconds"], row.get("largest")))
        for name, row in rows.items()
    }


def tiling(entry: ModelEntry) -> Tiling | None:
    """Return what is known of a file of the catalogue; None where it, as it is now, was not measured."""
    known = _table().get(entry.name)
    return known if known is not None and known.sha256 == entry.sha256 else None


def _paces(measured: Mapping[str, Mapping[str, float]], largest: int | None) -> dict[str, Pace]:
    return {
        precision: _up_to(Pace(tuple(map(int, times)), tuple(times.values())), largest)
        for precision, times in measured.items()
        if times
    }


def _up_to(pace: Pace, largest: int | None) -> Pace:
    """Return ``pace`` without the sides above ``largest``, which becomes the last."""
    if largest is None or largest >= pace.sides[-1]:
        return pace
    kept = [(side, time) for side, time in zip(pace.sides, pace.times, strict=True) if side < largest]
    sides, times = zip(*kept, (largest, pace.at(largest**2)), strict=True)
    return Pace(sides, times)
