"""How fast the networks of a run are on this machine, measured when it is asked for."""

from __future__ import annotations

import torch

from restorecli.engine.run import run
from restorecli.loading import Loaded

SIDE = 256
"""At most, of a tile that is measured on a CPU, where a pixel takes as long in small tiles as in large ones.
Elsewhere it has the side that tiles have, or this one for whole images."""


def megapixels_per_second(loaded: Loaded) -> float:
    """Return the input megapixels that a network restores in a second, by one tile after one to warm up.

    Raises:
        RestoreError: the device cannot run it.
    """
    prepared = loaded.prepared
    side = prepared.tile or SIDE
    if prepared.lanes[0].device.type == "cpu":
        side = min(side, SIDE)
    tile = torch.rand(1, loaded.network.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    run(prepared, tile)
    return side * side / 1e6 / run(prepared, tile).seconds
