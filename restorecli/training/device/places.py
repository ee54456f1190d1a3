"""Where the patches of a batch are cut: anywhere, or around squares that plain demosaicing fails at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from restorecli.training.mosaics import BLOCK
from restorecli.training.patches import HardSquares

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """What places are drawn from.

    Attributes:
        sides: height and width of each photo, then of each drawn sheet, N×2.
        photos: how many of them are photos.
        size: side of a patch, pixels.
        scale: of which places are multiples.
        sheets: share of patches that are cut from drawn sheets.
        hard: share of the others that lie around hard squares.
        squares: the hard squares of the photos; None where ``hard`` is 0.
    """

    sides: Whole
    photos: int
    size: int
    scale: int = 1
    sheets: float = 0.0
    hard: float = 0.0
    squares: HardSquares | None = None

    def drawn(self, numbers: np.random.Generator, count: int) -> tuple[Whole, Whole]:
        """Return which photo or sheet each of ``count`` patches is of, and its top and left, count×2."""
        which = numbers.choice(len(self.sides), count, p=self._chance)
        room = (self.sides[which] - self.size) // self.scale + 1
        corners = (numbers.random((count, 2)) * room).astype(np.int64) * self.scale
        if self.squares is None:
            return which, corners
        taken = (numbers.random(count) < self.hard) & (which < self.photos)
        of, around = self._around_squares(self.squares, numbers, count)
        return np.where(taken, of, which), np.where(taken[:, None], around, corners)

    @cached_property
    def _chance(self) -> NDArray[np.float64]:
        area = self.sides[: self.photos].prod(1)
        sheets = len(self.sides) - self.photos
        share = self.sheets if sheets else 0.0
        return np.concatenate([area / area.sum() * (1 - share), np.full(sheets, share / max(1, sheets))])

    def _around_squares(
        self, squares: HardSquares, numbers: np.random.Generator, count: int
    ) -> tuple[Whole, Whole]:
        """Return photos and corners of patches that hold a hard square each, as `PatchSampler` draws them."""
        chosen = squares.squares[np.searchsorted(squares.chance, numbers.random(count))]
        which, begin = chosen[:, 0], BLOCK * chosen[:, 1:]
        corners = numbers.integers(begin - self.size + BLOCK, begin + 1)
        return which, np.clip(corners, 0, self.sides[which] - self.size)
