"""Tiles taken out of a picture, which goes on beyond its borders by reflection."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


def cut(image: Tensor | Pixels, top: int, left: int, tile: tuple[int, int], border: int = 0) -> Tensor:
    """Return 1×C×h×w at (top, left) of ``image`` (1×C×H×W), reflected where it reaches beyond it.

    With a ``border``, (top, left) is a place in the image that is continued so far by reflection, all round.
    """
    height, width = tile
    above, before = top - border, left - border
    within = above + height <= image.shape[-2] and before + width <= image.shape[-1]
    if min(above, before) >= 0 and within:
        if not isinstance(image, Tensor):
            return image.part(above, above + height, before, before + width)
        return image[..., above : above + height, before : before + width]
    rows = reflected(top, height, image.shape[-2], border)
    columns = reflected(left, width, image.shape[-1], border)
    if not isinstance(image, Tensor):
        first, start = int(rows.min()), int(columns.min())
        image = image.part(first, int(rows.max()) + 1, start, int(columns.max()) + 1)
        rows, columns = rows - first, columns - start
    return image[..., rows, :][..., columns]


class Pixels(Protocol):
    """A picture that is read as its tiles are taken, from top to bottom; `cut` takes it like a tensor.

    Attributes:
        shape: 1, C, H and W, as of a tensor.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """1, C, H and W."""

    def part(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Return 1×C×h×w float32, finite, in 0–1: the rows ``top`` … ``bottom`` − 1, columns likewise."""


def reflected(start: int, count: int, length: int, border: int = 0) -> Tensor:
    """Return the indices start … start + count − 1 folded back into 0 … length − 1, ends not repeated.

    Any distance beyond either end works, also for one pixel; the parity of an index (a Bayer phase) is kept.
    With a ``border``, indices count from there, and what lies beyond it is folded at its edge first.
    """
    within = _folded(torch.arange(start, start + count), length + 2 * border)
    return _folded(within - border, length) if border else within


def _folded(indices: Tensor, length: int) -> Tensor:
    period = max(1, 2 * (length - 1))
    position = indices % period
    return torch.where(position < length, position, period - position)
