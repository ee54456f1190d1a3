"""From resolved weights to a network that is ready to run."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load_file

from restorecli.errors import CheckpointError
from restorecli.models.convert import build, naming, native_metadata
from restorecli.models.resolved import Resolved
from restorecli.networks import from_native
from restorecli.networks.network import Network


def load(resolved: Resolved) -> Network:
    """Build the network of ``resolved`` and load its weights, every key matched.

    Returns:
        The network in eval mode, float32, on the CPU, wanting no gradients.

    Raises:
        CheckpointError: the file is missing, damaged, or not of that network.
    """
    network = _built(resolved)
    if resolved.entry is not None and resolved.entry.extra_input:
        network.extra_input = resolved.entry.extra_input
    return network


def _built(resolved: Resolved) -> Network:
    if resolved.path is None:
        raise CheckpointError(f"{resolved.name} is not in the cache yet")
    if resolved.network == "spandrel":
        from restorecli.models.spandrel_network import load_spandrel

        return load_spandrel(resolved.path)
    native = native_metadata(resolved.path)
    if native is None:  # a cache that cannot be written holds the authors' file alone
        return build(resolved.path, resolved.network, resolved.settings)
    name, settings, metadata = native
    try:
        with naming(resolved.path):
            network = from_native(name, load_file(resolved.path), settings)
        network.extra_input = metadata.get("extra_input", network.extra_input)
        network.border = int(metadata.get("border", network.border))
        return network
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{resolved.path} is damaged: {error}", "remove it and try again") from error
