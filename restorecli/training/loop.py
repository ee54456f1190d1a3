"""The training loop: warm-up and cosine, moving average, checkpoints that resume to the step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from restorecli.errors import UsageError
from restorecli.networks import layout
from restorecli.networks.network import Network
from restorecli.quality.degrade import to_bytes
from restorecli.quality.scores import luma, psnr
from restorecli.training.device.batches import can_stay, device_batches
from restorecli.training.losses import Loss, loss_of
from restorecli.training.muon import Muon, is_matrix
from restorecli.training.patches import Pair, PatchSampler, batches, in_bytes, tensor
from restorecli.training.recipe import Recipe, starting_weights


@dataclass(frozen=True)
class Options:
    """How a run goes on its device; results do not depend on it but for what is drawn.

    Attributes:
        on_device: photos are kept there and patches cut and degraded there; see `training.device`.
        compiled: the network's forward and backward are compiled first.
        seconds: how long it takes, whatever the recipe's steps; the learning rate falls with the time. 0: the
            steps count.
    """

    on_device: bool = False
    compiled: bool = False
    seconds: float = 0.0


@dataclass
class State:
    """All that a run needs to go on: the network, its average, the optimisers, the loss, where it stands."""

    network: Network
    average: dict[str, Tensor]
    optimisers: list[torch.optim.Optimizer]
    loss: Loss
    step: int = 0
    seconds: float = 0.0


def learning_rate(recipe: Recipe, step: int, done: float | None = None) -> float:
    """Return the rate of ``step``: a linear rise, then half a cosine (Loshchilov & Hutter 2017, eq. 5).

    Args:
        recipe: says how it goes.
        step: from 0.
        done: share of the training that is over; None: that of the steps after the rise.
    """
    rise = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    if done is None:
        done = max(0, step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    span = recipe.learning_rate - recipe.final_learning_rate
    top = recipe.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return min(top, recipe.learning_rate * rise)


def start(recipe: Recipe, weights: Path, device: torch.device) -> State:
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


def train(
    recipe: Recipe,
    sampler: PatchSampler,
    validation: list[Pair],
    state: State,
    folder: Path,
    say: Callable[[str], None],
    workers: int = 0,
    options: Options | None = None,
) -> None:
    """Train from ``state.step`` to the end, leaving checkpoints and a log (JSON lines) in ``folder``.

    Args:
        recipe: how to train.
        sampler: makes the batches.
        validation: what the averaged weights are measured on.
        state: where to start; is changed.
        folder: exists.
        say: called with every row of the log.
        workers: processes that make batches ahead.
        options: how; None for the usual way on the network's device.
    """
    device = next(state.network.parameters()).device
    options = options or usual_options(recipe, device)
    if options.on_device:
        source = device_batches(sampler, state.step, device)
    else:
        source = batches(sampler, state.step, workers)
    step = stepper(recipe, state, options)
    began, losses = time.monotonic() - state.seconds, []
    for degraded, clean in source:
        rate = learning_rate(recipe, state.step, share_done(state, options))
        losses.append(step(degraded.to(device), clean.to(device), rate))
        state.step += 1
        state.seconds = time.monotonic() - began
        over = state.step == recipe.steps or share_done(state, options) == 1
        if state.step % recipe.validate_every == 0 or over:
            score = validate(recipe, state, validation)
            row = {
                "step": state.step,
                "loss": float(torch.stack(losses).mean()),
                "psnr": score,
                "learning_rate": rate,
                "seconds": round(state.seconds, 1),
            }
            losses = []
            with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            save(state, recipe, folder / "checkpoint.pt")
            say(" ".join(f"{name}={value:.6g}" for name, value in row.items()))
        if over:
            break


def share_done(state: State, options: Options) -> float | None:
    """Return the share of a run's time that is over, 1 at its end; None where its steps count."""
    return min(1.0, state.seconds / options.seconds) if options.seconds else None


Stepper = Callable[[Tensor, Tensor, float], Tensor]
"""Takes one step on a batch, degraded and clean, by a learning rate; returns the loss, on the device."""


def stepper(recipe: Recipe, state: State, options: Options) -> Stepper:
    """Return what takes a step; ``state`` is changed by it, but for its count."""
    run = torch.compile(state.network) if options.compiled else state.network
    return partial(_step, recipe, state, run)


def usual_options(recipe: Recipe, device: torch.device) -> Options:
    """Return what suits a device: on a GPU photos stay there if they can, and the network is compiled."""
    return Options(on_device=device.type != "cpu" and can_stay(recipe), compiled=device.type == "cuda")


def _step(
    recipe: Recipe,
    state: State,
    run: Callable[[Tensor], Tensor],
    degraded: Tensor,
    clean: Tensor,
    rate: float,
) -> Tensor:
    """Take one step by ``run``, the network or its compiled form; return the loss, without waiting for it."""
    for optimiser in state.optimisers:
        optimiser.zero_grad(set_to_none=True)
        for group in optimiser.param_groups:
            group["lr"] = rate
    state.network.train()
    with torch.autocast(degraded.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        scale = state.network.value_range
        output = run(degraded * scale) / scale
    loss = state.loss(output.float(), clean)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_gradient)
    for optimiser in state.optimisers:
        optimiser.step()
    # A short average at the start, or the random first weights would stay in it for long.
    decay = min(recipe.ema, (1 + state.step) / (10 + state.step))
    weights = state.network.state_dict()
    torch._foreach_lerp_([state.average[key] for key in weights], list(weights.values()), 1 - decay)
    return loss.detach()


def validate(recipe: Recipe, state: State, pairs: list[Pair]) -> float:
    """Return the mean PSNR (dB) of the averaged weights in 8 bit, measured as the task's protocol says.

    Upscaling: on luma, borders of ``scale`` pixels cut; the other tasks: over RGB.
    """
    device = next(iter(state.average.values())).device
    network = layout(recipe.network).make(**recipe.settings).eval()
    network.load_state_dict(state.average)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    upscales = recipe.task == "upscale"
    scores = []
    with torch.inference_mode():
        for pair in pairs:
            output = restored(network, tensor([pair.degraded]).to(device))[0].permute(1, 2, 0)
            image, clean = to_bytes(output.cpu().numpy()), in_bytes(pair.clean)
            if upscales:
                scores.append(psnr(luma(image), luma(clean), border=recipe.scale))
            else:
                scores.append(psnr(image, clean, border=0))
    return float(np.mean(scores))


def restored(network: Network, degraded: Tensor) -> Tensor:
    """Return what ``network`` makes of B×C×H×W, both with 1 for white whatever its own range."""
    output: Tensor = network(degraded * network.value_range) / network.value_range
    return output


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
