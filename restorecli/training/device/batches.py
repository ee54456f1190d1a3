"""Batches from photos that stay on the device: cut by index, turned, degraded, all as tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from restorecli.errors import UsageError
from restorecli.training.degradations import margin
from restorecli.training.device.degradations import TASKS, Draw
from restorecli.training.device.filters import shrunk
from restorecli.training.device.places import Places
from restorecli.training.device.placing import placed
from restorecli.training.patches import PatchSampler, in_bytes
from restorecli.training.recipe import Recipe

BORDER = 4
"""Pixels of the small picture around a patch that is shrunk, so that it is as if cut from a shrunk photo."""


def can_stay(recipe: Recipe) -> bool:
    """Whether a recipe's patches can be made on the device."""
    return recipe.task in TASKS and (not recipe.hard or (recipe.draws and recipe.scale == 1))


class DeviceBatches:
    """Batches by step, which follow from seed and step alone (and from the kind of device).

    Args:
        sampler: holds photos and drawn sheets; what is cut is as often of each as there.
        device: where the pixels are kept, 3 bytes each.
    """

    def __init__(self, sampler: PatchSampler, device: torch.device) -> None:
        self.recipe, self.device = sampler.recipe, device
        self.margin = margin(self.recipe.task, self.recipe.drawn) if self.recipe.draws else 2 * BORDER
        size = (self.recipe.patch + self.margin) * self.recipe.scale
        photos = [photo for photo in sampler.photos if min(photo.clean.shape[:2]) >= size]
        sheets = [sheet for sheet in sampler.drawn if min(sheet.clean.shape[:2]) >= size]
        if not photos:
            raise UsageError(f"no photo is as large as a patch of {size} pixels")
        self.size, kept = size, [in_bytes(pair.clean) for pair in (*photos, *sheets)]
        self.sides = np.array([image.shape[:2] for image in kept])
        self.starts = np.concatenate([[0], np.cumsum(self.sides.prod(1))[:-1]])
        self.pixels = torch.from_numpy(np.concatenate([image.reshape(-1, 3) for image in kept])).to(device)
        self.places = Places(
            self.sides,
            len(photos),
            size,
            self.recipe.scale,
            self.recipe.drawings,
            self.recipe.hard,
            sampler.hard,
        )

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return degraded B×3×p×p and clean B×3×sp×sp of a step, float32, 0–1, on the device."""
        recipe = self.recipe
        numbers = np.random.default_rng((recipe.seed, step))
        random = torch.Generator(self.device).manual_seed(int(numbers.integers(2**62)))
        clean = self._cut(numbers)
        side, scale = recipe.patch, recipe.scale
        if recipe.draws:
            seen, clean = TASKS[recipe.task](clean, Draw(numbers, random, recipe.drawn))
        else:
            seen = shrunk(clean, scale)
        start = 0 if recipe.draws else BORDER
        inside, wanted = slice(start, start + side), slice(scale * start, scale * (start + side))
        seen, clean = seen[:, :, inside, inside], clean[:, :, wanted, wanted]
        return (
            seen.contiguous(memory_format=torch.channels_last),
            clean.contiguous(memory_format=torch.channels_last),
        )

    def _cut(self, numbers: np.random.Generator) -> Tensor:
        """Cut and turn a batch of clean patches, B×3×size×size."""
        count, size = self.recipe.batch, self.size
        which, corners = self.places.drawn(numbers, count)
        turns, mirrored = numbers.integers(4, size=count), numbers.integers(2, size=count)
        widths = self.sides[which, 1]
        starts = self.starts[which] + corners[:, 0] * widths + corners[:, 1]
        begin, width, turn, mirror = (
            placed(np.asarray(each, np.int64), self.device)[:, None, None]
            for each in (starts, widths, turns, mirrored)
        )
        down, across = turned(size, turn, mirror)
        return self.pixels[begin + down * width + across].permute(0, 3, 1, 2).float() / 255


def turned(size: int, turns: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the pixels of turned squares come from: row and column, each B×size×size.

    Args:
        size: side of the squares.
        turns: quarter turns, 0–3, B×1×1.
        mirrored: whether columns are first exchanged, 0 or 1, B×1×1.
    """
    last = size - 1
    count = torch.arange(size, device=turns.device)
    down = count[:, None].expand(len(turns), size, size)
    across = torch.where(mirrored == 1, last - count, count).expand(len(turns), size, size)
    odd = turns % 2 == 1
    rows, columns = torch.where(odd, across, down), torch.where(odd, down, across)
    return (
        torch.where(turns >= 2, last - rows, rows),
        torch.where((turns == 1) | (turns == 2), last - columns, columns),
    )


def device_batches(
    sampler: PatchSampler, first: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches from step ``first`` on."""
    source = DeviceBatches(sampler, device)
    for step in range(first, sampler.recipe.steps):
        yield source[step]
