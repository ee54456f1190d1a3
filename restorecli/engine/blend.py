"""Putting tiles together: separable ramps that sum to one, added up in host memory.

A tile's weight along an axis is up(x; its first ramp) − up(x; its last ramp), where up climbs from 0 to 1
over the ramp; the sum over tiles telescopes to 1, so no array of weights is kept and nothing is divided.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from restorecli.engine.cache import cache_dir
from restorecli.engine.tiles import Axis, Box, Grid, ramps
from restorecli.engine.transfer import to_samples
from restorecli.errors import OutOfMemoryError
from restorecli.host import available_bytes

AT_ONCE = 16
"""Rows that are delivered at once: rounding and encoding take several copies of them."""
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


Deliver = Callable[[int, Tensor], None]
"""Takes finished rows: the number of the first, and C×rows×sW float32, which are overwritten after; or
rows×sW×C samples, where those were asked for."""


class _Weights:
    """Adds tiles' outputs, weighted, to where they belong; ``grid`` and ``scale`` as for `Canvas`."""

    def __init__(self, grid: Grid, scale: int) -> None:
        self._alone = grid.count == 1
        self._rows, self._columns = (
            [weight.float() for weight in axis_weights(axis, scale)] for axis in (grid.rows, grid.columns)
        )

    def add(self, box: Box, tile: Tensor, target: Tensor) -> None:
        """Add ``tile`` to ``target``, which begins where the tile does and may end before it."""
        height, width = target.shape[-2:]
        if self._alone:
            target.copy_(tile[:, :height, :width])
            return
        down, across = self._rows[box.row][:height], self._columns[box.column][:width]
        # Context pixels weigh nothing: leaving them out saves touching (and reading from disk) their memory.
        rows, columns = _support(down), _support(across)
        weight = down[rows, None] * across[None, columns]
        # Not addcmul_, which rounds once on some devices and twice on others: see `strips.Strips.add`.
        target[:, rows, columns].add_(tile[:, rows, columns] * weight)


class Canvas:
    """An output under construction, 1×C×sH×sW float32 in host memory.

    Args:
        grid: the tiles.
        channels: C, channels of the output.
        scale: s, output side ÷ input side.
    """

    def __init__(self, grid: Grid, channels: int, scale: int) -> None:
        self.output = allocate((1, channels, grid.rows.length * scale, grid.columns.length * scale))
        self._scale = scale
        self._weights = _Weights(grid, scale)

    def finish(self) -> Tensor:
        """Return the output; every tile has been added."""
        return self.output

    def add(self, box: Box, tile: Tensor) -> None:
        """Add one tile's output, C×(s·tile height)×(s·tile width) float32 on the CPU; padding is cut off."""
        top, left = box.top * self._scale, box.left * self._scale
        target = self.output[0, :, top : top + tile.shape[-2], left : left + tile.shape[-1]]
        self._weights.add(box, tile, target)


class Bands:
    """An output under construction in host memory, of which no more than a row of tiles is held.

    In float32 are only the columns that the next tile reaches, and the rows that the next row of tiles
    reaches; all else waits as it is to be delivered, which for samples is a quarter or half of that.

    Args:
        grid: the tiles, which come row by row.
        channels: C, channels of the output.
        scale: s, output side ÷ input side.
        deliver: takes the rows, each once, from top to bottom, once their row of tiles is complete.
        first: the row of tiles that comes first; those above are left out, with what they alone give.
        peak: where given, what is delivered are samples, see `transfer.to_samples`.
    """

    def __init__(
        self,
        grid: Grid,
        channels: int,
        scale: int,
        deliver: Deliver,
        first: int = 0,
        peak: int | None = None,
    ) -> None:
        self._height, self._width = grid.rows.length * scale, grid.columns.length * scale
        self._tops = [*(start * scale for start in grid.rows.starts[first:]), self._height]
        self._lefts = [*(start * scale for start in grid.columns.starts), self._width]
        self._channels, self._peak, self._deliver = channels, peak, deliver
        self._weights = _Weights(grid, scale)
        self._single = grid.count == 1
        # The first rows of this row of tiles, by those above; from the left they become the next one's.
        most = max(grid.rows.overlaps, default=0) * scale
        self._shared = torch.empty(channels, most, self._width)
        self._begun = self._begins = 0  # how many of them there are, and will be
        self._open = torch.empty(channels, 0, 0)  # columns of the next tile, by those before
        self._ended = torch.empty(0)  # what no other tile reaches, as it is to be delivered

    def add(self, box: Box, tile: Tensor) -> None:
        """Add one tile's output, C×(s·tile height)×(s·tile width) float32 on the CPU; padding is cut off."""
        if self._single:
            self._ended = self._ready(tile[:, : self._height, : self._width])
            self._hand_out()
            return
        top, left, right = self._tops[0], *self._lefts[box.column : box.column + 2]
        height = min(tile.shape[-2], self._height - top)
        width = min(tile.shape[-1], self._width - left)
        known = self._open.shape[-1]
        sums = torch.zeros(self._channels, height, width)
        if known:
            sums[:, :, :known] = self._open
        sums[:, : self._begun, known:] = self._shared[:, : self._begun, left + known : left + width]
        self._weights.add(box, tile, sums)
        self._close(left, sums[:, :, : right - left])
        self._open = sums[:, :, right - left :].clone()
        if right == self._width:
            self._hand_out()
            self._begun, self._tops = self._begins, self._tops[1:]

    def finish(self) -> Tensor:
        """Return nothing: all rows were delivered with the last tile."""
        return torch.empty(0)

    def _close(self, left: int, columns: Tensor) -> None:
        """Keep columns that no further tile of this row reaches."""
        rows, width = self._tops[1] - self._tops[0], columns.shape[-1]
        ended, shared = self._ready(columns[:, :rows]), columns[:, rows:]
        across = 2 if self._peak is None else 1
        if left == 0:
            shape = list(ended.shape)
            shape[across] = self._width
            self._ended = ended.new_empty(shape)
        self._ended.narrow(across, left, width).copy_(ended)
        self._begins = shared.shape[1]
        self._shared[:, : self._begins, left : left + width] = shared

    def _ready(self, rows: Tensor) -> Tensor:
        return rows if self._peak is None else to_samples(rows, self._peak)

    def _hand_out(self) -> None:
        """Deliver the rows that are finished, a few at a time: who takes them may need copies."""
        axis = 1 if self._peak is None else 0
        step = self._ended.shape[axis] if self._single and self._peak is None else AT_ONCE
        top = self._tops[0]
        for part in torch.split(self._ended, step, dim=axis):
            self._deliver(top, part)
            top += part.shape[axis]
        self._ended = torch.empty(0)


def inside(margin: int, height: int, width: int, deliver: Deliver, *, samples: bool = False) -> Deliver:
    """Return what takes the rows of a picture with a margin and delivers those of the picture alone.

    With ``samples`` rows come as rows×W×C, else as C×rows×W.
    """
    axis = 0 if samples else 1

    def take(top: int, rows: Tensor) -> None:
        first, end = max(0, margin - top), min(rows.shape[axis], margin + height - top)
        if first < end:
            inner = rows.narrow(axis, first, end - first).narrow(axis + 1, margin, width)
            deliver(top + first - margin, inner)

    return take


def from_row(first: int, deliver: Deliver, *, samples: bool = False) -> Deliver:
    """Return what takes rows and delivers those from ``first`` on; ``samples`` as for `inside`."""
    axis = 0 if samples else 1

    def take(top: int, rows: Tensor) -> None:
        left_out = max(0, first - top)
        if left_out < rows.shape[axis]:
            deliver(top + left_out, rows.narrow(axis, left_out, rows.shape[axis] - left_out))

    return take


def rounding(deliver: Deliver, peak: int) -> Deliver:
    """Return what takes rows in float32 and delivers them as samples, see `transfer.to_samples`."""

    def take(top: int, rows: Tensor) -> None:
        for start in range(0, rows.shape[1], AT_ONCE):
            deliver(top + start, to_samples(rows[:, start : start + AT_ONCE], peak))

    return take


def _support(weights: Tensor) -> slice:
    used = weights.nonzero()
    if not len(used):
        return slice(0, 0)
    return slice(int(used[0]), int(used[-1]) + 1)


def allocate(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return zeros: in memory, or mapped from a temporary file where memory would be short.

    The file is deleted at once where the system lets open files be deleted, else with the tensor.

    Raises:
        OutOfMemoryError: neither the memory nor a disk has the space.
    """
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size <= IN_MEMORY_SHARE * available_bytes():
        return torch.zeros(shape, dtype=dtype)
    path = _scratch_file(size)
    if path is None:
        if size > available_bytes():
            raise OutOfMemoryError(
                f"a result of {size / 2**20:.0f} MiB fits neither into the memory nor on a disk",
                "free space, or set RESTORE_CACHE_DIR to a folder that has it",
            )
        return torch.zeros(shape, dtype=dtype)
    flat = torch.from_file(str(path), shared=True, size=count, dtype=dtype)
    try:
        path.unlink()
    except OSError:  # Windows: in use
        weakref.finalize(flat.untyped_storage(), _unlink, path)
    return flat.view(shape)


def _scratch_file(size: int) -> Path | None:
    """Return a file of ``size`` zeros whose space is reserved; None where no folder has it.

    Space that is only promised would end the process by SIGBUS once the disk is full.
    """
    # The cache lies on a disk; the system's temporary folder is often memory.
    for folder in (cache_dir() / "scratch", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(suffix=".pixels", dir=folder)
        except OSError:  # read-only, say
            continue
        try:
            _reserve(handle, size)
        except OSError:
            _unlink(Path(name))
            continue
        finally:
            os.close(handle)
        return Path(name)
    return None


def _reserve(descriptor: int, size: int) -> None:
    """Have the disk set ``size`` bytes aside, zeros. Raises `OSError` where it has not so many."""
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot
                raise
    block = bytes(1 << 20)
    while size > 0:
        size -= os.write(descriptor, block[:size])


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
