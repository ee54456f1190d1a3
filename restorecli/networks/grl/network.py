"""GRL: image restoration with global, regional and local attention.

Paper:
    Y. Li, Y. Fan, X. Xiang, D. Demandolx, R. Ranjan, R. Timofte, L. Van Gool: "Efficient and Explicit
    Modelling of Image Hierarchies for Image Restoration", CVPR 2023, arXiv 2303.00748.

Source:
    Weights of https://github.com/ofsoundof/GRL-Image-Restoration, MIT licence. This code is our own.

Shape:
    B×Cᵢ×H×W → B×Cₒ×sH×sW, any H and W: padded inside to a multiple of the larger of window and stripe, by
    reflection (by zeros where a side is too short to be reflected), and cropped.

Range:
    0–1. With three input channels the DIV2K mean is subtracted before and added after.

With mixed attention Att (see `attention`) on pixels × channels, LayerNorm LN after each branch and the
convolution branch Local in the base size only, a block is

    y = x + LN(Att(x)) + Local(x)        Local = channel attention ∘ conv3 ∘ GELU ∘ conv3
    z = y + LN(MLP(y))                   MLP = linear ∘ GELU ∘ linear

a stage is its blocks, then conv3, plus the stage's input, and the network is

    f = conv3(x)        out = head(f + conv3(LN(stages(LN(f)))))

with one of four heads: pixel shuffle at once, pixel shuffle after a conv3 to 64 channels, nearest-neighbour
upsampling with convolutions, or for scale 1 a conv3 whose result is added to the input. Where the input has
more channels than the output (a noise or quality map, a pair of dual-pixel views) nothing can be added; the
authors' code gives out the last conv3 alone there, and no published reference output confirms it for the
dual-pixel weights, whose configuration is not public.

What is done differently: tokens stay pixels × channels from the first convolution to the last; projections,
norms and MLP of a block go over the image once, in parts; and all of `attention`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.checkpoint import Layout
from restorecli.networks.fused_tail import FusedTail
from restorecli.networks.grl import whole
from restorecli.networks.grl.attention import CHUNK_TOKENS, MixedAttention, as_weight, linear
from restorecli.networks.grl.bias import tracks_gradients
from restorecli.networks.grl.keys import (
    DROPPED,
    RENAMES,
    TABLES,
    check_tables,
    infer_settings,
)
from restorecli.networks.grl.windows import AxisTiling
from restorecli.networks.layers import DIV2K_MEAN, Upsampler, channel_means, conv1, conv3
from restorecli.networks.network import Network

UPSAMPLERS = ("", "pixelshuffledirect", "pixelshuffle", "nearest+conv")
HEAD_CHANNELS = 64
GEOMETRY_BYTES = 2**27
"""Bound of the cached window indices: a 512×512 image needs about 16 MiB."""

MASK_BYTES = 2**28
"""Bound of the cached biases on a GPU; making one again costs a launch."""


class LocalConvolution(nn.Module):
    """conv3 to C/4, GELU, conv3 back, times a gate per channel from their means (channel attention)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = conv3(channels, channels // 4)
        self.expand = conv3(channels // 4, channels)
        self.gate_in = conv1(channels, max(1, channels // 18))
        self.gate_out = conv1(max(1, channels // 18), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×H×W×C to B×H×W×C."""
        y: Tensor = self.expand(F.gelu(self.squeeze(as_weight(x, self.squeeze.weight).permute(0, 3, 1, 2))))
        gate = torch.sigmoid(self.gate_out(F.relu(self.gate_in(channel_means(y)))))
        return (y * gate).permute(0, 2, 3, 1).contiguous()


class Block(nn.Module):
    """Mixed attention and MLP, each normalised before it is added (post-norm, as in Swin v2)."""

    def __init__(self, channels: int, hidden: int, attention: MixedAttention, local: bool) -> None:
        super().__init__()
        self.attention = attention
        self.local = LocalConvolution(channels) if local else None
        self.norm_attention = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.norm_mlp = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×H×W×C to B×H×W×C."""
        attended = self.attention(x).flatten(0, 1)
        local = None if self.local is None else self.local(x).flatten(0, 2)
        tokens = x.flatten(0, 2)
        out = torch.empty_like(tokens)
        project = self.attention.project
        step = CHUNK_TOKENS
        if tracks_gradients(tokens, project.weight):
            step = max(1, len(tokens))
        elif tokens.device.type != "cpu":
            step = whole.TOKENS
        for first in range(0, len(tokens), step):
            part = slice(first, first + step)
            y = tokens[part] + self.norm_attention(linear(attended[part], project.weight, project.bias))
            if local is not None:
                y = y + local[part]
            wide = linear(y, self.widen.weight, self.widen.bias, gelu=True)
            out[part] = y + self.norm_mlp(linear(wide, self.narrow.weight, self.narrow.bias))
        return out.view(x.shape)


class Stage(nn.Module):
    """Blocks, conv3, plus the input."""

    def __init__(self, blocks: Sequence[Block], channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.conv = conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×H×W×C to B×H×W×C."""
        y: Tensor = self.conv(as_weight(self.blocks(x), self.conv.weight).permute(0, 3, 1, 2))
        return (y.permute(0, 2, 3, 1) + x).contiguous()


def reconstruction(upsampler: str, scale: int, channels: int, outputs: int) -> nn.Sequential:
    """Return the head called ``upsampler``: B×C×H×W features → B×outputs×sH×sW."""
    if upsampler == "":
        parts: dict[str, nn.Module] = {"last": conv3(channels, outputs)}
    elif upsampler == "pixelshuffledirect":
        shuffle = nn.Sequential(conv3(channels, scale**2 * outputs), nn.PixelShuffle(scale))
        parts = {"upsample": shuffle}
    else:
        inner = HEAD_CHANNELS
        parts = {"features": conv3(channels, inner), "activation": nn.LeakyReLU(0.01)}
        if upsampler == "pixelshuffle":
            parts["upsample"] = Upsampler(inner, scale)
        else:
            for name in ("up1", "up2"):
                parts[f"{name}_nearest"] = nn.Upsample(scale_factor=2, mode="nearest")
                parts[name] = conv3(inner, inner)
                parts[f"{name}_activation"] = nn.LeakyReLU(0.2)
            parts |= {"refine": conv3(inner, inner), "refine_activation": nn.LeakyReLU(0.2)}
        parts["last"] = conv3(inner, outputs)
    return nn.Sequential(OrderedDict(parts))


class GRL(Network):
    """GRL in any of its sizes and for any of its tasks.

    Args:
        window_size: pixels on a side of a window.
        stripe_size: height and width of a stripe in even blocks; odd blocks swap them.
        anchor_window_down_factor: pixels per anchor on each axis.
        embed_dim: channels C, even.
        depths: blocks per stage.
        num_heads_window: window attention's heads per stage; each divides C/2.
        num_heads_stripe: stripe attention's heads per stage; each divides C/2.
        upscale: output side ÷ input side.
        upsampler: the head, one of `UPSAMPLERS`.
        in_channels: channels of the input.
        out_channels: channels of the output.
        local_connection: whether blocks have the convolution branch.
        mlp_ratio: hidden channels of the MLP ÷ C.
        img_size: the size a released file's masks were drawn for. Results do not depend on it; it is kept in
            ``settings`` since published configurations name it.

    Raises:
        ValueError: the sizes do not go together.
    """

    demosaic_input = "malvar-RGGB"

    def __init__(
        self,
        *,
        window_size: int,
        stripe_size: Sequence[int],
        anchor_window_down_factor: int,
        embed_dim: int = 64,
        depths: Sequence[int] = (4, 4, 4, 4),
        num_heads_window: Sequence[int] = (2, 2, 2, 2),
        num_heads_stripe: Sequence[int] = (2, 2, 2, 2),
        upscale: int = 1,
        upsampler: str = "",
        in_channels: int = 3,
        out_channels: int | None = None,
        local_connection: bool = False,
        mlp_ratio: float = 2.0,
        img_size: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        check_geometry(window_size, stripe_size, anchor_window_down_factor)
        if upsampler not in UPSAMPLERS or (
            upsampler in ("", "nearest+conv") and upscale != 4 ** bool(upsampler)
        ):
            raise ValueError(f"no head {upsampler!r} for scale {upscale}")
        if embed_dim % 2 or any(embed_dim // 2 % heads for heads in (*num_heads_window, *num_heads_stripe)):
            raise ValueError(f"the heads do not divide half of {embed_dim} channels")
        self.settings = {
            "window_size": window_size,
            "stripe_size": list(stripe_size),
            "anchor_window_down_factor": anchor_window_down_factor,
            "embed_dim": embed_dim,
            "depths": list(depths),
            "num_heads_window": list(num_heads_window),
            "num_heads_stripe": list(num_heads_stripe),
            "upscale": upscale,
            "upsampler": upsampler,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "local_connection": local_connection,
            "mlp_ratio": mlp_ratio,
            "img_size": img_size,
        }
        self.scale, self.in_channels, self.out_channels = upscale, in_channels, out_channels
        self.side_multiple = max(window_size, *stripe_size)  # type: ignore[misc]  # a fact of the settings here
        self.tile_overlap = max(32, window_size)
        self.groups, self.masks = ByteCache(GEOMETRY_BYTES), ByteCache(MASK_BYTES)

        self.shallow = conv3(in_channels, embed_dim)
        self.norm_in = nn.LayerNorm(embed_dim)
        self.stages = nn.Sequential(*(self._stage(index) for index in range(len(depths))))
        self.norm_out = nn.LayerNorm(embed_dim)
        self.deep = conv3(embed_dim, embed_dim)
        self.reconstruction = reconstruction(upsampler, upscale, embed_dim, out_channels)
        self._enlarge: FusedTail | None = None
        if upsampler == "pixelshuffle":
            upsample, last = self.reconstruction[2], self.reconstruction[3]
            assert isinstance(upsample, nn.Sequential) and isinstance(last, nn.Conv2d)
            self._enlarge = FusedTail(upsample, last, upscale)
        mean = DIV2K_MEAN if in_channels == 3 else (0.0,)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_load_state_dict_pre_hook(_check_released_tables)  # type: ignore[no-untyped-call]

    def _stage(self, index: int) -> Stage:
        given = self.settings
        channels, heads = (
            given["embed_dim"],
            (given["num_heads_window"][index], given["num_heads_stripe"][index]),
        )
        blocks = []
        for block in range(given["depths"][index]):
            window = AxisTiling(given["window_size"], shifted=block % 2 == 0)
            sides = given["stripe_size"] if block % 2 == 0 else given["stripe_size"][::-1]
            height, width = (
                AxisTiling(side, given["anchor_window_down_factor"], shifted=block % 4 >= 2) for side in sides
            )
            attention = MixedAttention(
                channels, heads, (window, window), (height, width), self.groups, self.masks
            )
            hidden = round(channels * given["mlp_ratio"])
            blocks.append(Block(channels, hidden, attention, given["local_connection"]))
        return Stage(blocks, channels)

    def kept(self) -> object:
        """Return the window geometry and biases made so far."""
        return self.groups.values(), self.masks.values()

    def forward(self, x: Tensor) -> Tensor:
        """Map B×Cᵢ×H×W in 0–1 to B×Cₒ×sH×sW; see the module's text."""
        height, width = x.shape[-2:]
        centred = pad_to_multiple(x, self.side_multiple) - self.mean
        shallow = self.shallow(centred.contiguous(memory_format=torch.channels_last))
        tokens = self.stages(self.norm_in(shallow.permute(0, 2, 3, 1).contiguous()).float())
        tokens = as_weight(tokens, self.norm_out.weight)
        features = self.deep(self.norm_out(tokens).permute(0, 3, 1, 2)) + shallow
        out: Tensor = self._reconstruct(features)
        if self.settings["upsampler"] == "" and self.in_channels == self.out_channels:
            out = out + centred
        return (out + self.mean)[..., : height * self.scale, : width * self.scale].contiguous()

    def _reconstruct(self, features: Tensor) -> Tensor:
        """Run the head: B×C×H×W to B×Cₒ×sH×sW."""
        if self._enlarge is None:
            image: Tensor = self.reconstruction(features)
            return image
        return self._enlarge(self.reconstruction[:2](features))


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad at the bottom and right to a multiple, by reflection, or by zeros where a side is too short."""
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    mode = "reflect" if down < height and right < width else "constant"
    return F.pad(x, (0, right, 0, down), mode)


def check_geometry(window: int, stripe: Sequence[int], factor: int) -> None:
    """Check that windows, stripes and anchors tile an image.

    Raises:
        ValueError: they do not.
    """
    multiple = max(window, *stripe)
    if len(stripe) != 2 or min(window, *stripe) < 2 or any(multiple % side for side in (window, *stripe)):
        raise ValueError(f"windows of {window} and stripes of {tuple(stripe)} do not tile one image")
    if factor < 1 or any(side % factor or side // factor < 2 for side in stripe):
        raise ValueError(
            f"stripes of {tuple(stripe)} cannot be divided into anchors of {factor}×{factor} pixels"
        )


def _check_released_tables(network: nn.Module, state: dict[str, Any], *rest: Any) -> None:
    assert isinstance(network, GRL)
    errors: list[str] = rest[-1]
    errors += check_tables({name: state.pop(name) for name in TABLES if name in state}, network.settings)


LAYOUT = Layout(
    build=GRL,
    renames=RENAMES,
    dropped=DROPPED,
    infer=infer_settings,
    required=("window_size", "stripe_size", "anchor_window_down_factor"),
    aliases=(("in_chans", "in_channels"), ("scale", "upscale")),
)
