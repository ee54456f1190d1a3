"""The weights that a request leads to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restorecli.models.registry import ModelEntry

SPANDREL = "pip install 'restorecli[spandrel]'"


@dataclass(frozen=True)
class Resolved:
    """The weights to use, found.

    Attributes:
        network: one of `networks.NETWORKS`, or "spandrel".
        variant: "light", "paper", another name of the catalogue, or "file" (`--weights`).
        name: the entry's name, or the file's.
        entry: None for a file the catalogue does not know.
        path: what `load.load` reads; None only where nothing was to be fetched and nothing is there.
        settings: what the tensors' shapes do not determine.
        digest: sha256 of the file the weights come from; empty where it is not there yet.
        level: the level the weights were trained for, where they have one.
        notes: to be shown once.
        warnings: to be shown and recorded: other weights are used than were asked for.
    """

    network: str
    variant: str
    name: str
    entry: ModelEntry | None
    path: Path | None
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    digest: str = ""
    level: float | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
