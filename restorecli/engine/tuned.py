"""What `restore bench --sweep … --tune` found best here, kept beside the engine's own measurements."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from restorecli.engine.cache import recall, remember
from restorecli.engine.device import describe
from restorecli.engine.facts import Facts
from restorecli.engine.precision import device_key

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
REASON = "tuned by restore bench"


@dataclass(frozen=True)
class Tuned:
    """Settings to take where the user leaves the choice; None where nothing was tuned.

    Attributes:
        tile: side of a tile in input pixels; 0 for the whole image.
        batch: tiles per pass.
    """

    tile: int | None = None
    batch: int | None = None


def recall_tuned(facts: Facts, device: torch.device, precision: str) -> Tuned:
    """Return what was tuned for networks of this shape on ``device`` in ``precision``."""
    known = recall(_key(facts, device, precision)) or {}
    return Tuned(_whole(known.get("tile"), 0), _whole(known.get("batch"), 1))


def remember_tuned(
    facts: Facts, device: torch.device, precision: str, *, tile: int | None = None, batch: int | None = None
) -> None:
    """Keep a tile or a batch for later runs; what is None stays as it was."""
    before = recall_tuned(facts, device, precision)
    kept = {"tile": before.tile if tile is None else tile, "batch": before.batch if batch is None else batch}
    remember(_key(facts, device, precision), kept)


def recall_batch(facts: Facts, device: torch.device, precision: str, tile: int) -> int | None:
    """Return the tiles of side ``tile`` per pass that a run found to fit, where more did not; else None."""
    return _whole((recall(_batch_key(facts, device, precision, tile)) or {}).get("batch"), 1)


def remember_batch(facts: Facts, device: torch.device, precision: str, tile: int, batch: int) -> None:
    """Keep that ``batch`` tiles fit in a pass and more do not."""
    remember(_batch_key(facts, device, precision, tile), {"batch": batch})


def use_tuned_threads(devices: Iterable[torch.device]) -> None:
    """Set torch's CPU threads as tuned, where a CPU is used and the environment does not say otherwise."""
    for device in devices:
        if device.type == "cpu" and not any(name in os.environ for name in THREAD_VARIABLES):
            threads = _whole((recall(_threads_key(device)) or {}).get("threads"), 1)
            if threads is not None:
                torch.set_num_threads(threads)


def remember_threads(device: torch.device, threads: int) -> None:
    """Keep a number of CPU threads for later runs."""
    remember(_threads_key(device), {"threads": threads})


def _key(facts: Facts, device: torch.device, precision: str) -> str:
    return "|".join(["tuned", facts.identity, precision, device_key(device)])


def _batch_key(facts: Facts, device: torch.device, precision: str, tile: int) -> str:
    return "|".join(["fitting batch", facts.identity, precision, str(tile), device_key(device)])


def _threads_key(device: torch.device) -> str:
    return f"threads|{describe(device)}"


def _whole(value: object, least: int) -> int | None:
    """Return a whole number of the cache file, None for anything else: people may edit it."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None
