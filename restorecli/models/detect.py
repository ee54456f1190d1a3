"""Tell which network, and which entry of the catalogue, a checkpoint belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restorecli.errors import CheckpointError
from restorecli.models.registry import ModelEntry, Registry
from restorecli.networks import NETWORKS, layout
from restorecli.networks.checkpoint import rename, unwrap
from restorecli.networks.network import Network


def detect_network(checkpoint: Mapping[str, Any]) -> str | None:
    """Return the network whose rename table knows every key of ``checkpoint``, or None.

    Raises:
        CheckpointError: there are no tensors in it.
    """
    state = unwrap(checkpoint)
    for name in NETWORKS:
        try:
            renamed = rename(state, layout(name))
            layout(name).infer(renamed)
        except (CheckpointError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError):
            continue
        return name
    return None


def entries_of_shape(network: Network, name: str, registry: Registry) -> list[ModelEntry]:
    """Return the entries that ``network`` could be by its size, channels and scale.

    Args:
        network: as built from the checkpoint.
        name: its network's name.
        registry: the catalogue.
    """
    count = parameter_count(network)
    return [
        entry
        for entry in registry.select(network=name)
        if not entry.ships
        and entry.parameters == count
        and entry.channels == network.in_channels
        and (entry.same_size or entry.scale == network.scale)
    ]


def parameter_count(network: Network) -> int:
    """Return the number of learned values, shared ones counted once."""
    return sum(parameter.numel() for parameter in network.parameters())
