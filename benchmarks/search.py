"""Which network, at which size, learns most for its cost: ``python -m benchmarks.search --photos FOLDER``.

Every candidate is trained from random weights for the same number of steps, on the same patches, to remove
noise of sigma 0 to 60. Printed is the gain in PSNR (dB) on photos held out, alone and per
billion multiply-adds (GMAC) of a megapixel. To be read as where to begin, not as what a network can reach:
attention takes longer to learn than convolutions do.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restorecli.models.detect import parameter_count
from restorecli.quality.counting import count
from restorecli.quality.degrade import to_bytes
from restorecli.quality.scores import psnr
from restorecli.training import loop
from restorecli.training.patches import PatchSampler, load_pair, photo_files, split, validation_pairs
from restorecli.training.recipe import Recipe
from restorecli.training.state import State, first_state

SIDE = 96  # pixels of the picture whose multiply-adds are counted


def nlsn(features: int, blocks: int) -> dict[str, Any]:
    """Return the settings of a same-size NLSN on packed pixels, attention before and after the blocks."""
    return {
        "channels": 12,
        "features": features,
        "blocks": blocks,
        "scale": 1,
        "res_scale": 1.0,
        "chunk_size": 48,
        "hashes": 1,
        "blocks_per_attention": blocks,
        "packing": 2,
    }


def grl(embed_dim: int, depths: list[int]) -> dict[str, Any]:
    """Return the settings of a GRL on packed pixels with 8×8 windows and 16×16 stripes."""
    heads = [2] * len(depths)
    return {
        "window_size": 8,
        "stripe_size": [16, 16],
        "anchor_window_down_factor": 2,
        "embed_dim": embed_dim,
        "depths": depths,
        "num_heads_window": heads,
        "num_heads_stripe": heads,
        "in_channels": 12,
        "packing": 2,
    }


CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "NLSN 32 features, 16 blocks": ("nlsn", nlsn(32, 16)),
    "NLSN 48 features, 12 blocks": ("nlsn", nlsn(48, 12)),
    "NLSN 64 features, 7 blocks": ("nlsn", nlsn(64, 7)),
    "RNAN 32 features, 2 groups": ("rnan", {"channels": 12, "features": 32, "groups": 2, "packing": 2}),
    "MIRNet 16 features, 1 group": ("mirnet", {"features": 16, "groups": 1, "blocks": 1}),
    "PANet 32 features, 12 blocks": (
        "panet",
        {"channels": 12, "features": 32, "blocks": 12, "reduction": 4, "packing": 2},
    ),
    "GRL 48 channels, 4 + 4 blocks": ("grl", grl(48, [4, 4])),
    "GRL 64 channels, 2 + 2 blocks": ("grl", grl(64, [2, 2])),
}


def trained(recipe: Recipe, photos: Path) -> tuple[State, float, float]:
    """Train ``recipe``; return the state, the PSNR it reaches and that of its input (dB)."""
    training, validation = split(photo_files(photos, recipe), recipe.holdout)
    sampler = PatchSampler([load_pair(file, recipe) for file in training], recipe)
    held = validation_pairs([load_pair(file, recipe) for file in validation], recipe)
    state = first_state(recipe, Path(), torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        loop.train(recipe, sampler, held, state, Path(folder), lambda _row: None)
    degraded = [to_bytes(np.asarray(pair.degraded, dtype=np.float32)) for pair in held]
    given = [psnr(seen, pair.clean, border=0) for seen, pair in zip(degraded, held, strict=True)]
    return state, loop.validate(recipe, state, held), float(np.mean(given))


def main() -> None:
    """Train every candidate and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=Path, required=True, help="folder of training photos")
    options.add_argument("--steps", type=int, default=400, help="of each candidate")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", default="", help="candidates whose name begins so")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    base = Recipe(
        name="search",
        network="",
        task="denoise",
        settings={},
        steps=given.steps,
        batch=4,
        patch=64,
        optimiser="muon",
        warmup=50,
        ema=0.99,
        validate_every=given.steps,
        validation_draws=3,
        seed=1,
        degradation={"sigma": [0, 60], "gray": 0.15},
    )
    print("| network | parameters | GMAC/MP | ms per step | gain dB | dB per 100 GMAC |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, (network, settings) in CANDIDATES.items():
        if not name.startswith(given.only):
            continue
        state, reached, noisy = trained(replace(base, network=network, settings=settings), given.photos)
        gmac = count(state.network.eval(), torch.rand(1, 3, SIDE, SIDE)).macs / 1e9 / (SIDE * SIDE / 1e6)
        gain, size = reached - noisy, parameter_count(state.network)
        took = 1000 * state.seconds / state.step
        row = (name, f"{size:,}", f"{gmac:.0f}", f"{took:.0f}", f"{gain:.2f}", f"{100 * gain / gmac:.2f}")
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
