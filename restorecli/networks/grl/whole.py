"""GRL's mixed attention for GPUs: all windows of an image in one fused kernel, whatever regions they hold.

The same as `attention`, arranged for few and large launches. Windows that wrap around stay whole, so that all
have one size and one bias. Their mask, −100 between two regions, is no tensor but a part of the product: with
a, b = ±1 for the region of a token's row and column, queries get the further channels 50a, 50b and keys a, b,
which gives ±50 for each axis. Where only the exact mask will do, because a logit of −200 is not as good as
one of −100, the channels are 25a, 25b, 25ab and a, b, ab: 75 within a region and −25 between any two. A
softmax does not see the constant. Heads are filled up with zeros to a multiple of 8, without which half
precision has no fused kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.copied import copied
from restorecli.networks.grl.bias import BiasTable, HankelBias, second_region
from restorecli.networks.grl.windows import AxisTiling, WindowGroup, window_groups

ALIGNED = 8
SHORTEST = 1e-12
"""A vector shorter than this counts as this long (`torch.nn.functional.normalize`)."""
TOKENS = 2**19
"""Taken through the linear layers at a time."""


@dataclass(frozen=True)
class Windows:
    """All windows of a batch of images.

    Attributes:
        pixels: n×L indices into the B·H·W tokens.
        anchors: n×K indices into the anchors.
        pixel_signs: n×L×2×1×2 or 3, what stands for a token's region as a query and as a key; None where no
            window holds two regions.
        anchor_signs: n×K×2×1×2 or 3.
        group: the geometry they share.
    """

    pixels: Tensor
    anchors: Tensor
    pixel_signs: Tensor | None
    anchor_signs: Tensor | None
    group: WindowGroup

    def parts(self) -> Iterator[Windows]:
        """Yield them in parts of about `TOKENS` pixels."""
        step = max(1, TOKENS // self.pixels.shape[1])
        for first in range(0, len(self.pixels), step):
            part = slice(first, first + step)
            own, others = (None if s is None else s[part] for s in (self.pixel_signs, self.anchor_signs))
            yield Windows(self.pixels[part], self.anchors[part], own, others, self.group)

    @property
    def nbytes(self) -> int:
        """Bytes of it all."""
        held = (self.pixels, self.anchors, self.pixel_signs, self.anchor_signs)
        return sum(tensor.nbytes for tensor in held if tensor is not None)


def all_windows(
    shape: Sequence[int],
    tilings: tuple[AxisTiling, AxisTiling],
    device: torch.device,
    dtype: torch.dtype,
    cache: ByteCache,
    *,
    exact_mask: bool,
) -> Windows:
    """Return the windows of B×H×W×C tokens, made once per size.

    Args:
        shape: B, H, W, C.
        tilings: of both axes.
        device: where they are used.
        dtype: of the signs.
        cache: keeps them.
        exact_mask: whether the mask must be −100 between any two regions, not just at least that.
    """
    batch, height, width, _ = shape

    def make() -> Windows:
        groups = window_groups((height, width), tilings, batch=batch, cut=False, device=torch.device("cpu"))
        pixels = torch.cat([group.pixels for group in groups])
        anchors = torch.cat([group.anchors.flip(1) for group in groups])
        pixel_signs = anchor_signs = None
        if any(group.masked for group in groups):
            pixel_signs, anchor_signs = (
                torch.cat([_signs(group, of_pixels, exact_mask) for group in groups]).to(dtype)
                for of_pixels in (True, False)
            )
            pixel_signs, anchor_signs = copied(pixel_signs, device), copied(anchor_signs, device)
        pixels, anchors = copied(pixels, device), copied(anchors, device)
        return Windows(pixels, anchors, pixel_signs, anchor_signs, groups[0])

    return cache.get(
        (tilings, batch, height, width, device, dtype, exact_mask), make, lambda made: made.nbytes
    )


def _signs(group: WindowGroup, of_pixels: bool, exact_mask: bool) -> Tensor:
    rows, columns = group.rows, group.columns
    sides = (rows.length, columns.length) if of_pixels else (rows.anchor_length, columns.anchor_length)
    seams = (rows.seam, columns.seam) if of_pixels else (rows.anchor_seam, columns.anchor_seam)
    cpu = torch.device("cpu")
    a, b = (1 - 2.0 * second_region(side, seam, cpu) for side, seam in zip(sides, seams, strict=True))
    signs = [a[:, None].expand(sides), b[None, :].expand(sides)]
    if exact_mask:
        signs.append(signs[0] * signs[1])
    keys = torch.stack(signs, dim=-1).flatten(0, 1)
    both = torch.stack([keys * (25.0 if exact_mask else 50.0), keys], dim=1)  # L×2×2 or 3
    return both[:, :, None].expand(len(group.pixels), -1, -1, -1, -1)


def bias(
    table: BiasTable, windows: Windows, dtype: torch.dtype, cache: ByteCache, *, queries_are_pixels: bool
) -> Tensor:
    """Return the bias of every pair in a window, 1×heads×queries×keys in ``dtype``, tokens in their order."""

    def make() -> tuple[BiasTable, Tensor]:
        values = (table.forward if queries_are_pixels else table.backward).to(dtype)
        whole = HankelBias(values, _seamless(windows.group), queries_are_pixels).whole()
        # `HankelBias` numbers anchors from the last.
        return table, whole.flip(2 if queries_are_pixels else 1)[None]

    if table.forward.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return make()[1]  # memory of a graph that is being recorded must not be kept
    key = (id(table), windows.group.rows, windows.group.columns, dtype, queries_are_pixels)
    return cache.get(key, make, lambda made: made[1].nbytes)[1]


def _seamless(group: WindowGroup) -> WindowGroup:
    spans = (
        replace(span, seam=span.length, anchor_seam=span.anchor_length)
        for span in (group.rows, group.columns)
    )
    return WindowGroup(group.pixels, group.anchors, *spans)


def heads(tokens: Tensor, scales: Tensor, signs: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return directions of ``tokens`` with the channels that stand for the mask, ready for the kernel.

    Args:
        tokens: n×L×2×heads×d, queries and keys.
        scales: 2×heads×1 float32, the factors of both.
        signs: n×L×2×1×2 or 3, see `Windows`; None where no mask is wanted.

    Returns:
        Queries and keys, each n×heads×L×D, D a multiple of 8, in ``tokens``' dtype.
    """
    size = tokens.shape[-1]
    # Lengths are summed in float32: a float16 overflows at 65504.
    lengths = torch.linalg.vector_norm(tokens, dim=-1, keepdim=True, dtype=torch.float32)
    factors = scales / lengths.clamp_min_(SHORTEST)
    further = 0 if signs is None else signs.shape[-1]
    out = tokens.new_zeros(*tokens.shape[:-1], -(-(size + further) // ALIGNED) * ALIGNED)
    torch.mul(tokens, factors, out=out[..., :size])
    if signs is not None:
        out[..., size : size + further] = signs
    queries, keys = out.unbind(2)
    return queries.transpose(1, 2), keys.transpose(1, 2)


def values(tokens: Tensor) -> Tensor:
    """Return values n×L×heads×d as n×heads×L×D, D a multiple of 8."""
    missing = -tokens.shape[-1] % ALIGNED
    return (F.pad(tokens, (0, missing)) if missing else tokens).transpose(1, 2)


def attend(queries: Tensor, keys: Tensor, held: Tensor, mask: Tensor) -> Tensor:
    """Return softmax(queries·keysᵀ + mask)·values."""
    return F.scaled_dot_product_attention(queries, keys, held, attn_mask=mask, scale=1.0)


def by_token(found: Tensor, size: int) -> Tensor:
    """Return n×heads×L×D as (n·L)×(heads·d), the first ``size`` channels of each head."""
    return found[..., :size].transpose(1, 2).reshape(found.shape[0] * found.shape[2], -1)
