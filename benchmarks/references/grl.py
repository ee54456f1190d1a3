"""GRL as the paper writes it down, to measure ours against: everything again on every call, whole matrices.

Tables of relative coordinates, indices and masks are built for the input's size in every forward pass, the
bias MLPs run in every attention, windows are cyclically shifted and every attention matrix is held whole.
Attributes are called as in the released checkpoints, so those load without a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (0.4488, 0.4371, 0.4040)
Pair = tuple[int, int]


def build(state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Return the network (eval mode) with the released ``state_dict`` in it.

    Args:
        state_dict: released keys; the tables, indices and masks may be there or not.
        settings: of `ReferenceGRL`.
    """
    network = ReferenceGRL(**settings)
    derived = ("table_", "index_", "mask_")
    learnt = {key: value for key, value in state_dict.items() if not key.startswith(derived)}
    network.load_state_dict(learnt)
    return network.eval().requires_grad_(False)


def coordinates_table(window: Pair, factor: int) -> Tensor:
    """Return 1×(w₁+a₁−1)×(w₂+a₂−1)×2 log-spaced offsets."""
    axes = []
    for side in window:
        anchor = side // factor
        middle = (side - anchor) // 2
        offsets = torch.arange(-(anchor - 1) - middle, side - middle, dtype=torch.float32)
        axes.append(offsets / offsets[-1] * 8)
    table = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return (torch.sign(table) * torch.log2(table.abs() + 1) / math.log2(8))[None]


def position_index(window: Pair, factor: int, pixels_first: bool) -> Tensor:
    """Return the table row of every pair of pixel and anchor, queries × keys."""
    anchor = (window[0] // factor, window[1] // factor)
    first, second = (window, anchor) if pixels_first else (anchor, window)
    width = window[1] + anchor[1] - 1
    a = torch.stack(torch.meshgrid(*map(torch.arange, first), indexing="ij")).flatten(1)
    b = torch.stack(torch.meshgrid(*map(torch.arange, second), indexing="ij")).flatten(1)
    row, column = a[:, :, None] - b[:, None, :] + (torch.tensor(second) - 1)[:, None, None]
    return row * width + column


def regions(size: Pair, window: Pair, shift: Pair) -> Tensor:
    """Return which of the 3×3 regions of the shifted image each token is in, windows × tokens."""
    marks = torch.zeros(1, *size, 1)
    count = 0
    for rows in (slice(0, -window[0]), slice(-window[0], -shift[0]), slice(-shift[0], None)):
        for columns in (slice(0, -window[1]), slice(-window[1], -shift[1]), slice(-shift[1], None)):
            marks[:, rows, columns] = count
            count += 1
    return partition(marks, window).squeeze(-1)


def mask(queries: Tensor, keys: Tensor) -> Tensor:
    """Return −100 for pairs of different regions and 0 elsewhere, windows × queries × keys."""
    differ = queries[:, :, None] != keys[:, None, :]
    return torch.zeros(differ.shape).masked_fill(differ, -100.0)


def partition(x: Tensor, window: Pair) -> Tensor:
    """B×H×W×C → (B·windows)×tokens×C."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window[0], window[0], width // window[1], window[1], channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window[0] * window[1], channels)


def merge(windows: Tensor, window: Pair, size: Pair) -> Tensor:
    """(B·windows)×tokens×C → B×H×W×C."""
    x = windows.view(-1, size[0] // window[0], size[1] // window[1], *window, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, *size, windows.shape[-1])


class AffineTransform(nn.Module):
    """Cosine similarities → logits."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.zeros(heads, 1, 1))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, bias=False))

    def forward(self, cosine: Tensor, table: Tensor, index: Tensor, masked: Tensor | None) -> Tensor:
        logits = cosine * self.logit_scale.clamp(max=math.log(100.0)).exp()
        bias = self.cpb_mlp(table.to(cosine.dtype)).view(-1, cosine.shape[1])
        bias = bias[index.flatten()].view(*index.shape, -1).permute(2, 0, 1)
        logits = logits + 16 * torch.sigmoid(bias)[None]
        if masked is not None:
            count, queries, keys = masked.shape
            logits = logits.view(-1, count, logits.shape[1], queries, keys) + masked[None, :, None].to(logits)
            logits = logits.view(-1, logits.shape[2], queries, keys)
        return torch.softmax(logits, dim=-1)


def heads_first(x: Tensor, heads: int) -> Tensor:
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def attention(queries: Tensor, keys: Tensor, values: Tensor, transform: nn.Module, *geometry: Any) -> Tensor:
    cosine = F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).transpose(-2, -1)
    return transform(cosine, *geometry) @ values


class WindowAttention(nn.Module):
    def __init__(self, heads: int, window: Pair, shifted: bool) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.shift = (window[0] // 2, window[1] // 2) if shifted else (0, 0)
        self.attn_transform = AffineTransform(heads)

    def forward(self, qkv: Tensor, geometry: Mapping[str, Tensor]) -> Tensor:
        size = (qkv.shape[1], qkv.shape[2])
        qkv = torch.roll(qkv, (-self.shift[0], -self.shift[1]), (1, 2))
        q, k, v = (heads_first(part, self.heads) for part in partition(qkv, self.window).chunk(3, dim=-1))
        masked = geometry["mask_w"] if self.shift[0] else None
        out = attention(q, k, v, self.attn_transform, geometry["table_w"], geometry["index_w"], masked)
        out = merge(out.transpose(1, 2).flatten(2), self.window, size)
        return torch.roll(out, self.shift, (1, 2))


class AnchorStripeAttention(nn.Module):
    def __init__(self, heads: int, stripe: Pair, factor: int, shifted: bool, kind: str) -> None:
        super().__init__()
        self.heads, self.stripe, self.kind = heads, stripe, kind
        self.anchor = (stripe[0] // factor, stripe[1] // factor)
        self.shift = (stripe[0] // 2, stripe[1] // 2) if shifted else (0, 0)
        self.anchor_shift = (self.anchor[0] // 2, self.anchor[1] // 2) if shifted else (0, 0)
        self.attn_transform1 = AffineTransform(heads)
        self.attn_transform2 = AffineTransform(heads)

    def forward(self, qkv: Tensor, anchors: Tensor, geometry: Mapping[str, Tensor]) -> Tensor:
        size = (qkv.shape[1], qkv.shape[2])
        qkv = torch.roll(qkv, (-self.shift[0], -self.shift[1]), (1, 2))
        anchors = torch.roll(anchors, (-self.anchor_shift[0], -self.anchor_shift[1]), (1, 2))
        q, k, v = (heads_first(part, self.heads) for part in partition(qkv, self.stripe).chunk(3, dim=-1))
        a = heads_first(partition(anchors, self.anchor), self.heads)
        for queries, keys, transform, way in (
            (a, k, self.attn_transform1, "a2w"),
            (q, a, self.attn_transform2, "w2a"),
        ):
            masked = geometry[f"mask_{self.kind}_{way}"] if self.shift[0] else None
            table, index = geometry[f"table_{self.kind}"], geometry[f"index_{self.kind}_{way}"]
            v = attention(queries, keys, v, transform, table, index, masked)
        out = merge(v.transpose(1, 2).flatten(2), self.stripe, size)
        return torch.roll(out, self.shift, (1, 2))


class AnchorPool(nn.Module):
    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.reduction = nn.Linear(channels, channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(F.avg_pool2d(x.permute(0, 3, 1, 2), self.factor).permute(0, 2, 3, 1))


class Nested(nn.Module):
    """A module under one more name."""

    def __init__(self, name: str, inner: nn.Module) -> None:
        super().__init__()
        self.add_module(name, inner)
        self.inner_name = name

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule(self.inner_name)(x)


class MixedAttention(nn.Module):
    def __init__(
        self, channels: int, heads: Pair, window: int, stripe: Pair, factor: int, block: int
    ) -> None:
        super().__init__()
        kind, sides = ("sh", stripe) if block % 2 == 0 else ("sv", (stripe[1], stripe[0]))
        self.qkv = Nested("body", nn.Linear(channels, 3 * channels))
        self.anchor = Nested("body", nn.Sequential(AnchorPool(channels, factor)))
        self.window_attn = WindowAttention(heads[0], (window, window), block % 2 == 0)
        self.stripe_attn = AnchorStripeAttention(heads[1], sides, factor, block % 4 in (2, 3), kind)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, geometry: Mapping[str, Tensor]) -> Tensor:
        window, stripe = self.qkv(x).chunk(2, dim=-1)
        parts = (self.window_attn(window, geometry), self.stripe_attn(stripe, self.anchor(x), geometry))
        return self.proj(torch.cat(parts, dim=-1))


class ChannelAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 18)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.attention(x)


def local_branch(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels // 4, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(channels // 4, channels, 3, padding=1),
        ChannelAttention(channels),
    )


class Mlp(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 2 * channels)
        self.fc2 = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, channels: int, attn: MixedAttention, local: bool) -> None:
        super().__init__()
        self.attn = attn
        self.norm1 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)
        self.norm2 = nn.LayerNorm(channels)
        if local:
            self.conv = Nested("cab", local_branch(channels))

    def forward(self, x: Tensor, geometry: Mapping[str, Tensor]) -> Tensor:
        y = x + self.norm1(self.attn(x, geometry))
        if hasattr(self, "conv"):
            y = y + self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return y + self.norm2(self.mlp(y))


class Stage(nn.Module):
    def __init__(self, channels: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, geometry: Mapping[str, Tensor]) -> Tensor:
        y = x
        for block in self.blocks:
            y = block(y, geometry)
        return x + self.conv(y.permute(0, 3, 1, 2).contiguous()).permute(0, 2, 3, 1)


class Shuffle(nn.Module):
    def __init__(self, channels: int, outputs: int, factors: Sequence[int]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for factor in factors:
            stages += [nn.Conv2d(channels, factor**2 * outputs, 3, padding=1), nn.PixelShuffle(factor)]
        self.up = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x)


class ReferenceGRL(nn.Module):
    """Settings as in the published configurations; the input has as many channels as the output."""

    def __init__(
        self,
        window_size: int,
        stripe_size: Sequence[int],
        anchor_window_down_factor: int,
        depths: Sequence[int],
        num_heads_window: Sequence[int],
        num_heads_stripe: Sequence[int],
        embed_dim: int,
        upsampler: str = "",
        upscale: int = 1,
        in_channels: int = 3,
        local_connection: bool = False,
        img_size: int | None = None,
    ) -> None:
        super().__init__()
        self.window, self.stripe = window_size, (stripe_size[0], stripe_size[1])
        self.factor, self.upsampler, self.scale = anchor_window_down_factor, upsampler, upscale
        self.mean = torch.tensor(MEAN if in_channels == 3 else (0.0,)).view(1, -1, 1, 1)
        self.conv_first = nn.Conv2d(in_channels, embed_dim, 3, padding=1)
        self.norm_start = nn.LayerNorm(embed_dim)
        self.layers = nn.ModuleList()
        for depth, *heads in zip(depths, num_heads_window, num_heads_stripe, strict=True):
            attentions = [
                MixedAttention(embed_dim, (heads[0], heads[1]), window_size, self.stripe, self.factor, block)
                for block in range(depth)
            ]
            self.layers.append(
                Stage(embed_dim, [Block(embed_dim, attn, local_connection) for attn in attentions])
            )
        self.norm_end = nn.LayerNorm(embed_dim)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self._add_head(embed_dim, in_channels)

    def _add_head(self, channels: int, outputs: int) -> None:
        inner = channels
        if self.upsampler in ("pixelshuffle", "nearest+conv"):
            inner = 64
            self.conv_before_upsample = nn.Sequential(
                nn.Conv2d(channels, inner, 3, padding=1), nn.LeakyReLU()
            )
        if self.upsampler == "pixelshuffle":
            self.upsample = Shuffle(inner, inner, {2: [2], 3: [3], 4: [2, 2]}[self.scale])
        if self.upsampler == "nearest+conv":
            self.conv_up1, self.conv_up2, self.conv_hr = (
                nn.Conv2d(inner, inner, 3, padding=1) for _ in range(3)
            )
        if self.upsampler == "pixelshuffledirect":
            self.upsample = Shuffle(channels, outputs, [self.scale])
        else:
            self.conv_last = nn.Conv2d(inner, outputs, 3, padding=1)

    def geometry(self, size: Pair) -> dict[str, Tensor]:
        """Return the tables, indices and masks of an image of ``size``, under the released names."""
        window, factor = (self.window, self.window), self.factor
        marks = regions(size, window, (self.window // 2, self.window // 2))
        found = {"table_w": coordinates_table(window, 1), "index_w": position_index(window, 1, True)}
        found["mask_w"] = mask(marks, marks)
        small = (size[0] // factor, size[1] // factor)
        for kind, stripe in (("sh", self.stripe), ("sv", (self.stripe[1], self.stripe[0]))):
            anchor = (stripe[0] // factor, stripe[1] // factor)
            pixels = regions(size, stripe, (stripe[0] // 2, stripe[1] // 2))
            anchors = regions(small, anchor, (anchor[0] // 2, anchor[1] // 2))
            found[f"table_{kind}"] = coordinates_table(stripe, factor)
            found[f"index_{kind}_a2w"] = position_index(stripe, factor, False)
            found[f"index_{kind}_w2a"] = position_index(stripe, factor, True)
            found[f"mask_{kind}_a2w"] = mask(anchors, pixels)
            found[f"mask_{kind}_w2a"] = mask(pixels, anchors)
        return found

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        multiple = max(self.window, *self.stripe)
        right, down = -width % multiple, -height % multiple
        x = F.pad(x, (0, right, 0, down), "reflect" if right < width and down < height else "constant")
        x = x - self.mean
        shallow = self.conv_first(x)
        geometry = self.geometry((x.shape[2], x.shape[3]))
        y = self.norm_start(shallow.permute(0, 2, 3, 1))
        for stage in self.layers:
            y = stage(y, geometry)
        y = self.conv_after_body(self.norm_end(y).permute(0, 3, 1, 2).contiguous()) + shallow
        return (self._head(x, y) + self.mean)[..., : height * self.scale, : width * self.scale]

    def _head(self, x: Tensor, y: Tensor) -> Tensor:
        if self.upsampler == "":
            return x + self.conv_last(y)
        if self.upsampler == "pixelshuffledirect":
            return self.upsample(y)
        y = self.conv_before_upsample(y)
        if self.upsampler == "pixelshuffle":
            return self.conv_last(self.upsample(y))
        for conv in (self.conv_up1, self.conv_up2):
            y = F.leaky_relu(conv(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(y), 0.2))
