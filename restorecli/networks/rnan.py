"""RNAN, the residual non-local attention network: masks, from every pixel's view of all others, gate a trunk.

Paper: Zhang, Li, Li, Zhong, Fu, "Residual Non-local Attention Networks for Image Restoration", ICLR 2019
(openreview.net/forum?id=HkeGhoA5FX).
Source: github.com/yulunzhang/RNAN, without a licence; written here from the paper and the weights' layout.
Shape: B×C×H×W → B×C×sH×sW, C = 1 or 3, s = 1 (denoising, JPEG, demosaicing), 2, 3 or 4; any H and W from 1.
Range: 0–255 in and out; super-resolution takes the DIV2K mean off inside.

An attention module (section 3.2 of the paper) gates its trunk T by a mask M and keeps its input:

    x' = E(x),   h = T(x') ⊙ σ(M(x')) + x',   out = tail(h)

M goes to half size and back, so it sees far; in the first and the last group a non-local block stands before:

    y_i = Σ_j P_ij g(x_j),   P_ij = exp(θ_i·φ_j) / Σ_k exp(θ_k·φ_j),   out = W y + x

The weights of one key j sum to one over the queries i: the softmax of the released networks runs down the
columns.

What is done differently here: P (N×N for N pixels) is never built. Since a key's sum runs over the queries, a
block of keys needs nothing from other blocks: its keys are a bank of 1×1 filters over the query image, its
values divided by the keys' sums are a second bank, and the results of all blocks add up. Memory grows with N
only. Exponentials are of base 2, which is faster, with log₂e in the keys, and taken below the key's largest
score, so they cannot overflow. Where a GPU has the kernel for it, two fused passes do all keys at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks import fused
from restorecli.networks.checkpoint import Layout
from restorecli.networks.fused_tail import FusedTail
from restorecli.networks.layers import (
    MeanShift,
    ResBlock,
    Upsampler,
    conv1,
    conv3,
    fast_layout,
    pad_to_multiple,
    upsampler_scale,
)
from restorecli.networks.network import Network

if TYPE_CHECKING:
    from typing import Self

CPU_SCORES = 2 * 1024 * 1024
"""Attention scores worked on at a time on a CPU: 8 MiB of them stay in its cache."""
GPU_SCORES = 64 * 1024 * 1024
KEYS, MOST_KEYS = 32, 512  # per block: a multiple of KEYS, at most MOST_KEYS
HALF = (torch.float16, torch.bfloat16)


def attend(queries: Tensor, keys: Tensor, values: Tensor, block: int | None = None) -> Tensor:
    """Return Σ_j softmax_i(q_i·k_j) v_j, the softmax running over the queries i.

    Args:
        queries: B×D×H×W, float32 or float64.
        keys: B×D×H×W.
        values: B×D'×H×W.
        block: keys per step; by default as many as suit the device's memory.

    Returns:
        B×D'×H×W, in ``queries``' dtype.
    """
    if block is None and fused.is_available(queries, *(t.shape[1] for t in (queries, values))):
        return _attend_fused(queries, keys, values)
    if block is None:
        scores = CPU_SCORES if queries.device.type == "cpu" else GPU_SCORES
        block = min(scores // queries[0, 0].numel() // KEYS * KEYS or KEYS, MOST_KEYS)
    samples = zip(*(torch.split(t, 1) for t in (queries, keys, values)), strict=True)
    return torch.cat([_attend_one(q, k, v, block=block) for q, k, v in samples])


def _attend_one(queries: Tensor, keys: Tensor, values: Tensor, *, block: int) -> Tensor:
    """Do `attend` for a batch of one."""
    queries = queries.contiguous(memory_format=torch.channels_last)
    banks = keys.flatten(2)[0].t() * math.log2(math.e)  # N×D
    results = values.flatten(2)[0]  # D'×N
    total = torch.zeros_like(values, memory_format=torch.channels_last)
    lowest = math.log2(torch.finfo(queries.dtype).tiny)  # below it are denormal numbers, which are slow
    for bank, result in zip(torch.split(banks, block), torch.split(results, block, dim=1), strict=True):
        with torch.no_grad():  # a shift of a key's scores changes nothing but their range
            largest = _filter(queries, bank).amax((0, 2, 3))
        weights = _filter(queries, bank, -largest).clamp_min_(lowest).exp2_()  # 1×block×H×W
        total += _filter(weights, result / weights.sum((0, 2, 3)))
        del weights  # so that the next block's scores lie in the same memory, whose pages are there already
    return total


def _attend_fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend in two fused passes: a key's sum over the queries, then its values to each query.

    With s_j = log Σ_i exp(q_i·k_j), which the first pass gives as the log-sum-exps of keys that ask queries,

        y_i = Σ_j exp(q_i·k_j − s_j) v_j = exp(z_i) Σ_j softmax_j(q_i·k_j − s_j) v_j

    where z_i is the log-sum-exp of the second pass, whose scores have s in a further channel.
    """
    asking, asked, held = (t.flatten(2).mT[:, None].contiguous() for t in (queries, keys, values))
    _, sums = fused.attend(asked, asking, asking[..., : fused.ALIGNED])
    asked = fused.widened(torch.cat([asked, -sums[..., None]], -1))
    asking = fused.widened(F.pad(asking, (0, 1), value=1.0))
    found, scale = fused.attend(asking, asked, held)
    return (found * scale.exp_()[..., None])[:, 0].mT.reshape(values.shape)


def _filter(image: Tensor, bank: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a bank (outputs × channels) of 1×1 filters to a 1×C×H×W image."""
    if image.device.type == "cpu":  # oneDNN's convolution is twice as fast as a matrix product
        return F.conv2d(image, bank[:, :, None, None], bias)
    # elsewhere a product, which keeps float32 where convolutions use TF32
    return F.linear(image.permute(0, 2, 3, 1), bank, bias).permute(0, 3, 1, 2)


class NonLocal(nn.Module):
    """The non-local block: every pixel gathers from all pixels whose key it answers to."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.query = conv1(features, features // 2)
        self.key = conv1(features, features // 2)
        self.value = conv1(features, features // 2)
        self.out = conv1(features // 2, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W, float32 or float64, to the same shape."""
        gathered: Tensor = self.out(attend(self.query(x), self.key(x), self.value(x)))
        return gathered.add_(x)


class Mask(nn.Module):
    """The mask of an attention module: an hourglass of ResBlocks that ends in a sigmoid."""

    def __init__(self, features: int, activation: nn.Module) -> None:
        super().__init__()
        self.entry = ResBlock(features, activation)
        self.down = conv3(features, features, stride=2)
        self.inner = _blocks(features, activation)
        self.up = nn.ConvTranspose2d(features, features, 6, stride=2, padding=2)
        self.exit = ResBlock(features, activation)
        self.gate = conv1(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W, H and W even, to a mask of the same shape in 0–1."""
        full = self.entry(x)
        far: Tensor = self.up(self.inner(self.down(full)))
        mask: Tensor = self.gate(self.exit(far.add_(full)))
        return mask.sigmoid_()


class NonLocalMask(Mask):
    """A mask behind a non-local block, in float32 even where the network is in half precision.

    Scores reach hundreds, which half precision rounds by one and more before the exponential; and a pixel
    that most keys agree on gathers the values of all N pixels, which float16 cannot hold.
    """

    def __init__(self, features: int, activation: nn.Module) -> None:
        super().__init__(features, activation)
        self.non_local = NonLocal(features)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W, H and W even, to a mask of the same shape and dtype in 0–1."""
        with _outside_autocast(x.device.type):
            exact = x.to(self.gate.weight.dtype)
            return super().forward(self.non_local(exact)).to(x.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def keep_exact(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return tensor.to(moved.device) if moved.dtype in HALF else moved

        super()._apply(keep_exact, recurse)  # type: ignore[no-untyped-call]
        return self


def _outside_autocast(device: str) -> AbstractContextManager[Any]:
    available = torch.amp.is_autocast_available(
        device
    )  # not on the meta device, where operations are counted
    return torch.autocast(device, enabled=False) if available else nullcontext()


class Group(nn.Module):
    """An attention module (trunk ⊙ mask + input, between ResBlocks) and a conv3."""

    def __init__(self, features: int, activation: nn.Module, *, non_local: bool = False) -> None:
        super().__init__()
        self.entry = ResBlock(features, activation)
        self.trunk = _blocks(features, activation)
        self.mask = NonLocalMask(features, activation) if non_local else Mask(features, activation)
        self.tail = _blocks(features, activation)
        self.conv = conv3(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to the same shape, H and W even."""
        x = self.entry(x)
        x = torch.addcmul(x, self.mask(x), self.trunk(x))
        gated: Tensor = self.conv(self.tail(x))
        return gated


def _blocks(features: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(ResBlock(features, activation), ResBlock(features, activation))


class RNAN(Network):
    """The whole network.

    Args:
        channels: 1 (gray, or luma of a JPEG) or 3.
        features: C, channels of the body.
        groups: attention groups, the first and the last with a non-local block.
        scale: 1 restores at the same size; 2, 3 or 4 enlarges.
    """

    value_range = 255.0
    luma = "studio"
    side_multiple = 2
    half_unsafe = ("first.mask", "last.mask")
    tile_limit = 128  # attention costs half as much as the convolutions there, and grows with the pixels

    def __init__(self, *, channels: int = 3, features: int = 64, groups: int = 10, scale: int = 1) -> None:
        super().__init__()
        self.settings = {"channels": channels, "features": features, "groups": groups, "scale": scale}
        self.scale, self.in_channels, self.out_channels = scale, channels, channels
        activation = nn.ReLU(inplace=True)
        self.head = conv3(channels, features)
        self.first = Group(features, activation, non_local=True)
        self.local = nn.Sequential(*(Group(features, activation) for _ in range(groups - 2)))
        self.merge = conv3(features, features)
        self.last = Group(features, activation, non_local=True)
        if scale > 1:
            self.mean = MeanShift(self.value_range)
            self.upsampler = Upsampler(features, scale)
        self.tail = conv3(features, channels)
        if scale > 1:
            self._enlarge = FusedTail(self.upsampler, self.tail, scale)

    def forward(self, x: Tensor) -> Tensor:
        """Restore or enlarge B×C×H×W (0–255) to B×C×sH×sW (0–255, unclipped).

        With weights in half precision a float32 image may be given: the sum at the end is then float32 too.
        """
        height, width = x.shape[2:]
        x = pad_to_multiple(x, self.side_multiple)
        if self.scale == 1:
            restored: Tensor = x + self.tail(self._body(self._features(x)))
        else:
            features = self._features(self.mean.subtract(x))
            enlarged: Tensor = self._enlarge(features + self._body(features))
            restored = self.mean.add(enlarged.to(x.dtype))
        return restored[:, :, : height * self.scale, : width * self.scale]

    def _features(self, x: Tensor) -> Tensor:
        features: Tensor = self.head(x.to(self.head.weight.dtype))
        return fast_layout(features)

    def _body(self, features: Tensor) -> Tensor:
        deep: Tensor = self.last(self.merge(self.local(self.first(features))))
        return deep


def _renames() -> tuple[tuple[str, str], ...]:
    """Return the table from released keys to ours."""
    groups = {
        r"body_nl_low\.0": "first",
        r"body\.(?P<group>\d+)": r"local.\g<group>",
        r"body_nl_high\.0": "last",
    }
    blocks = {
        r"RA_RB1\.0": "entry",
        r"RA_TB\.0\.body\.(?P<n>\d)": r"trunk.\g<n>",
        r"RA_MB\.0\.MB_RB1\.[01]": "mask.entry",
        r"RA_MB\.0\.MB_RB2\.(?P<n>\d)": r"mask.inner.\g<n>",
        r"RA_MB\.0\.MB_RB3\.0": "mask.exit",
        r"RA_tail\.(?P<n>\d)": r"tail.\g<n>",
    }
    layers = {
        r"RA_MB\.0\.MB_RB1\.0\.theta": "mask.non_local.query",
        r"RA_MB\.0\.MB_RB1\.0\.phi": "mask.non_local.key",
        r"RA_MB\.0\.MB_RB1\.0\.g": "mask.non_local.value",
        r"RA_MB\.0\.MB_RB1\.0\.W": "mask.non_local.out",
        r"RA_MB\.0\.MB_Down\.0": "mask.down",
        r"RA_MB\.0\.MB_Up\.0": "mask.up",
        r"RA_MB\.0\.MB_1x1conv\.0": "mask.gate",
    }
    for block, name in blocks.items():
        layers |= {rf"{block}\.body\.0": f"{name}.conv_in", rf"{block}\.body\.2": f"{name}.conv_out"}
    table = {r"head\.0": "head", r"tail\.0\.(?P<n>\d)": r"upsampler.\g<n>", r"tail\.[01]": "tail"}
    for group, name in groups.items():
        table |= {rf"{group}\.body\.0\.{layer}": f"{name}.{ours}" for layer, ours in layers.items()}
        table[rf"{group}\.body\.1"] = f"{name}.conv"
    table[r"body\.\d+"] = "merge"
    return tuple((rf"{old}\.(?P<kind>weight|bias)", rf"{new}.\g<kind>") for old, new in table.items())


def _infer(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Infer the constructor's arguments from our state dict's shapes."""
    features, channels = state["head.weight"].shape[:2]
    local = {key.split(".")[1] for key in state if key.startswith("local.")}
    return {
        "channels": channels,
        "features": features,
        "groups": len(local) + 2,
        "scale": upsampler_scale(state, "upsampler."),
    }


LAYOUT = Layout(
    build=RNAN,
    renames=_renames(),
    dropped=(r"(sub|add)_mean\.(weight|bias)",),
    infer=_infer,
    aliases=(("n_colors", "channels"), ("n_feats", "features"), ("n_resgroups", "groups")),
)
