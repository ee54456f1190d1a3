"""GRL's relative position bias: a small table per attention, seen as the bias of every pair without copies.

The bias of a pair depends on its offset only (Liu et al. 2022, Swin v2, eq. 3 and 4):

    B[(i,j), (i′,j′)] = t[i − i′ + o, j − j′ + o′]        t = 16·sigmoid(MLP(log-spaced offsets))

`PositionBias` makes t once and keeps it until the weights change or move. `HankelBias` shows t as B: with
one side of the pair numbered backwards the index is a sum, B is a Hankel matrix, and the bias of one row of
queries is a strided view of a tensor (query rows · key rows ÷ table rows) times smaller than B, quickly made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorecli.networks.derived import Derived
from restorecli.networks.grl.windows import AxisTiling, WindowGroup, relative_coordinates

MASKED_LOGIT = 100.0
"""What GRL subtracts from the logit of a pair from two regions."""
MAX_LOG_SCALE = math.log(100.0)
NEGLIGIBLE_LOGIT = -18.0
"""e to this power is a quarter of a float32's last bit: what a cut may lose of a softmax's sum."""


def tracks_gradients(*tensors: Tensor) -> bool:
    """Whether autograd would record an operation on these tensors."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


@dataclass(frozen=True)
class BiasTable:
    """What `PositionBias` adds to logits and multiplies them by; float32.

    Attributes:
        forward: heads×R×S, the bias of queries numbered forwards and keys numbered backwards.
        backward: the same flipped on both axes: queries backwards, keys forwards.
        scale: the factor of the cosine similarity, one per head.
        scales: the same for queries and, 1, for keys: 2×heads×1.
        cut: whether masked pairs weigh less than a float32's last bit, whatever the queries and keys are.
    """

    forward: Tensor
    backward: Tensor
    scale: Tensor
    scales: Tensor
    cut: bool


class PositionBias(nn.Module):
    """The learned scale and continuous relative position bias of one attention (Swin v2).

    Its parameters stay in float32 when the network is converted to half precision: 16·sigmoid amplifies their
    rounding to 3 % of an attention weight, and the table is computed once, so nothing is gained.
    """

    def __init__(self, heads: int, tilings: tuple[AxisTiling, AxisTiling]) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.hidden = nn.Linear(2, 512)
        self.heads = nn.Linear(512, heads, bias=False)
        self.tilings = tilings
        self._held: Derived[BiasTable] = Derived()

    def table(self) -> BiasTable:
        """Return the table of the present weights: the one held while they are the same, else a new one."""
        if tracks_gradients(*self.parameters()):
            return self._make()
        return self._held.get(list(self.parameters()), self._make)

    def _make(self) -> BiasTable:
        with torch.autocast(self.logit_scale.device.type, enabled=False):
            offsets = relative_coordinates(self.tilings).to(self.hidden.weight)
            values = (
                16 * torch.sigmoid(self.heads(F.relu(self.hidden(offsets)))).permute(2, 0, 1).contiguous()
            )
            scale = self.logit_scale.flatten().clamp(max=MAX_LOG_SCALE).exp()
        scales = torch.stack([scale, torch.ones_like(scale)]).unsqueeze(-1)
        return BiasTable(values, values.flip(1, 2), scale, scales, self._may_be_cut(values, scale))

    @torch.no_grad()
    def _may_be_cut(self, values: Tensor, scale: Tensor) -> bool:
        keys = math.prod(tiling.side for tiling in self.tilings)
        spread = (values.amax((1, 2)) - values.amin((1, 2)) + 2 * scale).max()
        try:
            return float(spread) + math.log(keys) - MASKED_LOGIT < NEGLIGIBLE_LOGIT
        except RuntimeError:  # a tensor of the shape alone, as for counting operations, proves nothing
            return False

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PositionBias:
        def keep_precision(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            half = moved.dtype in (torch.float16, torch.bfloat16)
            return tensor.to(moved.device) if half else moved

        self._held = Derived()
        super()._apply(keep_precision, recurse)  # type: ignore[no-untyped-call]
        return self


class HankelBias:
    """The bias between all queries and keys of one kind of window, as views of a small tensor.

    One of the two is numbered from the window's start, the other from its end, so that the table's row for
    query row i and key row i′ is i + i′ + offset, and its column j + j′ + offset. The tensor held is
    heads × query columns × table rows × key columns; for a query row i, the keys' kh·kw values of each
    query column are contiguous in it, beginning at table row i + offset.

    Args:
        table: `BiasTable.forward` or `BiasTable.backward`.
        group: the windows.
        queries_are_pixels: pixels attend to anchors; else anchors attend to pixels.
    """

    def __init__(self, table: Tensor, group: WindowGroup, queries_are_pixels: bool) -> None:
        rows, columns = group.rows, group.columns
        pixels, anchors = (rows.length, columns.length), (rows.anchor_length, columns.anchor_length)
        self.query_size, self.key_size = (pixels, anchors) if queries_are_pixels else (anchors, pixels)
        self.offset = rows.offset
        heads, table_rows, table_columns = table.shape
        strides = (table_rows * table_columns, 1, table_columns, 1)
        size = (heads, self.query_size[1], table_rows, self.key_size[1])
        self.values = table.as_strided(size, strides, table.storage_offset() + columns.offset).contiguous()
        self._regions: tuple[Tensor, ...] | None = None
        if group.masked:
            device = table.device
            of_pixels = [second_region(span.length, span.seam, device) for span in (rows, columns)]
            of_anchors = [
                second_region(span.anchor_length, span.anchor_seam, device).flip(0)
                for span in (rows, columns)
            ]
            self._regions = (*of_pixels, *of_anchors) if queries_are_pixels else (*of_anchors, *of_pixels)

    def rows(self, first: int, last: int) -> Tensor:
        """Return the bias of query rows first … last−1: a view, heads × rows × query columns × keys."""
        heads, columns, table_rows, key_columns = self.values.shape
        size = (heads, last - first, columns, self.key_size[0] * key_columns)
        strides = (columns * table_rows * key_columns, key_columns, table_rows * key_columns, 1)
        return self.values.as_strided(size, strides, (first + self.offset) * key_columns)

    def across(self, first: int, last: int) -> Tensor | None:
        """Return which pairs of these query rows cross a seam, rows × query columns × keys; None: none do."""
        if self._regions is None:
            return None
        query_rows, query_columns, key_rows, key_columns = self._regions
        differ = (query_rows[first:last, None, None, None] != key_rows[:, None]) | (
            query_columns[None, :, None, None] != key_columns
        )
        return differ.flatten(2)

    def whole(self) -> Tensor:
        """Return bias plus mask as a heads × queries × keys tensor."""
        bias = self.rows(0, self.query_size[0]).flatten(1, 2)
        across = self.across(0, self.query_size[0])
        return bias if across is None else bias - MASKED_LOGIT * across.flatten(0, 1)


def second_region(length: int, seam: int, device: torch.device) -> Tensor:
    """Return which tokens of an axis of a window come after its seam."""
    return torch.arange(length, device=device) >= seam
