"""Training photos, decoded once, random pairs of degraded and clean patches cut from them, and fixed ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restorecli.errors import UnreadableError, UsageError, first_line
from restorecli.quality.degrade import Bytes, crop_to_multiple, shrink, to_bytes
from restorecli.training.degradations import degrade, margin
from restorecli.training.drawings import sheets
from restorecli.training.lookalikes import pictures
from restorecli.training.mosaics import BLOCK, difficulty
from restorecli.training.recipe import Recipe

VALIDATION_SIDE = 192


@dataclass(frozen=True)
class Pair:
    """What the network sees, H×W×3 uint8 or float32 in 0–1, and what it should give, sH×sW×3."""

    degraded: Bytes | NDArray[np.float32]
    clean: Bytes | NDArray[np.float32]


@dataclass(frozen=True)
class HardSquares:
    """Every square of every photo: its photo, row and column, N×3, and the cumulated chance of it, N.

    A square is as likely as it is difficult; see `mosaics.difficulty`.
    """

    chance: NDArray[np.float64]
    squares: NDArray[np.int64]


def photo_files(folder: Path, recipe: Recipe) -> list[Path]:
    """List the photos of ``folder`` that ``recipe`` may use, sorted.

    Where the folder has a MANIFEST.tsv (columns ``file`` and ``repo``), only the recipe's sources are taken;
    without sources, every image in the folder and below it, hidden ones left out.

    Raises:
        UsageError: no photo is left, or sources are asked for and there is no manifest.
    """
    manifest = folder / "MANIFEST.tsv"
    if not recipe.sources:
        found = [file for file in pictures(folder) if not _hidden(file.relative_to(folder))]
    elif not manifest.is_file():
        raise UsageError(f"the recipe names sources, but there is no {manifest}", "remove [sources]")
    else:
        with manifest.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        found = sorted(folder / row["file"] for row in rows if row["repo"] in recipe.sources)
    if not found:
        raise UsageError(f"no training photo in {folder}")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def split(files: list[Path], holdout: int) -> tuple[list[Path], list[Path]]:
    """Split into training and validation files by source picture: windows of one picture stay together.

    A picture is identified by the digits its file name begins with; without digits each file is its own.

    Raises:
        UsageError: there are fewer than two pictures.
    """
    sources = sorted({_picture(file) for file in files})
    if len(sources) < 2:
        raise UsageError(
            "there is one photo only", "give two or more: one of them is held out to measure the result"
        )
    held = set(sources[:: max(holdout, 2)])
    return [f for f in files if _picture(f) not in held], [f for f in files if _picture(f) in held]


def load_pair(file: Path, recipe: Recipe) -> Pair:
    """Decode one photo; with its shrunk partner, or to be degraded patch by patch where the recipe draws.

    Raises:
        UnreadableError: the file is no picture, or damaged.
    """
    try:
        with Image.open(file) as image:
            photo = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"{file} cannot be read: {first_line(error)}") from error
    share = recipe.photo_scale
    if recipe.most_megapixels:
        share = min(share, (recipe.most_megapixels * 1e6 / (photo.width * photo.height)) ** 0.5)
    if share < 1:
        width, height = (max(1, round(side * share)) for side in photo.size)
        photo = photo.resize((width, height), Image.Resampling.BICUBIC)
    return _pair(np.asarray(photo), recipe)


def _pair(photo: Bytes, recipe: Recipe) -> Pair:
    clean = crop_to_multiple(photo, recipe.scale)
    # where patches are degraded one by one, of the degraded photo only the size counts
    step = recipe.scale
    return Pair(clean[::step, ::step] if recipe.draws else shrink(clean, step), clean)


def validation_pairs(photos: list[Pair], recipe: Recipe) -> list[Pair]:
    """Return what a recipe is validated on: degraded middles of the photos, or whole ones that were shrunk.

    Every square is degraded in ``recipe.validation_draws`` fixed ways.
    """
    if not recipe.draws:
        return photos
    pairs, scale = [], recipe.scale
    for index, photo in enumerate(photos):
        side = min(VALIDATION_SIDE // scale + margin(recipe.task, recipe.drawn), *photo.degraded.shape[:2])
        top, left = (scale * ((length - side) // 2) for length in photo.degraded.shape[:2])
        square = photo.clean[top : top + scale * side, left : left + scale * side]
        for draw in range(recipe.validation_draws):
            rng = np.random.default_rng((recipe.seed, index, draw))
            pairs.append(Pair(*degrade(recipe.task, in_bytes(square), rng, recipe.drawn)))
    return pairs


class PatchSampler(Dataset[tuple[Tensor, Tensor]]):
    """Random batches by step: they follow from seed and step alone, so resuming changes nothing."""

    def __init__(self, photos: list[Pair], recipe: Recipe) -> None:
        self.margin = margin(recipe.task, recipe.drawn) if recipe.draws else 0
        self.photos = [p for p in photos if min(p.degraded.shape[:2]) >= recipe.patch + self.margin]
        if not self.photos:
            raise UsageError(f"no photo is as large as a patch of {recipe.patch * recipe.scale} pixels")
        area = np.array([p.degraded.shape[0] * p.degraded.shape[1] for p in self.photos], dtype=np.float64)
        self.chance = area / area.sum()
        self.recipe = recipe
        self.hard = _hard_squares(self.photos) if recipe.hard else None
        self.drawn = [_pair(sheet, recipe) for sheet in sheets(recipe.seed)] if recipe.drawings else []

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return degraded B×3×p×p and clean B×3×sp×sp, float32 in 0–1."""
        rng = np.random.default_rng((self.recipe.seed, step))
        chosen = [self._patch(rng) for _ in range(self.recipe.batch)]
        return tensor([pair.degraded for pair in chosen]), tensor([pair.clean for pair in chosen])

    def _patch(self, rng: np.random.Generator) -> Pair:
        photo, top, left = self._place(rng)
        size, scale = self.recipe.patch + self.margin, self.recipe.scale
        clean = photo.clean[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        clean = _turn(clean, turns, mirrored)
        if self.recipe.draws:
            return Pair(*degrade(self.recipe.task, in_bytes(clean), rng, self.recipe.drawn))
        degraded = photo.degraded[top : top + size, left : left + size]
        return Pair(_turn(degraded, turns, mirrored), clean)

    def _place(self, rng: np.random.Generator) -> tuple[Pair, int, int]:
        """Choose a photo and where the patch begins: anywhere, or around a hard square."""
        size = self.recipe.patch + self.margin
        if self.drawn and rng.random() < self.recipe.drawings:
            return _anywhere(self.drawn[int(rng.integers(len(self.drawn)))], size, rng)
        if self.hard is not None and rng.random() < self.recipe.hard:
            chosen = self.hard.squares[np.searchsorted(self.hard.chance, rng.random())]
            index, row, column = (int(n) for n in chosen)
            photo = self.photos[index]
            begins = [int(rng.integers(BLOCK * n - size + BLOCK, BLOCK * n + 1)) for n in (row, column)]
            top, left = (
                min(max(begin, 0), side - size)
                for begin, side in zip(begins, photo.degraded.shape[:2], strict=True)
            )
            return photo, top, left
        return _anywhere(self.photos[rng.choice(len(self.photos), p=self.chance)], size, rng)


def batches(sampler: PatchSampler, first: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches from step ``first`` on, made ahead by ``workers`` processes (0: by none)."""
    context = "spawn" if workers else None  # a fork would copy torch's threads in an unknown state
    steps = range(first, len(sampler))
    loader = DataLoader(
        sampler, batch_size=None, sampler=steps, num_workers=workers, multiprocessing_context=context
    )
    yield from loader


def tensor(images: Sequence[Bytes | NDArray[np.float32]]) -> Tensor:
    """Stack H×W×3 images, uint8 or float32 in 0–1, to B×3×H×W float32 in 0–1 (channels-last memory)."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    floats = stacked.contiguous(memory_format=torch.channels_last).float()
    return floats / 255 if stacked.dtype == torch.uint8 else floats


def _anywhere(photo: Pair, size: int, rng: np.random.Generator) -> tuple[Pair, int, int]:
    top = int(rng.integers(photo.degraded.shape[0] - size + 1))
    return photo, top, int(rng.integers(photo.degraded.shape[1] - size + 1))


def _hard_squares(photos: Sequence[Pair]) -> HardSquares:
    found = [difficulty(in_bytes(photo.clean)) for photo in photos]
    squares = [
        np.column_stack([np.full(level.size, index), *(n.ravel() for n in np.indices(level.shape))])
        for index, level in enumerate(found)
    ]
    chance = np.cumsum(np.concatenate([level.ravel() for level in found]))
    return HardSquares(chance / chance[-1], np.concatenate(squares))


def in_bytes(image: Bytes | NDArray[np.float32]) -> Bytes:
    """Return an image in 8 bit: itself, or floats of 0–1 rounded."""
    return (
        to_bytes(image.astype(np.float32)) if image.dtype != np.uint8 else image.astype(np.uint8, copy=False)
    )


def _picture(file: Path) -> str:
    digits = file.name[: len(file.name) - len(file.name.lstrip("0123456789"))]
    return digits or file.name


def _turn(image: Any, turns: int, mirrored: bool) -> Any:
    turned = np.rot90(image, turns)
    return turned[:, ::-1] if mirrored else turned
