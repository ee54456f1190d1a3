"""Run a recipe: ``python -m restorecli.training RECIPE --photos FOLDER``."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from restorecli.engine.device import describe
from restorecli.errors import UnreadableError, UsageError
from restorecli.training import loop
from restorecli.training.curve import draw_curve
from restorecli.training.device.batches import can_stay
from restorecli.training.export import export, origin
from restorecli.training.lookalikes import check_none_alike
from restorecli.training.patches import Pair, PatchSampler, load_pair, photo_files, split, validation_pairs
from restorecli.training.recipe import Recipe, averaged_weights, find_recipe, read_recipe
from restorecli.training.say import errors_shown, say
from restorecli.training.state import averaged, first_state, resume


def run(
    recipe: Recipe,
    photos: Path,
    work: Path,
    weights: Path,
    device: torch.device,
    workers: int = 0,
    options: loop.Options | None = None,
) -> Path:
    """Train ``recipe``, going on where a checkpoint in ``work`` stands, write the weights and draw the curve.

    Returns:
        The weights file, ``weights``/NAME.safetensors.

    Raises:
        UsageError: a folder cannot be made, there are too few photos, or the start is missing.
    """
    for folder in (work, weights):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    state = first_state(recipe, weights, device)
    others = averaged_weights(recipe, weights)
    training, validation = split(photo_files(photos, recipe), recipe.holdout)
    pairs = in_every_size(training, recipe)
    held = validation_pairs(load(validation, recipe), recipe)
    sampler, count = PatchSampler(pairs, recipe), len(pairs) // (1 + len(recipe.more_scales))
    if not held:
        raise UsageError("none of the photos that were held out to measure the result can be read")
    checkpoint = work / "checkpoint.pt"
    if checkpoint.is_file():
        resume(state, recipe, checkpoint)
        say(f"resuming from step {state.step}")
    parameters = sum(p.numel() for p in state.network.parameters())
    say(f"{recipe.name}: {parameters} parameters, {count} photos, {len(validation)} held out")
    loop.train(recipe, sampler, held, state, work, say, workers, options)
    if options and options.seconds:
        recipe = replace(recipe, steps=state.step)  # so that the same can be made again
    state.average = averaged(state.average, others)
    file = weights / f"{recipe.name}.safetensors"
    score = loop.validate(recipe, state, held)
    made = {"steps": str(state.step), "seconds": str(round(state.seconds)), "photos": str(count)}
    made["validation_psnr"] = f"{score:.3f} ({'luma' if recipe.task == 'upscale' else 'RGB'})"
    if device.type != "cpu":
        made["device"] = describe(device)
    export(recipe, state.average, file, made | origin(recipe, weights))
    draw_curve(work / "log.jsonl", work / "curve.png", recipe.name)
    return file


def in_every_size(files: Sequence[Path], recipe: Recipe) -> list[Pair]:
    """Decode photos, each at `Recipe.photo_scale` and at all of `Recipe.more_scales`."""
    pairs = load(files, recipe)
    for share in recipe.more_scales:
        pairs += load(files, replace(recipe, photo_scale=share))
    return pairs


def load(files: Sequence[Path], recipe: Recipe) -> list[Pair]:
    """Decode photos, and say which ones cannot be: those are left out."""

    def attempt(file: Path) -> Pair | UnreadableError:
        try:
            return load_pair(file, recipe)
        except UnreadableError as error:
            return error

    pairs = []
    with ThreadPoolExecutor() as pool:
        for result in pool.map(attempt, files):
            if isinstance(result, Pair):
                pairs.append(result)
            else:
                say(f"left out: {result.message}")
    return pairs


def chosen(
    recipe: Recipe, device: torch.device, on_device: bool | None, compiled: bool | None
) -> loop.Options:
    """Return how a recipe is trained on a device: as usual, where nothing else is asked for.

    Raises:
        UsageError: photos are to stay on the device, and the recipe's patches cannot be made there.
    """
    usual = loop.usual_options(recipe, device)
    if on_device and not can_stay(recipe):
        raise UsageError(
            f"patches for {recipe.name} are made on the CPU",
            "leave --keep-photos out; --workers N makes them ahead",
        )
    return loop.Options(
        usual.on_device if on_device is None else on_device, usual.compiled if compiled is None else compiled
    )


def main(
    recipe: Annotated[str, typer.Argument(help="Recipe file, TOML, or the name of one of the package's.")],
    photos: Annotated[Path, typer.Option(help="Folder of training photos.")],
    work: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints and log. Default: training/NAME.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder the weights file goes to. Default: that of --work.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads, 0: all.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that make patches ahead; 0: none.")] = 0,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Compile the network. Default: on a GPU."),
    ] = None,
    on_device: Annotated[
        bool | None,
        typer.Option(
            "--keep-photos/--no-keep-photos",
            help="Keep photos on the device, and cut and degrade patches there. Default: on a GPU, where the "
            "task allows it.",
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, where not those of the recipe.", min=1)] = None,
    not_like: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of test pictures none of the photos may show; repeatable."),
    ] = None,
) -> None:
    """Train light weights by a recipe; run it again to go on after an interruption."""
    if threads:
        torch.set_num_threads(threads)
    with errors_shown():
        wanted = read_recipe(find_recipe(recipe))
        wanted = replace(wanted, steps=steps or wanted.steps)
        if not photos.is_dir():
            raise UsageError(f"{photos}: there is no such folder", "give the folder of your photos")
        check_none_alike(photo_files(photos, wanted), not_like or [])
        folder = work or Path("training") / wanted.name
        where = torch.device(device)
        options = chosen(wanted, where, on_device, compiled)
        file = run(wanted, photos, folder, weights or folder, where, workers, options)
        say(f"wrote {file}; to use it: restore {wanted.task} --weights {file} …")


if __name__ == "__main__":
    typer.run(main)
