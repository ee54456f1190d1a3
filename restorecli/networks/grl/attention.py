"""GRL's mixed attention: windows beside anchored stripes, exact, without ever holding an attention matrix.

With x̂ = x/‖x‖, per head, for queries Q, keys K, values V, a relative position bias B and a mask M:

    A(Q, K, V) = softmax(min(e^s, 100)·Q̂K̂ᵀ + B + M) V

Half of the channels go through window attention A(Q, K, V); the other half through anchored stripe
attention, where anchors D = linear(average pool(x)) summarise a stripe: A(Q, D, A(D, K, V)).
M is −100 between the regions that a cyclic shift brings together and 0 elsewhere.

- Tokens are gathered window by window straight into the linear layers, so q, k, v never exist for the image.
- Queries are taken in slabs of a few window rows: logits, softmax and product stay in the CPU's cache.
- On a GPU all windows go at once instead: see `whole`.
- A wrapped window is cut in two where the weights prove that M leaves nothing across the cut
  (`bias.BiasTable.cut`): no mask, and up to three quarters of that window's work less.

The attention core is float32 on a CPU whatever the rest is: cosine similarities times up to 100, plus up to
16, have errors of 0.25 in bfloat16, which the exponential turns into 28 %. There it costs no time.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.gathered import rows_at
from restorecli.networks.grl import whole
from restorecli.networks.grl.bias import MASKED_LOGIT, HankelBias, PositionBias, tracks_gradients
from restorecli.networks.grl.windows import AxisTiling, WindowGroup, group_bytes, window_groups

SLAB_BYTES = 2**21
"""Logits held at a time on a CPU: within its last-level cache, and enough work for several threads."""
BATCHED_PAIRS = 2**16
"""Up to this many pairs per window, windows are multiplied in one batch rather than one by one."""
CHUNK_TOKENS = 2**13
"""Tokens taken through the linear layers at a time."""

Found = tuple[Tensor, Tensor]
"""Numbers of tokens, and what attention found for each: a row of C/2."""


def _onednn_linear() -> Callable[..., Tensor] | None:
    """Return oneDNN's linear operator: on AMD processors 2.3 times as fast as MKL's in float32."""
    if not torch._C._has_mkldnn or platform.machine() not in ("x86_64", "AMD64"):
        return None
    found: Callable[..., Tensor] | None = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if found is None:
        return None
    try:
        found(*torch.zeros(2, 2, 2, device="cpu"), None, "gelu", [], "none")
    except (RuntimeError, NotImplementedError):  # a torch built without it, or with another signature
        return None
    return found


_ONEDNN_LINEAR = _onednn_linear()
if _ONEDNN_LINEAR is not None and _ONEDNN_LINEAR not in flop_registry:

    @register_flop_formula(_ONEDNN_LINEAR)
    def _linear_flops(x: Sequence[int], weight: Sequence[int], *rest: object, **named: object) -> int:
        return 2 * math.prod(x) * weight[0]


_FUSED: tuple[tuple[str, list[float], str], ...] = (("none", [], ""), ("gelu", [], "none"))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, gelu: bool = False) -> Tensor:
    """Return x·weightᵀ + bias (N×I and O×I → N×O), through the exact GELU if ``gelu``."""
    if _ONEDNN_LINEAR is not None and _takes_onednn(x, weight):
        return _ONEDNN_LINEAR(x.contiguous(), weight, bias, *_FUSED[gelu])
    y = F.linear(as_weight(x, weight), weight, bias)
    return F.gelu(y) if gelu else y


def as_weight(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x`` in the precision of the layer's weight, unless autocast is there to choose it."""
    return x if torch.is_autocast_enabled(x.device.type) else x.to(weight.dtype)


def _takes_onednn(x: Tensor, weight: Tensor) -> bool:
    plain = x.dtype is torch.float32 is weight.dtype and x.device.type == "cpu" and len(x) > 0
    return plain and not tracks_gradients(x, weight) and not torch.is_autocast_enabled("cpu")


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: HankelBias) -> Tensor:
    """Return softmax(queries·keysᵀ + bias)·values for n windows of one kind.

    Args:
        queries: n×heads×L×d, normalised and scaled.
        keys: n×heads×K×d, normalised.
        values: n×heads×K×d.
        bias: of these windows.

    Returns:
        n×heads×L×d.
    """
    if queries.device.type != "cpu" or tracks_gradients(queries, keys, values, bias.values):
        mask = bias.whole().to(queries.dtype)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    with torch.autocast("cpu", enabled=False):
        if queries.shape[2] * keys.shape[2] <= BATCHED_PAIRS:
            return _attend_batched(queries, keys, values, bias)
        return _attend_in_slabs(queries, keys, values, bias)


def _attend_batched(queries: Tensor, keys: Tensor, values: Tensor, bias: HankelBias) -> Tensor:
    mask = bias.whole()
    step = max(1, SLAB_BYTES // mask.nbytes)
    out = torch.empty_like(queries)
    for first in range(0, len(queries), step):
        part = slice(first, first + step)
        logits = (queries[part] @ keys[part].mT).add_(mask)
        torch.matmul(torch.softmax(logits, dim=-1, out=logits), values[part], out=out[part])
    return out


def _attend_in_slabs(queries: Tensor, keys: Tensor, values: Tensor, bias: HankelBias) -> Tensor:
    rows, columns = bias.query_size
    count = keys.shape[2]
    step = max(1, SLAB_BYTES // (columns * count * queries.element_size()))
    out = torch.empty_like(queries)
    for first in range(0, rows, step):
        last = min(rows, first + step)
        here = slice(first * columns, last * columns)
        views, across = bias.rows(first, last), bias.across(first, last)
        for window in range(len(queries)):
            for head in range(queries.shape[1]):
                logits = linear(queries[window, head, here], keys[window, head])
                square = logits.view(last - first, columns, count).add_(views[head])
                if across is not None:
                    square.add_(across, alpha=-MASKED_LOGIT)
                torch.softmax(logits, dim=-1, out=logits)
                out[window, head, here] = linear(logits, values[window, head].mT)
    return out


def core_dtype(tensor: Tensor) -> torch.dtype:
    """Return the dtype of the attention core for tokens like ``tensor``."""
    return torch.float32 if tensor.device.type == "cpu" else tensor.dtype


def by_head(tokens: Tensor) -> Tensor:
    """Reorder n×L×heads×d to a contiguous n×heads×L×d."""
    return tokens.transpose(1, 2).to(core_dtype(tokens)).contiguous()


def directions(tokens: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return the tokens (n×L×heads×d) at length 1, times ``scale`` per head, as n×heads×L×d.

    Squares are summed in float32: a float16 overflows at 65504, and 1e-12, below which a length counts as
    zero, does not exist in it.
    """
    wide = tokens.float()
    factor = (wide * wide).sum(-1, keepdim=True).clamp_min(1e-24).rsqrt()
    if scale is not None:
        factor = factor * scale[:, None]
    if tracks_gradients(tokens) or tokens.device.type != "cpu":
        return (wide * factor).transpose(1, 2).to(core_dtype(tokens)).contiguous()
    count, length, heads, size = tokens.shape
    out = wide.new_empty(count, heads, length, size)
    return torch.mul(wide.transpose(1, 2), factor.transpose(1, 2), out=out)


class MixedAttention(nn.Module):
    """Window attention on one half of the channels, anchored stripe attention on the other, and a projection.

    Args:
        channels: C, even.
        heads: of the windows and of the stripes; each divides C/2.
        window: tiling of both axes by windows.
        stripe: tilings of the vertical and horizontal axis by stripes.
        groups: the network's cache of window geometry.
        masks: its cache of whole biases, for GPUs.
    """

    def __init__(
        self,
        channels: int,
        heads: tuple[int, int],
        window: tuple[AxisTiling, AxisTiling],
        stripe: tuple[AxisTiling, AxisTiling],
        groups: ByteCache,
        masks: ByteCache,
    ) -> None:
        super().__init__()
        self.share = channels // 2
        self.window_heads, self.stripe_heads = heads
        self.window, self.stripe = window, stripe
        self.groups, self.masks = groups, masks
        self.qkv = nn.Linear(channels, 3 * channels)
        self.anchors = nn.Linear(channels, self.share)
        self.within_window = PositionBias(self.window_heads, window)
        self.anchors_to_pixels = PositionBias(self.stripe_heads, stripe)
        self.pixels_to_anchors = PositionBias(self.stripe_heads, stripe)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×H×W×C to the concatenated result before the projection, B×(H·W)×C."""
        batch, height, width, channels = x.shape
        tokens = x.view(batch * height * width, channels)
        dtype = self.qkv.weight.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        if x.device.type != "cpu" and not tracks_gradients(x, self.qkv.weight):
            tokens, anchors = tokens.to(dtype), self._pool(x)
            windows = self._windows_at_once(tokens, x.shape)
            stripes = self._stripes_at_once(tokens, anchors, x.shape)
        else:
            windows = self._windows(tokens, x.shape)
            stripes = self._stripes(tokens, self._pool(x), x.shape)
        if tracks_gradients(x, self.qkv.weight):
            halves = [_assembled(found, len(tokens), dtype) for found in (windows, stripes)]
            return torch.cat(halves, dim=1).view(batch, -1, channels)
        out = torch.empty_like(tokens, dtype=dtype)
        for half, found in ((slice(self.share), windows), (slice(self.share, None), stripes)):
            for places, rows in found:
                out[:, half].index_copy_(0, places, rows.to(dtype))
        return out.view(batch, -1, channels)

    def _pool(self, x: Tensor) -> Tensor:
        """Return the anchors of B×H×W×C pixels, (B·anchors)×C/2."""
        pooled: Tensor = F.avg_pool2d(x.permute(0, 3, 1, 2), (self.stripe[0].factor, self.stripe[1].factor))
        flat = pooled.permute(0, 2, 3, 1).reshape(-1, x.shape[3])
        return linear(flat, self.anchors.weight, self.anchors.bias)

    def _windows(self, tokens: Tensor, shape: Sequence[int]) -> Iterator[Found]:
        table = self.within_window.table()
        weight, bias = self.qkv.weight[: 3 * self.share], self.qkv.bias[: 3 * self.share]
        for group in self._groups(self.window, shape, tokens.device, cut=table.cut):
            position = HankelBias(table.backward, group, queries_are_pixels=False)
            for pixels, backwards in _chunks(group):
                qkv = linear(tokens.index_select(0, pixels.flatten()), weight, bias)
                q, k, v = qkv.view(*pixels.shape, 3, self.window_heads, -1).unbind(2)
                found = attend(directions(q, table.scale).flip(2), directions(k), by_head(v), position)
                yield _by_token(backwards, found)

    def _stripes(self, tokens: Tensor, anchors: Tensor, shape: Sequence[int]) -> Iterator[Found]:
        inward, outward = self.anchors_to_pixels.table(), self.pixels_to_anchors.table()
        weight, bias = self.qkv.weight[3 * self.share :], self.qkv.bias[3 * self.share :]
        for group in self._groups(self.stripe, shape, tokens.device, cut=inward.cut and outward.cut):
            to_pixels = HankelBias(inward.backward, group, queries_are_pixels=False)
            to_anchors = HankelBias(outward.forward, group, queries_are_pixels=True)
            for pixels, summaries in _chunks(group):
                qkv = linear(tokens.index_select(0, pixels.flatten()), weight, bias)
                q, k, v = qkv.view(*pixels.shape, 3, self.stripe_heads, -1).unbind(2)
                picked = anchors.index_select(0, summaries.flatten())
                picked = picked.view(*summaries.shape, self.stripe_heads, -1)
                summary = attend(directions(picked, inward.scale), directions(k), by_head(v), to_pixels)
                found = attend(directions(q, outward.scale), directions(picked), summary, to_anchors)
                yield _by_token(pixels, found)

    def _windows_at_once(self, tokens: Tensor, shape: Sequence[int]) -> Iterator[Found]:
        table, share = self.within_window.table(), self.share
        device, dtype = tokens.device, tokens.dtype
        exact = not table.cut
        windows = whole.all_windows(shape, self.window, device, dtype, self.groups, exact_mask=exact)
        mask = whole.bias(table, windows, dtype, self.masks, queries_are_pixels=False)
        weight, bias = self.qkv.weight[: 3 * share], self.qkv.bias[: 3 * share]
        for part in windows.parts():
            qkv = linear(rows_at(tokens, part.pixels.flatten(), self.groups), weight, bias)
            qkv = qkv.view(*part.pixels.shape, 3, self.window_heads, -1)
            q, k = whole.heads(qkv[:, :, :2], table.scales, part.pixel_signs)
            found = whole.attend(q, k, whole.values(qkv[:, :, 2]), mask)
            yield part.pixels.flatten(), whole.by_token(found, share // self.window_heads)

    def _stripes_at_once(self, tokens: Tensor, anchors: Tensor, shape: Sequence[int]) -> Iterator[Found]:
        inward, outward = self.anchors_to_pixels.table(), self.pixels_to_anchors.table()
        device, dtype = tokens.device, tokens.dtype
        exact = not (inward.cut and outward.cut)
        stripes = whole.all_windows(shape, self.stripe, device, dtype, self.groups, exact_mask=exact)
        to_pixels = whole.bias(inward, stripes, dtype, self.masks, queries_are_pixels=False)
        to_anchors = whole.bias(outward, stripes, dtype, self.masks, queries_are_pixels=True)
        weight, bias = self.qkv.weight[3 * self.share :], self.qkv.bias[3 * self.share :]
        for part in stripes.parts():
            qkv = linear(rows_at(tokens, part.pixels.flatten(), self.groups), weight, bias)
            qkv = qkv.view(*part.pixels.shape, 3, self.stripe_heads, -1)
            picked = rows_at(anchors, part.anchors.flatten(), self.groups)
            picked = picked.view(*part.anchors.shape, 1, self.stripe_heads, -1).expand(-1, -1, 2, -1, -1)
            q, k = whole.heads(qkv[:, :, :2], outward.scales, part.pixel_signs)
            asking, asked = whole.heads(picked, inward.scales, part.anchor_signs)
            summary = whole.attend(asking, k, whole.values(qkv[:, :, 2]), to_pixels)
            found = whole.attend(q, asked, summary, to_anchors)
            yield part.pixels.flatten(), whole.by_token(found, self.share // self.stripe_heads)

    def _groups(
        self, tilings: tuple[AxisTiling, AxisTiling], shape: Sequence[int], device: torch.device, *, cut: bool
    ) -> tuple[WindowGroup, ...]:
        batch, height, width, _ = shape
        return self.groups.get(
            (tilings, batch, height, width, cut, device),
            lambda: window_groups((height, width), tilings, batch=batch, cut=cut, device=device),
            group_bytes,
        )


def _chunks(group: WindowGroup) -> list[tuple[Tensor, Tensor]]:
    """Split a group's windows into parts of about `CHUNK_TOKENS` pixels."""
    count = max(1, CHUNK_TOKENS // group.pixels.shape[1])
    return list(zip(torch.split(group.pixels, count), torch.split(group.anchors, count), strict=True))


def _by_token(tokens: Tensor, found: Tensor) -> Found:
    """Return the n·L numbers of ``tokens`` (n×L) and their results (n×heads×L×d) as rows of heads·d."""
    return tokens.flatten(), found.transpose(1, 2).reshape(tokens.numel(), -1)


def _assembled(parts: Iterable[Found], count: int, dtype: torch.dtype) -> Tensor:
    """Put all parts at their places of count×C/2 at once: autograd pays for each write by a whole copy."""
    places, rows = (torch.cat(column) for column in zip(*parts, strict=True))
    return rows.new_empty(count, rows.shape[1], dtype=dtype).index_copy(0, places, rows.to(dtype))
