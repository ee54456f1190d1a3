"""Run a plan, several recipes one after the other: ``python -m restorecli.training.plan PLAN --photos …``.

A plan is a TOML file with a table ``[[train]]`` for each recipe: ``recipe`` (its name), ``minutes``, and what
is to be other than in the recipe, such as ``batch``. How many steps fit into the minutes is measured when a
recipe is begun, and kept: so the learning rate falls in time, and an interrupted plan goes on as it was.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from restorecli.errors import UsageError
from restorecli.training import loop
from restorecli.training.__main__ import load, run
from restorecli.training.device.batches import device_batches
from restorecli.training.patches import PatchSampler, batches, photo_files, split
from restorecli.training.recipe import Recipe, find_recipe, read_recipe
from restorecli.training.say import errors_shown, say

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]
UNTIMED, TIMED = 20, 40  # steps before timing (compilation, first batches), and those timed
SPARE = 0.92  # of the minutes, for what is not a step: photos are read, weights written and measured


def read_plan(path: Path) -> list[tuple[Recipe, float]]:
    """Return the plan's recipes, changed as it says, and the minutes of each.

    Raises:
        UsageError: the plan cannot be read, or names an unknown recipe or entry.
    """
    try:
        tables: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["train"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"cannot read the plan {path}: {error!r}", "it needs tables [[train]]") from error
    known, planned = {entry.name for entry in fields(Recipe)}, []
    for table in tables:
        changes = dict(table)
        try:
            name, minutes = str(changes.pop("recipe")), float(changes.pop("minutes"))
        except (KeyError, ValueError) as error:
            raise UsageError(f"a table of {path} lacks {error}", "recipe and minutes are needed") from error
        if unknown := sorted(changes.keys() - known):
            raise UsageError(f"unknown entries in {path}: {', '.join(unknown)}")
        planned.append((replace(read_recipe(find_recipe(name)), **changes), minutes))
    return planned


def steps_in(recipe: Recipe, photos: Path, weights: Path, device: torch.device, minutes: float) -> int:
    """Return how many steps of ``recipe`` fit into ``minutes``, by some with weights that are thrown away."""
    state, options = loop.start(recipe, weights, device), loop.usual_options(recipe, device)
    training, _ = split(photo_files(photos, recipe), recipe.holdout)
    began = time.monotonic()
    sampler = PatchSampler(load(training, recipe), replace(recipe, steps=UNTIMED + TIMED))
    source = device_batches(sampler, 0, device) if options.on_device else batches(sampler, 0, 0)
    trial = loop.stepper(recipe, state, options)
    _take(trial, source, UNTIMED, device)
    ready = time.monotonic()
    _take(trial, source, TIMED, device)
    each = (time.monotonic() - ready) / TIMED
    left = 60 * minutes * SPARE - (ready - began)
    return max(1, round(left / each))


def _take(step: loop.Stepper, source: Batches, count: int, device: torch.device) -> None:
    losses = [step(degraded.to(device), clean.to(device)) for degraded, clean in islice(source, count)]
    float(losses[-1])  # waits for the device


def run_plan(plan: Path, photos: Path, work: Path, weights: Path, device: torch.device) -> list[Path]:
    """Train every recipe of a plan that is not done, each from where it stands; return the weights files.

    Raises:
        UsageError: see `read_plan` and `training.__main__.run`.
    """
    made = []
    for recipe, minutes in read_plan(plan):
        folder = work / recipe.name
        folder.mkdir(parents=True, exist_ok=True)
        planned = folder / "planned.json"
        if not planned.is_file():
            steps = steps_in(recipe, photos, weights, device, minutes)
            planned.write_text(json.dumps({"steps": steps, "minutes": minutes}), encoding="utf-8")
        steps = int(json.loads(planned.read_text(encoding="utf-8"))["steps"])
        file = weights / f"{recipe.name}.safetensors"
        if not (folder / "done").is_file():
            say(f"{recipe.name}: {steps} steps in {minutes:g} minutes")
            every = min(recipe.validate_every, max(1, steps // 4))
            file = run(replace(recipe, steps=steps, validate_every=every), photos, folder, weights, device)
            (folder / "done").touch()
        made.append(file)
    return made


def main(
    plan: Annotated[Path, typer.Argument(help="The plan, TOML.")],
    photos: Annotated[Path, typer.Option(help="Folder of training photos.")],
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("training"),
    weights: Annotated[Path | None, typer.Option(help="Folder the weights go to. Default: --work.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cuda",
) -> None:
    """Train the recipes of a plan; run it again to go on after an interruption."""
    with errors_shown():
        for file in run_plan(plan, photos, work, weights or work, torch.device(device)):
            say(f"wrote {file}")


if __name__ == "__main__":
    typer.run(main)
