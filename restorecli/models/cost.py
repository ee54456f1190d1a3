"""What a network costs and wants, counted on the network itself, without its weights."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from restorecli.errors import CheckpointError, RestoreError
from restorecli.models.cache import entry_path
from restorecli.models.convert import native_metadata
from restorecli.models.detect import parameter_count
from restorecli.models.registry import ModelEntry
from restorecli.networks import NETWORKS, layout
from restorecli.networks.network import Network

SIDE = 288  # pixels of the counted input: a multiple of every window and stripe, so nothing is padding


def skeleton(entry: ModelEntry) -> Network:
    """Build the entry's network on the meta device: shapes without memory or values.

    Raises:
        CheckpointError: it is not one of our networks, or the catalogue does not tell enough.
    """
    if entry.network not in NETWORKS:
        raise CheckpointError(f"{entry.name} is run by spandrel, which tells its shape only from the file")
    plan = layout(entry.network)
    spelling = dict(plan.aliases)
    told = {**entry.settings, **entry.shape}
    if entry.ships and (native := native_metadata(entry_path(entry))) is not None:
        told = {**native[1], **told}
    try:
        with torch.device("meta"):
            return plan.build(**{spelling.get(name, name): value for name, value in told.items()}).eval()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{entry.name} cannot be built: {error}") from error


def gmac_per_megapixel(network: Network, side: int = SIDE) -> float | None:
    """Count the multiply-adds of products and convolutions, in billions per million input pixels.

    Attention that looks at the whole input costs more per pixel the larger it is; ``side`` is the input's.

    Args:
        network: on the meta device.
        side: of the square input, in pixels.

    Returns:
        None where the network's steps depend on values, which a network without weights has not.
    """
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), torch.device("meta"), counter:
            network(torch.empty(1, network.in_channels, side, side))
    except (RuntimeError, NotImplementedError, RestoreError, ValueError):
        return None
    return counter.get_total_flops() / 2e9 / (side * side / 1e6)


def cost_of(entry: ModelEntry) -> dict[str, Any]:
    """Return parameters, multiply-adds and sizes of the entry's network.

    Raises:
        CheckpointError: see `skeleton`.
    """
    network = skeleton(entry)
    kept = ", ".join(network.half_unsafe)
    return {
        "parameters": parameter_count(network),
        "gmac_per_megapixel": gmac_per_megapixel(network),
        "side_multiple": network.side_multiple,
        "tile_overlap": entry.tile_overlap or network.tile_overlap,
        "value_range": network.value_range,
        "precisions": "fp32, bf16, fp16" + (f" ({kept} in fp32)" if kept else ""),
    }
