"""Where GRL's windows, stripes and anchors lie in an image, and how far apart their tokens are.

An axis of ``size`` pixels is tiled by windows of ``side`` pixels after a cyclic shift of ``shift`` pixels,
and its anchors (average-pooled by ``factor``) by windows of ``side // factor`` after their own shift. The
shift makes the last window wrap around the border: its first ``side - shift`` tokens are the image's last
ones and the other ``shift`` its first ones. GRL adds −100 to the logits of pairs from two such parts.
`axis_spans` describes the tiling in one of two ways:

- cut: the wrapped window becomes two shorter pieces that do not see each other, so that every piece is a
  plain range of the image and no mask is needed. Equal to the mask wherever exp(−100 + …) is below a
  float32's last bit, which `bias.PositionBias` proves from the weights.
- wrapped: the window is kept whole and knows where its second part begins.

Only the (at most 3×3) combinations of row and column spans differ; windows of one combination are a
`WindowGroup` and share everything but their place. Groups are functions of the geometry alone and are
cached per size and device in a `ByteCache`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class AxisTiling:
    """How one axis is tiled: pixels per window, pixels per anchor, whether windows are shifted by half."""

    side: int
    factor: int = 1
    shifted: bool = False

    @property
    def anchor_side(self) -> int:
        """Anchors per window."""
        return self.side // self.factor

    @property
    def shift(self) -> int:
        """Pixels by which windows are shifted."""
        return self.side // 2 if self.shifted else 0

    @property
    def anchor_shift(self) -> int:
        """Anchors by which windows of anchors are shifted."""
        return self.anchor_side // 2 if self.shifted else 0


@dataclass(frozen=True)
class AxisSpan:
    """Windows, or pieces of windows, of one kind along an axis.

    Attributes:
        starts: first pixel of each; a window may run past the end and go on at 0.
        anchor_starts: the same in anchors.
        length: pixels in each.
        anchor_length: anchors in each.
        offset: row of the position table for the first pixel and the last anchor.
        seam: the pixel at which the second region of a wrapped window begins; ``length`` where there is none.
        anchor_seam: the same in anchors.
    """

    starts: tuple[int, ...]
    anchor_starts: tuple[int, ...]
    length: int
    anchor_length: int
    offset: int
    seam: int
    anchor_seam: int


def axis_spans(size: int, tiling: AxisTiling, cut: bool) -> tuple[AxisSpan, ...]:
    """Tile an axis of ``size`` pixels, a multiple of the window's side.

    Args:
        size: pixels along the axis.
        tiling: the windows.
        cut: whether the wrapped window is cut in two (see the module's text).
    """
    side, anchors = tiling.side, tiling.anchor_side
    shift, anchor_shift = tiling.shift, tiling.anchor_shift
    count = size // side
    whole = count if shift == 0 else count - 1
    first, last = side - shift, anchors - anchor_shift
    spans = []
    if whole:
        starts = tuple(shift + side * i for i in range(whole))
        anchor_starts = tuple(anchor_shift + anchors * i for i in range(whole))
        spans.append(AxisSpan(starts, anchor_starts, side, anchors, 0, side, anchors))
    if shift == 0:
        return tuple(spans)
    start, anchor_start = size - first, size // tiling.factor - last
    if not cut:
        return (*spans, AxisSpan((start,), (anchor_start,), side, anchors, 0, first, last))
    end = AxisSpan((start,), (anchor_start,), first, last, anchor_shift, first, last)
    begin = AxisSpan((0,), (0,), shift, anchor_shift, first, shift, anchor_shift)
    if begin == replace(end, starts=(0,), anchor_starts=(0,)):  # in window attention
        return (*spans, replace(end, starts=(start, 0), anchor_starts=(anchor_start, 0)))
    return (*spans, end, begin)


@dataclass(frozen=True)
class WindowGroup:
    """All windows of one shape in a batch of images.

    Attributes:
        pixels: n×L indices into the B·H·W tokens, row-major within a window.
        anchors: n×K indices into the anchors, **last first**, so that a pair's row in the position table is
            a sum, not a difference (see `bias.HankelBias`).
        rows: the span of its rows.
        columns: the span of its columns.
    """

    pixels: Tensor
    anchors: Tensor
    rows: AxisSpan
    columns: AxisSpan

    @property
    def masked(self) -> bool:
        """Whether a seam runs through these windows."""
        return self.rows.seam < self.rows.length or self.columns.seam < self.columns.length


def window_groups(
    size: tuple[int, int],
    tilings: tuple[AxisTiling, AxisTiling],
    *,
    cut: bool,
    device: torch.device,
    batch: int = 1,
) -> tuple[WindowGroup, ...]:
    """Return the windows of ``batch`` images grouped by shape.

    ``size`` (H, W) is a multiple of the windows' sides. Tokens are numbered through all images.
    """
    height, width = size
    vertical, horizontal = tilings
    anchor_height, anchor_width = height // vertical.factor, width // horizontal.factor
    groups = []
    for rows in axis_spans(height, vertical, cut):
        for columns in axis_spans(width, horizontal, cut):
            pixels = _rectangles(
                _ranges(rows.starts, rows.length, height),
                _ranges(columns.starts, columns.length, width),
                width,
            )
            anchors = _rectangles(
                _ranges(rows.anchor_starts, rows.anchor_length, anchor_height),
                _ranges(columns.anchor_starts, columns.anchor_length, anchor_width),
                anchor_width,
            )
            pixels = _repeated(pixels, batch, height * width).to(device)
            anchors = _repeated(anchors.flip(1), batch, anchor_height * anchor_width).to(device)
            groups.append(WindowGroup(pixels, anchors, rows, columns))
    return tuple(groups)


def _ranges(starts: tuple[int, ...], length: int, size: int) -> Tensor:
    return (torch.tensor(starts)[:, None] + torch.arange(length)) % size


def _rectangles(rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Combine a×h row and b×w column indices into (a·b)×(h·w) token indices."""
    tokens = rows[:, None, :, None] * width + columns[None, :, None, :]
    return tokens.reshape(len(rows) * len(columns), -1)


def _repeated(tokens: Tensor, batch: int, per_image: int) -> Tensor:
    """Repeat one image's n×L indices for all images: (batch·n)×L."""
    return (tokens + per_image * torch.arange(batch)[:, None, None]).flatten(0, 1)


def relative_coordinates(tilings: tuple[AxisTiling, AxisTiling]) -> Tensor:
    """Return the log-spaced offsets between pixels and anchors of a window, (w₁+a₁−1)×(w₂+a₂−1)×2 float32.

    Along an axis offsets run from −(a−1) − (w−a)//2 to (w−1) − (w−a)//2; they are divided by the positive
    end, multiplied by 8 and mapped by sign(t)·log₂(|t|+1)/log₂ 8 (Liu et al. 2022, Swin v2, eq. 4).
    """
    axes = []
    for tiling in tilings:
        side, anchors = tiling.side, tiling.anchor_side
        middle = (side - anchors) // 2
        offsets = torch.arange(1 - anchors - middle, side - middle, dtype=torch.float32)
        offsets = offsets / (side - 1 - middle) * 8
        axes.append(offsets.sign() * torch.log2(offsets.abs() + 1) / 3)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def group_bytes(groups: tuple[WindowGroup, ...]) -> int:
    """Return the bytes of the groups' indices."""
    return sum(tensor.nbytes for group in groups for tensor in (group.pixels, group.anchors))
