"""Putting tiles together on the device: finished rows come back while the next ones are computed.

The same weighted sums as `blend.Canvas`, to the bit, in a strip as high as one row of tiles. Where a row of
tiles is complete, nothing above the next one's start changes any more: those rows go to the host, the rest
moves up.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restorecli.engine.blend import Deliver, allocate, axis_weights
from restorecli.engine.memory import total_memory
from restorecli.engine.tiles import Box, Grid
from restorecli.engine.transfer import download, to_samples, upload

MEMORY_SHARE = 0.1
"""Of the device's memory that strips may take; tiles are chosen to leave a quarter of it."""


class Strips:
    """An output under construction on ``device``, 1×C×sH×sW float32 in the end on the host.

    Args:
        grid: the tiles; they are added row by row.
        channels: C, channels of the output.
        scale: s, output side ÷ input side.
        device: where tiles are.
        deliver: takes the rows instead of an output on the host.
        peak: where given, what is delivered are samples, see `transfer.to_samples`.
        first: the row of tiles that comes first, as for `blend.Bands`.

    Attributes:
        delivered: the first row that was not delivered yet.

    Raises:
        torch.OutOfMemoryError: two strips do not fit.
    """

    def __init__(
        self,
        grid: Grid,
        channels: int,
        scale: int,
        device: torch.device,
        deliver: Deliver | None = None,
        peak: int | None = None,
        first: int = 0,
    ) -> None:
        height, width = grid.rows.length * scale, grid.columns.length * scale
        self._output = torch.empty(0) if deliver else allocate((1, channels, height, width))
        self._height = height
        self._deliver = deliver or self._keep
        self._peak = peak
        self._starts = [start * scale for start in grid.rows.starts]
        self._scale = scale
        shape = (channels, min(grid.rows.tile * scale, height), width)
        self._strips = [torch.zeros(shape, device=device) for _ in range(2)]
        self._rows, self._columns = (
            [upload(weight.float(), device) for weight in axis_weights(axis, scale)]
            for axis in (grid.rows, grid.columns)
        )
        self._row = first
        self.delivered = self._starts[first]
        self._arriving: tuple[int, Tensor, Callable[[], None]] | None = None

    @staticmethod
    def suit(grid: Grid, channels: int, scale: int, device: torch.device) -> bool:
        """Tell whether two strips take little of the device's memory."""
        needed = 2 * 4 * channels * grid.rows.tile * grid.columns.length * scale**2
        return needed <= MEMORY_SHARE * total_memory(device)

    def add(self, box: Box, tile: Tensor) -> None:
        """Add one tile's output, C×(s·tile height)×(s·tile width) float32; padding is cut off."""
        while self._row < box.row:
            self._advance()
        left = box.left * self._scale
        strip = self._strips[0]
        target = strip[:, : tile.shape[-2], left : left + tile.shape[-1]]
        height = min(target.shape[-2], self._height - self._starts[box.row])
        width = target.shape[-1]
        weight = self._rows[box.row][:height, None] * self._columns[box.column][None, :width]
        # Product and sum are each rounded, as on the host, so that bytes do not tell where this was done.
        target[:, :height].add_(tile.to(strip.device)[:, :height, :width] * weight)

    def finish(self) -> Tensor:
        """Return the output; every tile has been added."""
        while self._row < len(self._starts):
            self._advance()
        self._take()
        return self._output

    def _advance(self) -> None:
        """Send the rows that no later tile reaches, and begin the next row of tiles."""
        here = self._starts[self._row]
        last = self._row + 1 == len(self._starts)
        end = self._height if last else self._starts[self._row + 1]
        strip, free = self._strips
        rows = strip[:, : end - here]
        ready = rows.contiguous() if self._peak is None else to_samples(rows, self._peak)
        copies, wait = download((ready,))
        self._take()  # the earlier rows, while these are on their way
        self._arriving = (here, copies[0], wait)
        if not last:
            kept = strip.shape[1] - (end - here)
            free[:, :kept] = strip[:, end - here :]
            free[:, kept:] = 0
            self._strips = [free, strip]
        self._row += 1

    def _take(self) -> None:
        if self._arriving is not None:
            top, rows, wait = self._arriving
            wait()
            self._deliver(top, rows)
            self.delivered = top + rows.shape[1 if self._peak is None else 0]
            self._arriving = None

    def _keep(self, top: int, rows: Tensor) -> None:
        self._output[0, :, top : top + rows.shape[1]] = rows
