"""The finished weights as safetensors, with what they are and how they were made in the file's metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from restorecli.training.recipe import Recipe

FORMAT = "restorecli"


def export(
    recipe: Recipe,
    weights: dict[str, Tensor],
    file: Path,
    *,
    step: int,
    seconds: float,
    photos: int,
    psnr: float,
) -> None:
    """Write ``weights`` (our keys, float32) with the recipe, steps, data and licence beside them."""
    metadata = {
        "format": FORMAT,
        "network": recipe.network,
        "task": recipe.task,
        "settings": json.dumps(recipe.settings, sort_keys=True),
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "steps": str(step),
        "seconds": str(round(seconds)),
        "photos": str(photos),
        "validation_psnr": f"{psnr:.3f} ({'luma' if recipe.task == 'upscale' else 'RGB'})",
        "licence": "MIT",
    }
    tensors = {key: value.detach().to("cpu", torch.float32).contiguous() for key, value in weights.items()}
    partial = file.with_suffix(".part")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # save_file makes it readable by the owner alone
    partial.replace(file)
