"""The five published networks, as pure modules: no files, no printing.

`from_checkpoint` builds one from the state dict its authors released; `from_native` from one of ours.
Each network lives in the module or package of its name. Nothing, nor torch, is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from restorecli.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from restorecli.networks.checkpoint import Layout
    from restorecli.networks.network import Network

NETWORKS: dict[str, str] = {
    "nlsn": "restorecli.networks.nlsn",
    "rnan": "restorecli.networks.rnan",
    "panet": "restorecli.networks.panet.network",
    "grl": "restorecli.networks.grl.network",
    "mirnet": "restorecli.networks.mirnet",
}
"""Network name → the module that defines its `LAYOUT`."""


def layout(network: str) -> Layout:
    """Return how checkpoints of the network called ``network`` are laid out.

    Raises:
        UsageError: no network has that name.
    """
    if network not in NETWORKS:
        raise UsageError(f"unknown network: {network}", f"known networks: {', '.join(NETWORKS)}")
    found: Layout = import_module(NETWORKS[network]).LAYOUT
    return found


def from_checkpoint(network: str, state_dict: Mapping[str, Any], **settings: Any) -> Network:
    """Build a network from a released checkpoint's own state dict.

    Args:
        network: "nlsn", "rnan", "panet" (PA-EDSR too), "grl" or "mirnet".
        state_dict: the checkpoint as `torch.load` gave it: any known wrapper (``state_dict``, ``params``,
            …) and prefix (``module.``, ``model.``, …).
        settings: what the tensors' shapes do not determine, named as in the papers' code (``res_scale``,
            ``chunk_size``, ``n_hashes``, ``window_size``, …). What shapes determine may be given too and is
            checked against them.

    Returns:
        The network in eval mode, float32; NCHW in, NCHW out, in its own ``value_range``.

    Raises:
        UsageError: no network has that name.
        CheckpointError: a key is missing, unknown or of a wrong shape, or a needed setting is missing.
    """
    from restorecli.networks.checkpoint import build_from_released

    return build_from_released(layout(network), state_dict, settings)


def from_native(network: str, state_dict: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Network:
    """Build a network from a state dict with this project's own keys and its constructor's settings.

    Raises:
        UsageError: no network has that name.
        CheckpointError: the keys or shapes are not those of the network.
    """
    from restorecli.networks.checkpoint import build_from_native

    return build_from_native(layout(network), state_dict, settings)
