"""Run a recipe: ``python -m restorecli.training weights/recipes/NAME.toml --photos FOLDER``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import torch
import typer

from restorecli.training import loop
from restorecli.training.curve import draw_curve
from restorecli.training.export import export, origin
from restorecli.training.lookalikes import check_none_alike
from restorecli.training.patches import PatchSampler, load_pair, photo_files, split, validation_pairs
from restorecli.training.recipe import Recipe, read_recipe
from restorecli.training.say import errors_shown, say


def run(
    recipe: Recipe, photos: Path, work: Path, weights: Path, device: torch.device, workers: int = 0
) -> Path:
    """Train ``recipe``, going on where a checkpoint in ``work`` stands, write the weights and draw the curve.

    Returns:
        The weights file, ``weights``/NAME.safetensors.
    """
    work.mkdir(parents=True, exist_ok=True)
    training, validation = split(photo_files(photos, recipe), recipe.holdout)
    with ThreadPoolExecutor() as pool:
        pairs = list(pool.map(lambda file: load_pair(file, recipe), training))
        held = list(pool.map(lambda file: load_pair(file, recipe), validation))
    held = validation_pairs(held, recipe)
    state = loop.start(recipe, weights, device)
    checkpoint = work / "checkpoint.pt"
    if checkpoint.is_file():
        loop.resume(state, recipe, checkpoint)
        say(f"resuming from step {state.step}")
    parameters = sum(p.numel() for p in state.network.parameters())
    say(f"{recipe.name}: {parameters} parameters, {len(pairs)} photos, {len(held)} held out")
    loop.train(recipe, PatchSampler(pairs, recipe), held, state, work, say, workers)
    draw_curve(work / "log.jsonl", work / "curve.png", recipe.name)
    file = weights / f"{recipe.name}.safetensors"
    score = loop.validate(recipe, state, held)
    made = {"steps": str(state.step), "seconds": str(round(state.seconds)), "photos": str(len(pairs))}
    made["validation_psnr"] = f"{score:.3f} ({'luma' if recipe.task == 'upscale' else 'RGB'})"
    export(recipe, state.average, file, made | origin(recipe, weights))
    return file


def main(
    recipe: Annotated[Path, typer.Argument(help="Recipe file, TOML.")],
    photos: Annotated[Path, typer.Option(help="Folder of training photos.")],
    work: Annotated[Path | None, typer.Option(help="Folder for checkpoints and log.")] = None,
    weights: Annotated[Path, typer.Option(help="Folder the weights file goes to.")] = Path("weights/light"),
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads, 0: all.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that make patches ahead; 0: none.")] = 0,
    not_like: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of test pictures none of the photos may show; repeatable."),
    ] = None,
) -> None:
    """Train light weights by a recipe; run it again to go on after an interruption."""
    if threads:
        torch.set_num_threads(threads)
    with errors_shown():
        wanted = read_recipe(recipe)
        check_none_alike(photo_files(photos, wanted), not_like or [])
        folder = work or Path("training") / wanted.name
        file = run(wanted, photos, folder, weights, torch.device(device), workers)
        say(f"wrote {file}")


if __name__ == "__main__":
    typer.run(main)
