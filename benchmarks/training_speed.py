"""How near training comes to its network's speed: ``python -m benchmarks.training_speed RECIPE --photos …``.

Whole steps (patches cut and degraded, optimiser, moving average) are timed beside forward and backward alone
on one batch that is ready.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from restorecli.training import loop
from restorecli.training.__main__ import load
from restorecli.training.device.batches import device_batches
from restorecli.training.patches import PatchSampler, batches, photo_files
from restorecli.training.recipe import find_recipe, read_recipe
from restorecli.training.state import first_state

WARM = 10  # steps that are not timed: compilation, caches


def seconds(work: Callable[[], torch.Tensor], count: int) -> float:
    """Return the mean time of ``work``, whose result is waited for at the end."""
    for _ in range(WARM):
        result = work()
    float(result)
    began = time.perf_counter()
    for _ in range(count):
        result = work()
    float(result)
    return (time.perf_counter() - began) / count


def main() -> None:
    """Print both times and their ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("recipe")
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--weights", type=Path, default=Path("training"))
    options.add_argument("--device", default="cuda")
    options.add_argument("--steps", type=int, default=50)
    given = options.parse_args()
    recipe, device = read_recipe(find_recipe(given.recipe)), torch.device(given.device)
    how = loop.usual_options(recipe, device)
    state = first_state(recipe, given.weights, device)
    sampler = PatchSampler(load(photo_files(given.photos, recipe), recipe), recipe)
    source = device_batches(sampler, 0, device) if how.on_device else batches(sampler, 0, 0)
    step = loop.stepper(recipe, state, how)
    run = loop.compiled_whole(state.network) if how.compiled else state.network
    degraded, clean = (batch.to(device) for batch in next(source))

    def whole() -> torch.Tensor:
        degraded, clean = (batch.to(device) for batch in next(source))
        return step(degraded, clean, recipe.final_learning_rate)

    def alone() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            output = run(degraded)
        loss = state.loss(output.float(), clean)
        loss.backward()
        return loss.detach()

    both = seconds(whole, given.steps), seconds(alone, given.steps)
    print(f"{recipe.name} on {device}: {1000 * both[0]:.1f} ms per step")
    print(f"forward and backward alone: {1000 * both[1]:.1f} ms, {100 * both[1] / both[0]:.0f} %")


if __name__ == "__main__":
    main()
