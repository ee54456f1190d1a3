"""The training loop: warm-up and cosine, moving average, checkpoints that resume to the step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorecli.networks import layout
from restorecli.networks.network import Network
from restorecli.quality.degrade import to_bytes
from restorecli.quality.scores import luma, psnr
from restorecli.training.device.batches import can_stay, device_batches
from restorecli.training.patches import Pair, PatchSampler, batches, in_bytes, tensor
from restorecli.training.recipe import Recipe
from restorecli.training.state import State, save


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
    run = compiled_whole(state.network) if options.compiled else state.network
    return partial(_step, recipe, state, run)


def compiled_whole(network: Network) -> Callable[[Tensor], Tensor]:
    """Return ``network`` compiled whole: what it makes once and keeps is made by a plain pass before."""
    compiled, begun = torch.compile(network), False

    def run(x: Tensor) -> Tensor:
        nonlocal begun
        if not begun:
            network(x)
            begun = True
        output: Tensor = compiled(x)
        return output

    return run


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
