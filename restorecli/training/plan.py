"""Run a plan, several recipes one after the other: ``python -m restorecli.training.plan PLAN --photos …``.

A plan is a TOML file with a table ``[[train]]`` for each recipe: ``recipe`` (its name), ``minutes``, and what
is to be other than in the recipe, such as ``batch``. The learning rate falls with the time, whatever the
steps that fit into it; an interrupted plan goes on where it stood.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from restorecli.errors import UsageError
from restorecli.training import loop
from restorecli.training.__main__ import run
from restorecli.training.recipe import Recipe, find_recipe, read_recipe
from restorecli.training.say import errors_shown, say

MOST_STEPS = 10_000_000
"""More than any time has room for."""


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


def run_plan(
    plan: Path, photos: Path, work: Path, weights: Path, device: torch.device, only: str = ""
) -> list[Path]:
    """Train every recipe of a plan that is not done, each from where it stands; return the weights files.

    Args:
        plan: the TOML file.
        photos: folder of training photos.
        work: gets a folder for each recipe.
        weights: where the weights files go, and where `init_from` is looked for first.
        device: what to train on.
        only: the name of the one to train; "" for all.

    Raises:
        UsageError: there is no recipe ``only``; see `read_plan` and `training.__main__.run`.
    """
    planned = read_plan(plan)
    if only and only not in [recipe.name for recipe, _ in planned]:
        raise UsageError(f"{plan} has no recipe {only}")
    made = []
    for recipe, minutes in planned:
        if only not in ("", recipe.name):
            continue
        folder, file = work / recipe.name, weights / f"{recipe.name}.safetensors"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "done").is_file():
            say(f"{recipe.name}: {minutes:g} minutes")
            options = replace(loop.usual_options(recipe, device), seconds=60 * minutes)
            file = run(replace(recipe, steps=MOST_STEPS), photos, folder, weights, device, options=options)
            (folder / "done").touch()
        made.append(file)
    return made


def run_at_once(plan: Path, arguments: Sequence[str]) -> None:
    """Train all recipes of a plan at the same time, each in a process of its own, with these ``arguments``.

    Small networks leave a GPU idle while the host compiles them, or cuts the next patches; several fill it.

    Raises:
        UsageError: one starts from what another one makes, or has failed.
    """
    names = [recipe.name for recipe, _ in read_plan(plan)]
    if waiting := [recipe.name for recipe, _ in read_plan(plan) if recipe.init_from in names]:
        raise UsageError(f"{', '.join(waiting)} of {plan} must wait for another one", "leave --at-once out")
    base = [sys.executable, "-m", "restorecli.training.plan", str(plan), *arguments]
    running = {name: subprocess.Popen([*base, "--only", name]) for name in names}
    try:
        failed = [name for name, process in running.items() if process.wait()]
    finally:
        for process in running.values():
            process.terminate()
    if failed:
        raise UsageError(f"{', '.join(failed)}: the training failed", "what it said stands above")


def main(
    plan: Annotated[Path, typer.Argument(help="The plan, TOML.")],
    photos: Annotated[Path, typer.Option(help="Folder of training photos.")],
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("training"),
    weights: Annotated[Path | None, typer.Option(help="Folder the weights go to. Default: --work.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cuda",
    only: Annotated[str, typer.Option(help="Name of the one recipe to train.")] = "",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="All at the same time, each in a process of its own.")
    ] = False,
) -> None:
    """Train the recipes of a plan; run it again to go on after an interruption."""
    weights = weights or work
    with errors_shown():
        if at_once and not only:
            given = ["--photos", photos, "--work", work, "--weights", weights, "--device", device]
            run_at_once(plan, [str(one) for one in given])
            return
        for file in run_plan(plan, photos, work, weights, torch.device(device), only):
            say(f"wrote {file}")


if __name__ == "__main__":
    typer.run(main)
