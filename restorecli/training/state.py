"""Where a training run stands: begun from seeded or given weights, written as a checkpoint, and resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from restorecli.errors import UsageError
from restorecli.networks import layout
from restorecli.networks.network import Network
from restorecli.training.losses import Loss, loss_of
from restorecli.training.muon import Muon, is_matrix
from restorecli.training.recipe import Recipe, starting_weights


@dataclass
class State:
    """All that a run needs to go on: the network, its average, the optimisers, the loss, where it stands."""

    network: Network
    average: dict[str, Tensor]
    optimisers: list[torch.optim.Optimizer]
    loss: Loss
    step: int = 0
    seconds: float = 0.0


def first_state(recipe: Recipe, weights: Path, device: torch.device) -> State:
    """Build the network with seeded weights, or with those of ``init_from`` where names and shapes agree.

    Raises:
        UsageError: the weights to start from are neither in the folder ``weights`` nor in the package, a
            tensor that is to be zero is not in the network, or see `losses.loss_of`.
    """
    torch.manual_seed(recipe.seed)
    network = layout(recipe.network).make(**recipe.settings)
    parameters = dict(network.named_parameters())
    if unknown := [name for name in recipe.zero_at_start if name not in parameters]:
        raise UsageError(
            f"zero_at_start of {recipe.name}: no tensor {', '.join(unknown)} in {recipe.network}"
        )
    for name in recipe.zero_at_start:
        nn.init.zeros_(parameters[name])
    file = starting_weights(recipe, weights)
    if file is not None:
        network.load_state_dict(fitting(load_file(file), network, recipe), strict=False)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {key: value.detach().clone() for key, value in network.state_dict().items()}
    return State(network, average, optimisers(recipe, network), loss_of(recipe, weights, device))


def fitting(start: dict[str, Tensor], network: Network, recipe: Recipe) -> dict[str, Tensor]:
    """Return those tensors of ``start`` that ``network`` has in the same shape, and the widened ones."""
    if names := recipe.init_names:
        beginnings = [(name, old) for name in start for old in names if name.startswith(old)]
        start = {names[old] + name.removeprefix(old): start[name] for name, old in beginnings}
    own = network.state_dict()
    for name in recipe.widened:
        wide, old = torch.zeros_like(own[name]), start[name]
        wide[:, : old.shape[1]] = old
        start = {**start, name: wide}
    return {k: v for k, v in start.items() if k in own and own[k].shape == v.shape}


def averaged(weights: Mapping[str, Tensor], files: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean of ``weights`` and those in weights files of the same network.

    Raises:
        UsageError: a file is of another network or size.
    """
    soup = [weights]
    for file in files:
        other = load_file(file)
        if {k: v.shape for k, v in other.items()} != {k: v.shape for k, v in weights.items()}:
            raise UsageError(f"{file} holds another network: it cannot be averaged", "change average_with")
        soup.append(other)
    return {key: torch.stack([one[key].to(value) for one in soup]).mean(0) for key, value in weights.items()}


def optimisers(recipe: Recipe, network: Network) -> list[torch.optim.Optimizer]:
    """Return Adam for all weights or, where the recipe says Muon, that for matrices and Adam for the rest."""
    by_muon = [p for p in network.parameters() if recipe.optimiser == "muon" and is_matrix(p)]
    taken = {id(p) for p in by_muon}
    others = [p for p in network.parameters() if id(p) not in taken]
    adam = torch.optim.Adam(others, betas=(0.9, 0.99))
    return [Muon(by_muon), adam] if by_muon else [adam]


def save(state: State, recipe: Recipe, file: Path) -> None:
    """Write a checkpoint whole or not at all."""
    content: dict[str, Any] = {
        "recipe": asdict(recipe),
        "network": state.network.state_dict(),
        "average": state.average,
        "optimisers": [optimiser.state_dict() for optimiser in state.optimisers],
        "step": state.step,
        "seconds": state.seconds,
    }
    partial = file.with_suffix(".part")
    torch.save(content, partial)
    partial.replace(file)


def resume(state: State, recipe: Recipe, file: Path) -> None:
    """Set ``state`` to where the checkpoint ``file`` stands.

    Raises:
        UsageError: the checkpoint is of another network than the recipe's.
    """
    content = torch.load(file, weights_only=True)
    old = content["recipe"]
    if any(old[name] != getattr(recipe, name) for name in ("network", "settings", "optimiser")):
        raise UsageError(f"{file} was made with other settings than {recipe.name}", "remove it to restart")
    state.network.load_state_dict(content["network"])
    state.average = content["average"]
    for optimiser, held in zip(state.optimisers, content["optimisers"], strict=True):
        optimiser.load_state_dict(held)
    state.step, state.seconds = content["step"], content["seconds"]
