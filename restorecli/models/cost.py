"""What a network costs and wants, counted on the network itself, without its weights."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from restorecli.errors import CheckpointError
from restorecli.models.cache import entry_path
from restorecli.models.convert import native_metadata
from restorecli.models.detect import parameter_count
from restorecli.models.registry import ModelEntry
from restorecli.networks import NETWORKS, layout
from restorecli.networks.network import Network

SIDE = 96  # pixels of the counted input, rounded up to the network's multiple


def skeleton(entry: ModelEntry, device: str = "meta") -> Network:
    """Build the entry's network without its weights; on the meta device it takes neither memory nor time.

    Raises:
        CheckpointError: it is not one of our networks, or the catalogue does not tell enough.
    """
    if entry.network not in NETWORKS:
        raise CheckpointError(f"{entry.name} is run by spandrel, which tells its shape only from the file")
    plan = layout(entry.network)
    spelling = dict(plan.aliases)
    told = {**entry.settings, **entry.shape}
    if entry.ships and (native := native_metadata(entry_path(entry))) is not None:
        told = {**told, **native[1]}
    try:
        with torch.device(device):
            return plan.make(**{spelling.get(name, name): value for name, value in told.items()}).eval()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{entry.name} cannot be built: {error}") from error


def gmac_per_megapixel(entry: ModelEntry, *, may_run: bool = True) -> float | None:
    """Count the multiply-adds of products and convolutions, in billions per million input pixels.

    Counted on a square input of about `SIDE` pixels; attention to the whole input costs more per pixel the
    larger that is. Where possible no arithmetic is done (fake tensors).

    Args:
        entry: whose network to count.
        may_run: whether a network whose steps depend on values may really be run (seconds).

    Returns:
        None where it would have to run and must not.

    Raises:
        CheckpointError: see `skeleton`.
    """
    multiple = skeleton(entry).side_multiple
    side = -(-SIDE // multiple) * multiple
    try:
        with warnings.catch_warnings(), FakeTensorMode():
            warnings.simplefilter("ignore")  # fake tensors have no addresses, and say so
            flops = _flops(skeleton(entry, "cpu"), side)
    except (RuntimeError, NotImplementedError):
        if not may_run:
            return None
        flops = _flops(skeleton(entry, "cpu"), side)
    return flops / 2e9 / (side * side / 1e6)


def _flops(network: Network, side: int) -> int:
    counter = FlopCounterMode(display=False)
    x = torch.zeros(1, network.in_channels, side, side)
    with torch.no_grad():
        network(x)  # what is made once for many tiles is not a tile's cost
        with counter:
            network(x)
    return int(counter.get_total_flops())


def cost_of(entry: ModelEntry, *, may_run: bool = True) -> dict[str, Any]:
    """Return parameters, multiply-adds and sizes of the entry's network.

    Raises:
        CheckpointError: see `skeleton`.
    """
    network = skeleton(entry)
    kept = ", ".join(network.half_unsafe)
    return {
        "parameters": parameter_count(network),
        "gmac_per_megapixel": entry.gmac or gmac_per_megapixel(entry, may_run=may_run),
        "side_multiple": network.side_multiple,
        "tile_overlap": entry.tile_overlap or network.tile_overlap,
        "value_range": network.value_range,
        "precisions": "fp32, bf16, fp16" + (f" ({kept} in fp32)" if kept else ""),
    }
