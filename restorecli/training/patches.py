"""Training photos, decoded once, and random pairs of degraded and clean patches cut from them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restorecli.errors import UsageError
from restorecli.quality.degrade import Bytes, crop_to_multiple, shrink
from restorecli.training.recipe import Recipe


@dataclass(frozen=True)
class Pair:
    """One photo: what the network sees and what it should give, uint8 H×W×3."""

    degraded: Bytes
    clean: Bytes


def photo_files(folder: Path, recipe: Recipe) -> list[Path]:
    """List the photos of ``folder`` that ``recipe`` may use, sorted.

    Where the folder has a MANIFEST.tsv (columns ``file`` and ``repo``), only the recipe's sources are taken;
    without sources, every image in the folder.

    Raises:
        UsageError: no photo is left, or sources are asked for and there is no manifest.
    """
    manifest = folder / "MANIFEST.tsv"
    if not recipe.sources:
        found = [
            f for f in sorted(folder.iterdir()) if f.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
        ]
    elif not manifest.is_file():
        raise UsageError(f"the recipe names sources, but there is no {manifest}", "remove [sources]")
    else:
        with manifest.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        found = sorted(folder / row["file"] for row in rows if row["repo"] in recipe.sources)
    if not found:
        raise UsageError(f"no training photo in {folder}")
    return found


def split(files: list[Path], holdout: int) -> tuple[list[Path], list[Path]]:
    """Split into training and validation files by source picture: windows of one picture stay together.

    A picture is told by the digits its file name begins with; without digits each file is its own.
    """
    pictures = sorted({_picture(file) for file in files})
    held = set(pictures[:: max(holdout, 2)])
    return [f for f in files if _picture(f) not in held], [f for f in files if _picture(f) in held]


def load_pair(file: Path, scale: int) -> Pair:
    """Decode one photo and make its degraded partner (bicubic, 8 bit)."""
    with Image.open(file) as image:
        clean = crop_to_multiple(np.asarray(image.convert("RGB")), scale)
    return Pair(shrink(clean, scale), clean)


class PatchSampler:
    """Random patch pairs; they follow from seed and step alone, so resuming changes nothing."""

    def __init__(self, pairs: list[Pair], recipe: Recipe) -> None:
        self.pairs = [p for p in pairs if min(p.degraded.shape[:2]) >= recipe.patch]
        if not self.pairs:
            raise UsageError(f"no photo is as large as a patch of {recipe.patch * recipe.scale} pixels")
        area = np.array([p.degraded.shape[0] * p.degraded.shape[1] for p in self.pairs], dtype=np.float64)
        self.chance = area / area.sum()
        self.recipe = recipe

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return degraded B×3×p×p and clean B×3×sp×sp, float32 in 0–1."""
        rng = np.random.default_rng((self.recipe.seed, step))
        chosen = [self._patch(rng) for _ in range(self.recipe.batch)]
        return _tensor([degraded for degraded, _ in chosen]), _tensor([clean for _, clean in chosen])

    def _patch(self, rng: np.random.Generator) -> tuple[Bytes, Bytes]:
        pair = self.pairs[rng.choice(len(self.pairs), p=self.chance)]
        size, scale = self.recipe.patch, self.recipe.scale
        top = int(rng.integers(pair.degraded.shape[0] - size + 1))
        left = int(rng.integers(pair.degraded.shape[1] - size + 1))
        degraded = pair.degraded[top : top + size, left : left + size]
        clean = pair.clean[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        return _turn(degraded, turns, mirrored), _turn(clean, turns, mirrored)


def _picture(file: Path) -> str:
    digits = file.name[: len(file.name) - len(file.name.lstrip("0123456789"))]
    return digits or file.name


def _turn(image: Bytes, turns: int, mirrored: bool) -> Bytes:
    turned = np.rot90(image, turns)
    return turned[:, ::-1] if mirrored else turned


def _tensor(images: list[NDArray[np.uint8]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return stacked.contiguous(memory_format=torch.channels_last).float() / 255
