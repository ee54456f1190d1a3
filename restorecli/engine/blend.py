"""Putting tiles together: separable ramps that sum to one, added up in host memory.

A tile's weight along an axis is up(x; its first ramp) − up(x; its last ramp), where up climbs from 0 to 1
over the ramp; the sum over tiles telescopes to 1, so no array of weights is kept and nothing is divided.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from pathlib import Path

import torch
from torch import Tensor

from restorecli.engine.cache import cache_dir
from restorecli.engine.tiles import Axis, Box, Grid, ramps
from restorecli.host import available_bytes

IN_MEMORY_SHARE = 0.25
"""An output larger than this share of the memory that is free lives in a file instead."""


def axis_weights(axis: Axis, scale: int) -> list[Tensor]:
    """Return each tile's weights along ``axis``: scale·tile float64 in 0–1, 1 in sum over the tiles."""
    between = ramps(axis, scale)
    weights = []
    for index, start in enumerate(axis.starts):
        x = torch.arange(axis.tile * scale, dtype=torch.float64) + (start * scale + 0.5)
        weight = _climb(x, *between[index - 1]) if index > 0 else torch.ones_like(x)
        if index < len(between):
            weight = weight - _climb(x, *between[index])
        weights.append(weight)
    return weights


def _climb(x: Tensor, centre: float, width: float) -> Tensor:
    if width <= 0:
        return (x > centre).to(x.dtype)
    return ((x - centre) / width + 0.5).clamp(0, 1)


class Canvas:
    """An output under construction, 1×C×sH×sW float32 in host memory.

    Args:
        grid: the tiles.
        channels: C, channels of the output.
        scale: s, output side ÷ input side.
    """

    def __init__(self, grid: Grid, channels: int, scale: int) -> None:
        self.output = allocate((1, channels, grid.rows.length * scale, grid.columns.length * scale))
        self._grid = grid
        self._scale = scale
        self._rows = [weight.float() for weight in axis_weights(grid.rows, scale)]
        self._columns = [weight.float() for weight in axis_weights(grid.columns, scale)]

    def finish(self) -> Tensor:
        """Return the output; every tile has been added."""
        return self.output

    def add(self, box: Box, tile: Tensor) -> None:
        """Add one tile's output, C×(s·tile height)×(s·tile width) float32 on the CPU; padding is cut off."""
        top, left = box.top * self._scale, box.left * self._scale
        target = self.output[0, :, top : top + tile.shape[-2], left : left + tile.shape[-1]]
        height, width = target.shape[-2:]
        if self._grid.count == 1:
            target.copy_(tile[:, :height, :width])
            return
        weight = self._rows[box.row][:height, None] * self._columns[box.column][None, :width]
        # Context pixels weigh nothing: leaving them out saves touching (and reading from disk) their memory.
        rows, columns = _support(self._rows[box.row][:height]), _support(self._columns[box.column][:width])
        target[:, rows, columns].addcmul_(tile[:, rows, columns], weight[rows, columns])


def _support(weights: Tensor) -> slice:
    used = weights.nonzero()
    if not len(used):
        return slice(0, 0)
    return slice(int(used[0]), int(used[-1]) + 1)


def allocate(shape: tuple[int, ...]) -> Tensor:
    """Return zeros, float32: in memory, or mapped from a temporary file where memory would be short.

    The file is deleted at once where the system lets open files be deleted, else with the tensor.
    """
    size = 4
    for side in shape:
        size *= side
    if size <= IN_MEMORY_SHARE * available_bytes():
        return torch.zeros(shape)
    folder = (
        cache_dir() / "scratch"
    )  # the cache lies on a disk; the system's temporary folder is often memory
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".pixels", dir=folder)
    os.close(handle)
    path = Path(name)
    flat = torch.from_file(str(path), shared=True, size=size // 4, dtype=torch.float32)
    try:
        path.unlink()
    except OSError:  # Windows: in use
        weakref.finalize(flat.untyped_storage(), _unlink, path)
    return flat.view(shape)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
