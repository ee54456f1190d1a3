"""PANet and PA-EDSR: deep residual networks with one pyramid attention in the middle.

Paper: Mei, Fan, Zhang, Yu, Zhou, Liu, Fu, Huang, Shi, "Pyramid Attention Networks for Image Restoration",
    arXiv 2004.13824 (IJCV 2023).
Source: github.com/SHI-Labs/Pyramid-Attention-Networks, MIT licence; its numbers, none of its code.
Shape: B×C×H×W → B×C×sH×sW, any H, W ≥ 1; PANet: C = 1 (Y) or 3, s = 1; PA-EDSR: C = 3, s = 2, 3, 4.
Range: 0–1 in and out; not clipped.

    f = head(x)                                       conv3; PA-EDSR subtracts the DIV2K mean before
    g = fusion(B_n … B_{n/2+1}(PA(B_{n/2} … B_1(f)))) + f
    PANet   y = tail(g)                               denoise, JPEG artifacts, demosaic
    PA-EDSR y = tail(upsample(g)) + mean              super-resolution
    B(h) = h + res_scale · conv3(act(conv3(h)))       PANet: one PReLU for all blocks; PA-EDSR: ReLU

PA is `pyramid_attention`. PANet uses no mean, although its checkpoints hold one, nor adds the input image.

What is done differently. The residual stream stays in float32 when the convolutions run in half precision: 80
additions in bfloat16, whose steps are 1/256, would add up to visible noise. PA-EDSR's upsampler and tail run
as one convolution (`fused_tail`), since at ×4 their tensors would be the largest of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from restorecli.networks.checkpoint import Layout
from restorecli.networks.fused_tail import FusedTail
from restorecli.networks.layers import MeanShift, Upsampler, conv3, upsampler_scale
from restorecli.networks.network import Network
from restorecli.networks.panet.pyramid_attention import PyramidAttention

RES_SCALE = {"panet": 1.0, "paedsr": 0.1}
"""The papers' factor of every residual branch and of the attention's skip; no file states it."""


class PANet(Network):
    """PANet or, with ``architecture="paedsr"``, PA-EDSR.

    Args:
        architecture: "panet" or "paedsr".
        channels: of the image; 3 for PA-EDSR.
        features: of every hidden layer.
        blocks: residual blocks in all, an even number; the attention stands in their middle.
        reduction: features ÷ channels of the attention's queries and keys.
        scale: output side ÷ input side; 1 for PANet.
        res_scale: factor of the residual branches and of the attention's skip; by default the paper's.

    Raises:
        ValueError: the arguments contradict each other.
    """

    tile_overlap = 32
    luma = "studio"
    tile_limit = 96  # the attention's cost per pixel grows with the tile; the papers' patches were 48

    def __init__(
        self,
        *,
        architecture: str = "panet",
        channels: int = 3,
        features: int = 64,
        blocks: int = 80,
        reduction: int = 2,
        scale: int = 1,
        res_scale: float | None = None,
    ) -> None:
        super().__init__()
        if architecture not in RES_SCALE:
            raise ValueError(f"architecture is panet or paedsr, not {architecture}")
        upscales = architecture == "paedsr"
        if upscales and channels != 3:
            raise ValueError(f"PA-EDSR takes 3 channels, not {channels}")
        if not upscales and scale != 1:
            raise ValueError(f"PANet's scale is 1, not {scale}")
        res_scale = RES_SCALE[architecture] if res_scale is None else float(res_scale)
        self.settings = {
            "architecture": architecture,
            "channels": channels,
            "features": features,
            "blocks": blocks,
            "reduction": reduction,
            "scale": scale,
            "res_scale": res_scale,
        }
        self.scale = scale
        self.in_channels = self.out_channels = channels
        self.middle = blocks // 2
        self.mean = MeanShift() if upscales else None
        self.head = conv3(channels, features)
        # Numbered by their place in the body; the attention has the number left out.
        places = [place for place in range(blocks + 1) if place != self.middle]
        self.body = nn.ModuleDict({str(place): _Block(features, res_scale) for place in places})
        self.activation = nn.ReLU(inplace=True) if upscales else nn.PReLU()
        self.attention = PyramidAttention(features, reduction, res_scale)
        self.fusion = conv3(features, features)
        self.upsampler = Upsampler(features, scale)
        self.tail = conv3(features, channels)
        self._enlarge = FusedTail(self.upsampler, self.tail, scale) if scale > 1 else None

    def kept(self) -> object:
        """Return the matrices made so far."""
        return self.attention.resizing.values()

    def forward(self, x: Tensor) -> Tensor:
        """Restore B×C×H×W (0–1) to B×C×sH×sW."""
        wanted = x.dtype
        if self.mean is not None:
            x = self.mean.subtract(x)
        shallow = self.head(x).contiguous(memory_format=torch.channels_last)
        stream = shallow = shallow.to(torch.promote_types(shallow.dtype, torch.float32))
        for place in range(len(self.body) + 1):
            if place == self.middle:
                stream = self.attention(stream)
            else:
                stream = self.body[str(place)](stream, self.activation)
        narrow = self.fusion.weight.dtype
        deep = self.fusion(stream.to(narrow)) + shallow
        last = self.tail if self._enlarge is None else self._enlarge
        restored: Tensor = last(deep.to(narrow))
        return restored if self.mean is None else self.mean.add(restored).to(wanted)


class _Block(nn.Module):
    """EDSR's residual block, for a stream that may be wider than the weights and a shared activation."""

    def __init__(self, features: int, res_scale: float) -> None:
        super().__init__()
        self.conv_in = conv3(features, features)
        self.conv_out = conv3(features, features)
        self.res_scale = res_scale

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        """Map B×C×H×W to B×C×H×W of the same type."""
        residual = self.conv_out(activation(self.conv_in(x.to(self.conv_in.weight.dtype))))
        return torch.add(x, residual, alpha=self.res_scale)


def _infer(state: Mapping[str, Tensor]) -> dict[str, Any]:
    features, channels = state["head.weight"].shape[:2]
    has_shared_prelu = "activation.weight" in state
    return {
        "architecture": "panet" if has_shared_prelu else "paedsr",
        "channels": channels,
        "features": features,
        "blocks": sum(key.startswith("body.") and key.endswith(".conv_in.weight") for key in state),
        "reduction": features // state["attention.key.conv.weight"].shape[0],
        "scale": upsampler_scale(dict(state), "upsampler."),
    }


_PARAMETER = r"\.(weight|bias)"

LAYOUT = Layout(
    build=PANet,
    renames=(
        (rf"head\.0{_PARAMETER}", r"head.\1"),
        (rf"body\.(\d+)\.body\.0{_PARAMETER}", r"body.\1.conv_in.\2"),
        (rf"body\.(\d+)\.body\.2{_PARAMETER}", r"body.\1.conv_out.\2"),
        (r"body\.\d+\.body\.1\.weight", "activation.weight"),
        (rf"(?:msa|body\.\d+)\.conv_match_L_base\.0{_PARAMETER}", r"attention.query.conv.\1"),
        (r"(?:msa|body\.\d+)\.conv_match_L_base\.1\.weight", "attention.query.activation.weight"),
        (rf"(?:msa|body\.\d+)\.conv_match\.0{_PARAMETER}", r"attention.key.conv.\1"),
        (r"(?:msa|body\.\d+)\.conv_match\.1\.weight", "attention.key.activation.weight"),
        (rf"(?:msa|body\.\d+)\.conv_assembly\.0{_PARAMETER}", r"attention.value.conv.\1"),
        (r"(?:msa|body\.\d+)\.conv_assembly\.1\.weight", "attention.value.activation.weight"),
        (rf"body\.\d+{_PARAMETER}", r"fusion.\1"),
        (rf"tail\.[01]{_PARAMETER}", r"tail.\1"),
        (rf"tail\.0\.(\d+){_PARAMETER}", r"upsampler.\1.\2"),
    ),
    dropped=(r"(?:sub|add)_mean\.(?:weight|bias)", r"(?:msa|body\.\d+)\.escape_NaN"),
    infer=_infer,
    aliases=(
        ("arch", "architecture"),
        ("n_resblocks", "blocks"),
        ("n_feats", "features"),
        ("n_colors", "channels"),
    ),
)
