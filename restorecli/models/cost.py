"""What a network costs and wants, counted on the network itself, without its weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from restorecli.errors import CheckpointError
from restorecli.models.cache import entry_path
from restorecli.models.convert import native_metadata
from restorecli.models.costs import Cost
from restorecli.models.detect import parameter_count
from restorecli.models.registry import ModelEntry
from restorecli.models.tiling import tiling
from restorecli.networks import NETWORKS, layout
from restorecli.networks.network import Network

SIDE = 96  # pixels of the counted input, rounded up to the network's multiple


def skeleton(entry: ModelEntry, device: str = "meta") -> Network:
    """Build the entry's network without its weights; on the meta device it takes neither memory nor time.

    Raises:
        CheckpointError: it is not one of our networks, or the catalogue does not state enough.
    """
    if entry.network not in NETWORKS:
        raise CheckpointError(f"{entry.name} is run by spandrel, which infers its shape only from the file")
    plan = layout(entry.network)
    spelling = dict(plan.aliases)
    arguments = {**entry.settings, **entry.shape}
    if entry.ships and (native := native_metadata(entry_path(entry))) is not None:
        arguments = {**arguments, **native[1]}
    try:
        with torch.device(device):
            return plan.make(**{spelling.get(name, name): value for name, value in arguments.items()}).eval()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{entry.name} cannot be built: {error}") from error


def gmac_per_megapixel(entry: ModelEntry) -> float:
    """Count the multiply-adds of products and convolutions, in billions per million input pixels.

    Counted on a square input of about `SIDE` pixels; attention to the whole input costs more per pixel the
    larger that is. Where possible no arithmetic is done (fake tensors); a network whose steps depend on
    values is really run (seconds).

    Raises:
        CheckpointError: see `skeleton`.
    """
    multiple = skeleton(entry).side_multiple
    side = -(-SIDE // multiple) * multiple
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fake tensors have no addresses, and say so
            with torch.backends.mkldnn.flags(enabled=False), FakeTensorMode():  # they know no oneDNN
                flops = _flops(skeleton(entry, "cpu"), side)
    except (RuntimeError, NotImplementedError):
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


def cost_of(group: Sequence[ModelEntry]) -> Cost:
    """Return what the network that all of ``group`` share costs and wants.

    Raises:
        CheckpointError: see `skeleton`.
    """
    entry = group[0]
    network = skeleton(entry)
    measured = tiling(entry)
    kept = ", ".join(network.half_unsafe)
    return Cost(
        models=tuple(entry.name for entry in group),
        parameters=parameter_count(network),
        gmac_per_megapixel=entry.gmac or round(gmac_per_megapixel(entry), 3),
        side_multiple=network.side_multiple,
        tile_overlap=(measured and measured.overlap) or entry.tile_overlap or network.tile_overlap,
        value_range=network.value_range,
        precisions="fp32, bf16, fp16" + (f" ({kept} in fp32)" if kept else ""),
    )
