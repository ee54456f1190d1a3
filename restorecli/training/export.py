"""The finished weights as safetensors, with what they are and how they were made in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from restorecli.models.cache import sha256_of
from restorecli.models.convert import FORMAT
from restorecli.models.parity import parity_of, to_text
from restorecli.networks import from_native
from restorecli.training.recipe import Recipe, starting_weights


def export(recipe: Recipe, weights: Mapping[str, Tensor], file: Path, made: Mapping[str, str]) -> None:
    """Write ``weights`` (our keys) with the recipe, licence, parity and ``made`` beside them.

    They are written as the recipe's ``stored`` says; the parity is that of the numbers in the file.
    """
    stored = torch.float16 if recipe.stored == "fp16" else torch.float32
    tensors = {key: value.detach().to("cpu", stored).contiguous() for key, value in weights.items()}
    network = from_native(recipe.network, tensors, recipe.settings)
    metadata = {
        "format": FORMAT,
        "network": recipe.network,
        "task": recipe.task,
        "settings": json.dumps(recipe.settings, sort_keys=True),
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "licence": recipe.licence,
        "border": str(recipe.border),
        "parity": to_text(parity_of(network)),
        **made,
    }
    write(tensors, metadata, file)


def origin(recipe: Recipe, folder: Path) -> dict[str, str]:
    """Return the metadata of the weights a recipe started from: name, digest, steps and their own origin."""
    file = starting_weights(recipe, folder)
    if file is None:
        return {}
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata() or {}
    start = {"name": recipe.init_from, "sha256": sha256_of(file)}
    return {
        "start": json.dumps(start | {key: metadata[key] for key in ("steps", "start") if key in metadata})
    }


def write(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], file: Path) -> None:
    """Write a safetensors file whole or not at all."""
    partial = file.with_suffix(".part")
    save_file(dict(tensors), partial, dict(metadata))
    partial.chmod(0o644)  # save_file makes it readable by the owner alone
    partial.replace(file)
