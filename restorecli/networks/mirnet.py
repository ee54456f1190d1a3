"""MIRNet: three streams at full, half and quarter size that exchange what they see, again and again.

Paper: Zamir, Arora, Khan, Hayat, Khan, Yang, Shao, "Learning Enriched Features for Real Image Restoration and
Enhancement", ECCV 2020 (arXiv 2003.06792).
Source: github.com/swz30/MIRNet, Academic Public License (non-commercial); written here from the paper and the
weights' layout.
Shape: B×3×H×W → B×3×H×W (12 channels inside a `Packed`); any H and W from 1 (sides are padded to multiples
of 4). Weights for super-resolution take an image that already has the output's size.
Range: 0–1 in and out.

The parts (section 3 of the paper), with f, x_j feature maps, ⟨·⟩ the mean over space, no biases anywhere:

    dual attention unit   f = conv3(PReLU(conv3(x))),  out = x + W [f ⊙ s, f ⊙ c]
                          s = σ(conv5[max_channel f, mean_channel f]),  c = σ(W₂ ReLU(W₁⟨f⟩))
    selective fusion      out = Σ_j w_j ⊙ x_j,  w = softmax_j(V_j PReLU(V Σ_j⟨x_j⟩))
    down                  W_a blur(PReLU(conv3(PReLU(W x)))) + W_b blur(x)
    up                    W_a PReLU(convᵀ(PReLU(W x))) + W_b bilinear(x)

One unit's weights serve twice in a block, and one PReLU parameter serves all units of the network.

What is done differently here: all maps are channels-last. s is one number per pixel and W acts on channels,
so W [f ⊙ s, f ⊙ c] = (W_s f) ⊙ s + W_c (f ⊙ c), without a map of 2C channels. Fusion needs the streams' means
only, so they are neither stacked nor summed. W_b stands before the bilinear enlargement, at a quarter of the
pixels. A stream made smaller for the next stream's unit serves the exchange too, which asks for the same map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.checkpoint import Layout
from restorecli.networks.layers import channel_means, conv1, conv3, fast_layout, pad_to_multiple
from restorecli.networks.network import Network

STREAMS = 3
BLUR = (0.25, 0.5, 0.25)
"""Of both axes, exact in every precision."""


class DualAttention(nn.Module):
    """Two conv3, whose result is weighted per pixel and per channel and added to the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv_in = conv3(features, features, bias=False)
        self.conv_out = conv3(features, features, bias=False)
        self.spatial = nn.Conv2d(2, 1, 5, padding=2, bias=False)
        self.squeeze = conv1(features, features // 8, bias=False)
        self.excite = conv1(features // 8, features, bias=False)
        self.merge = conv1(2 * features, features, bias=False)

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        """Map B×C×H×W to the same shape; ``slope`` is the PReLU's parameter."""
        f: Tensor = self.conv_out(F.prelu(self.conv_in(x), slope))
        pooled = torch.cat([f.amax(1, keepdim=True), f.mean(1, keepdim=True)], dim=1)
        per_pixel = self.spatial(pooled).sigmoid()  # B×1×H×W
        per_channel = self.excite(self.squeeze(channel_means(f)).relu()).sigmoid()  # B×C×1×1
        pixel_filters, channel_filters = self.merge.weight.chunk(2, dim=1)
        out = torch.addcmul(x, F.conv2d(f, pixel_filters), per_pixel)
        if f.device.type != "cpu" and not torch.is_grad_enabled():
            return _add_product(out, f, channel_filters[:, :, 0, 0].T * per_channel[..., 0])
        return out.add_(F.conv2d(f * per_channel, channel_filters))


def _add_product(out: Tensor, f: Tensor, filters: Tensor) -> Tensor:
    """Add 1×1 filters of each image's own (B×C×O) of ``f`` to ``out``; in place in channels-last memory.

    On GPUs: the weighted map is not written, and the product adds to what it finds.
    """
    pixels = f.permute(0, 2, 3, 1).flatten(1, 2)
    target = out.permute(0, 2, 3, 1)
    if target.is_contiguous():
        target.view(pixels.shape[0], -1, filters.shape[2]).baddbmm_(pixels, filters)
        return out
    return out.add_((pixels @ filters).mT.reshape(out.shape))


class Fusion(nn.Module):
    """Selective kernel fusion: a sum of streams, weighted per channel by a softmax across the streams."""

    def __init__(self, features: int) -> None:
        super().__init__()
        narrow = max(features // 8, 4)
        self.squeeze = conv1(features, narrow, bias=False)
        self.activation = nn.PReLU()
        self.select = nn.ModuleList(conv1(narrow, features, bias=False) for _ in range(STREAMS))

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Map three B×C×H×W to one."""
        mean = sum(channel_means(stream) for stream in streams)
        squeezed = self.activation(self.squeeze(mean))
        selected = torch.stack([select(squeezed) for select in self.select], dim=-1)
        # Over the last axis: over another, a softmax rounds by how threads share the rest.
        first, *others = selected.softmax(-1).unbind(-1)  # each B×C×1×1
        fused = streams[0] * first
        for stream, weight in zip(streams[1:], others, strict=True):
            fused.addcmul_(stream, weight)
        return fused


class Down(nn.Module):
    """To half the size and twice the channels, anti-aliased."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mix = conv1(features, features, bias=False)
        self.mix_act = nn.PReLU()
        self.conv = conv3(features, features, bias=False)
        self.conv_act = nn.PReLU()
        self.top_out = conv1(features, 2 * features, bias=False)
        self.bottom_out = conv1(features, 2 * features, bias=False)
        # A buffer goes to the device with the weights; made in each pass it would have the host wait.
        kernel = [[row * column for column in BLUR] for row in BLUR]
        self.register_buffer("blur", torch.tensor(kernel), persistent=False)

    blur: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W, sides even, to B×2C×H/2×W/2."""
        top: Tensor = self.top_out(blur_pool(self.conv_act(self.conv(self.mix_act(self.mix(x)))), self.blur))
        return top.add_(self.bottom_out(blur_pool(x, self.blur)))


class Up(nn.Module):
    """To twice the size and half the channels."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mix = conv1(features, features, bias=False)
        self.mix_act = nn.PReLU()
        self.conv = nn.ConvTranspose2d(
            features, features, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.conv_act = nn.PReLU()
        self.top_out = conv1(features, features // 2, bias=False)
        self.bottom_out = conv1(features, features // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×C/2×2H×2W."""
        top: Tensor = self.top_out(self.conv_act(self.conv(self.mix_act(self.mix(x)))))
        bottom = self.bottom_out(x)
        return top.add_(F.interpolate(bottom, scale_factor=2, mode="bilinear", align_corners=False))


def blur_pool(x: Tensor, blur: Tensor) -> Tensor:
    """Return B×C×H×W smoothed by ``blur`` (3×3) and sampled at every second pixel, edges reflected."""
    channels = x.shape[1]
    kernel = blur.to(x.dtype).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)


class Block(nn.Module):
    """Multi-scale residual block: units down the streams, full exchange, units again, fusion at full size."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.widths = [features * 2**stream for stream in range(STREAMS)]
        self.units = nn.ModuleList(DualAttention(width) for width in self.widths)
        self.down, self.up = nn.ModuleDict(), nn.ModuleDict()
        for source, target in permutations(range(STREAMS), 2):
            table = self.down if source < target else self.up
            table[self._resizer(source, target)] = self._resize(source, target)
        self.last_up = nn.ModuleDict({str(source): self._resize(source, 0) for source in range(1, STREAMS)})
        self.fusion = nn.ModuleList(Fusion(width) for width in self.widths)
        self.tail = conv3(features, features, bias=False)

    def _resizer(self, source: int, target: int) -> str:
        return f"{self.widths[source]}_{2 ** abs(target - source)}"

    def _resize(self, source: int, target: int) -> nn.Sequential:
        if source < target:
            return nn.Sequential(*(Down(width) for width in self.widths[source:target]))
        return nn.Sequential(*(Up(width) for width in self.widths[source:target:-1]))

    def _moved(self, x: Tensor, source: int, target: int) -> Tensor:
        if source == target:
            return x
        moved: Tensor = (self.down if source < target else self.up)[self._resizer(source, target)](x)
        return moved

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        """Map B×C×H×W, sides multiples of 4, to the same shape."""
        column = [self.units[0](x, slope)]
        shrunk: dict[int, Tensor] = {}  # stream → what the stream above gives it
        for stream in range(1, STREAMS):
            shrunk[stream] = self._moved(column[-1], stream - 1, stream)
            column.append(self.units[stream](shrunk[stream], slope))
        full = []
        for target, (unit, fusion) in enumerate(zip(self.units, self.fusion, strict=True)):
            exchanged = [
                shrunk.pop(target) if source == target - 1 else self._moved(f, source, target)
                for source, f in enumerate(column)
            ]
            again = unit(fusion(exchanged), slope)
            full.append(again if target == 0 else self.last_up[str(target)](again))
        out: Tensor = self.tail(self.fusion[0](full))
        return out.add_(x)


class Group(nn.Module):
    """Recursive residual group: its blocks and a conv3, plus the input."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(features) for _ in range(blocks))
        self.tail = conv3(features, features, bias=False)

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        """Map B×C×H×W to the same shape."""
        f = x
        for block in self.blocks:
            f = block(f, slope)
        out: Tensor = self.tail(f)
        return out.add_(x)


class MIRNet(Network):
    """The whole network.

    Args:
        features: C, channels of the full-size stream; the others have 2C and 4C.
        groups: recursive residual groups.
        blocks: multi-scale residual blocks per group.
        channels: of the image; 12 inside a `Packed` for colour.
    """

    value_range = 1.0
    side_multiple = 2 ** (STREAMS - 1)
    tile_overlap = 32

    def __init__(self, *, features: int = 64, groups: int = 3, blocks: int = 2, channels: int = 3) -> None:
        super().__init__()
        self.settings = {"features": features, "groups": groups, "blocks": blocks, "channels": channels}
        self.in_channels = self.out_channels = channels
        self.head = conv3(channels, features, bias=False)
        self.slope = nn.Parameter(torch.full((1,), 0.25))
        self.groups = nn.ModuleList(Group(features, blocks) for _ in range(groups))
        self.tail = conv3(features, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Restore B×channels×H×W (0–1) to the same shape (0–1, unclipped).

        With weights in half precision a float32 image may be given: it is added at the end as it came.
        """
        height, width = x.shape[2:]
        x = pad_to_multiple(x, self.side_multiple)
        f = fast_layout(self.head(x.to(self.head.weight.dtype)))
        for group in self.groups:
            f = group(f, self.slope)
        restored: Tensor = x + self.tail(f)
        return restored[:, :, :height, :width]


def _renames() -> tuple[tuple[str, str], ...]:
    """Return the table from released keys to ours."""
    block = r"body\.(?P<g>\d+)\.body\.(?P<b>\d+)"
    ours = r"groups.\g<g>.blocks.\g<b>"
    unit = r"blocks\.(?P<n>\d)\.[01]"
    fusion = r"selective_kernel\.(?P<n>\d)"
    inside = {
        rf"{unit}\.body\.0": r"units.\g<n>.conv_in",
        rf"{unit}\.body\.2": r"units.\g<n>.conv_out",
        rf"{unit}\.SA\.spatial\.conv": r"units.\g<n>.spatial",
        rf"{unit}\.CA\.conv_du\.0": r"units.\g<n>.squeeze",
        rf"{unit}\.CA\.conv_du\.2": r"units.\g<n>.excite",
        rf"{unit}\.conv1x1": r"units.\g<n>.merge",
        rf"{fusion}\.conv_du\.0": r"fusion.\g<n>.squeeze",
        rf"{fusion}\.conv_du\.1": r"fusion.\g<n>.activation",
        rf"{fusion}\.fcs\.(?P<m>\d)": r"fusion.\g<n>.select.\g<m>",
        r"conv_out": "tail",
    }
    for resizer, last in {"down": 5, "up": 4, "last_up": 4}.items():
        step, name = rf"{resizer}\.(?P<n>\w+)\.body\.(?P<m>\d)", rf"{resizer}.\g<n>.\g<m>"
        for index, layer in enumerate(("mix", "mix_act", "conv", "conv_act")):
            inside[rf"{step}\.top\.{index}"] = f"{name}.{layer}"
        inside[rf"{step}\.top\.{last}"] = f"{name}.top_out"
        inside[rf"{step}\.bot\.1"] = f"{name}.bottom_out"
    table = {rf"{block}\.{old}": f"{ours}.{new}" for old, new in inside.items()}
    table |= {r"body\.(?P<g>\d+)\.body\.\d+": r"groups.\g<g>.tail", "conv_in": "head", "conv_out": "tail"}
    slope = (rf"{block}\.{unit}\.body\.1\.weight", "slope")
    return (slope, *((rf"{old}\.weight", f"{new}.weight") for old, new in table.items()))


def _infer(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Infer the constructor's arguments from our state dict's shapes."""
    groups = {key.split(".")[1] for key in state if key.startswith("groups.")}
    blocks = {key.split(".")[3] for key in state if key.startswith("groups.0.blocks.")}
    features, channels = state["head.weight"].shape[:2]
    return {"features": features, "groups": len(groups), "blocks": len(blocks), "channels": channels}


LAYOUT = Layout(
    build=MIRNet,
    renames=_renames(),
    dropped=(r".*\.filt",),
    infer=_infer,
    aliases=(
        ("n_feat", "features"),
        ("n_rrg", "groups"),
        ("n_RRG", "groups"),
        ("n_msrb", "blocks"),
        ("n_MSRB", "blocks"),
    ),
)
