"""MIRNet as the paper writes it down, to measure ours against: concatenated attentions, stacked fusion.

Attributes are called as in the released checkpoints, so those load without a table. Sides must be
multiples of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STREAMS = 3


def build(state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Return the network (eval mode) with the released ``state_dict`` in it.

    Args:
        state_dict: released keys; the fixed blur kernels may be there or not.
        settings: ``n_feat``, ``n_rrg``, ``n_msrb`` of the checkpoint.
    """
    network = ReferenceMIRNet(**settings)
    network.load_state_dict({key: value for key, value in state_dict.items() if not key.endswith("filt")})
    return network.eval().requires_grad_(False)


def conv(inputs: int, outputs: int, side: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)


class Spatial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Module()
        self.spatial.conv = conv(2, 1, 5)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.max(1, keepdim=True).values, x.mean(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial.conv(pooled))


class Channel(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        squeeze, excite = conv(features, features // 8, 1), conv(features // 8, features, 1)
        self.conv_du = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv_du(F.adaptive_avg_pool2d(x, 1))


class DualAttention(nn.Module):
    def __init__(self, features: int, activation: nn.PReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(features, features, 3), activation, conv(features, features, 3))
        self.SA = Spatial()
        self.CA = Channel(features)
        self.conv1x1 = conv(2 * features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        f = self.body(x)
        return self.conv1x1(torch.cat([self.SA(f), self.CA(f)], dim=1)) + x


class Blur(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        line = x.new_tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class Down(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        top = [conv(features, features, 1), nn.PReLU(), conv(features, features, 3), nn.PReLU(), Blur()]
        self.top = nn.Sequential(*top, conv(features, 2 * features, 1))
        self.bot = nn.Sequential(Blur(), conv(features, 2 * features, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.top(x) + self.bot(x)


class Up(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        widen = nn.ConvTranspose2d(features, features, 3, stride=2, padding=1, output_padding=1, bias=False)
        top = [conv(features, features, 1), nn.PReLU(), widen, nn.PReLU(), conv(features, features // 2, 1)]
        self.top = nn.Sequential(*top)
        bilinear = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.bot = nn.Sequential(bilinear, conv(features, features // 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.top(x) + self.bot(x)


class Resize(nn.Module):
    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        steps = [Down(features * 2**i) for i in range(levels)]
        self.body = nn.Sequential(*(steps or [Up(features // 2**i) for i in range(-levels)]))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Fusion(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        narrow = max(features // 8, 4)
        self.conv_du = nn.Sequential(conv(features, narrow, 1), nn.PReLU())
        self.fcs = nn.ModuleList([conv(narrow, features, 1) for _ in range(STREAMS)])

    def forward(self, streams: list[Tensor]) -> Tensor:
        stacked = torch.stack(streams, dim=1)  # B×3×C×H×W
        squeezed = self.conv_du(F.adaptive_avg_pool2d(stacked.sum(dim=1), 1))
        weights = torch.softmax(torch.stack([fc(squeezed) for fc in self.fcs], dim=1), dim=1)
        return (stacked * weights).sum(dim=1)


class Block(nn.Module):
    def __init__(self, features: int, activation: nn.PReLU) -> None:
        super().__init__()
        widths = [features * 2**j for j in range(STREAMS)]
        units = [DualAttention(width, activation) for width in widths]
        self.blocks = nn.ModuleList([nn.ModuleList([unit, unit]) for unit in units])
        pairs = [(i, j) for i in range(STREAMS) for j in range(STREAMS)]
        self.down = nn.ModuleDict(
            {f"{widths[i]}_{2 ** (j - i)}": Resize(widths[i], j - i) for i, j in pairs if j > i}
        )
        self.up = nn.ModuleDict(
            {f"{widths[i]}_{2 ** (i - j)}": Resize(widths[i], j - i) for i, j in pairs if j < i}
        )
        self.last_up = nn.ModuleDict({str(i): Resize(widths[i], -i) for i in range(1, STREAMS)})
        self.selective_kernel = nn.ModuleList([Fusion(width) for width in widths])
        self.conv_out = conv(features, features, 3)
        self.widths = widths

    def resize(self, x: Tensor, i: int, j: int) -> Tensor:
        if i == j:
            return x
        table, factor = (self.down, 2 ** (j - i)) if j > i else (self.up, 2 ** (i - j))
        return table[f"{self.widths[i]}_{factor}"](x)

    def forward(self, x: Tensor) -> Tensor:
        column = [self.blocks[0][0](x)]
        for j in range(1, STREAMS):
            column.append(self.blocks[j][0](self.resize(column[-1], j - 1, j)))
        exchanged = [
            self.selective_kernel[j]([self.resize(column[i], i, j) for i in range(STREAMS)])
            for j in range(STREAMS)
        ]
        again = [self.blocks[j][1](exchanged[j]) for j in range(STREAMS)]
        full = [again[0], *(self.last_up[str(j)](again[j]) for j in range(1, STREAMS))]
        return x + self.conv_out(self.selective_kernel[0](full))


class Group(nn.Module):
    def __init__(self, features: int, blocks: int, activation: nn.PReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(Block(features, activation) for _ in range(blocks)), conv(features, features, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ReferenceMIRNet(nn.Module):
    """The whole network; values 0–1."""

    def __init__(self, n_feat: int, n_rrg: int, n_msrb: int) -> None:
        super().__init__()
        activation = nn.PReLU()
        self.conv_in = conv(3, n_feat, 3)
        self.body = nn.Sequential(*(Group(n_feat, n_msrb, activation) for _ in range(n_rrg)))
        self.conv_out = conv(n_feat, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_out(self.body(self.conv_in(x)))
