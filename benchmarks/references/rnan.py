"""RNAN as the paper writes it down, to measure ours against: the full N×N attention matrix, no padding.

Attributes are called as in the released checkpoints, so those load without a table. Sides must be even.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

MEAN = (0.4488, 0.4371, 0.4040)


def build(state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Return the network (eval mode) with the released ``state_dict`` in it.

    Args:
        state_dict: released keys; the fixed mean shifts may be there or not.
        settings: ``n_resgroups``, ``n_feats``, ``n_colors``, ``scale`` of the checkpoint.
    """
    network = ReferenceRNAN(**settings)
    learnt = {key: value for key, value in state_dict.items() if not key.startswith(("sub_mean", "add_mean"))}
    network.load_state_dict(learnt)
    return network.eval().requires_grad_(False)


class Block(nn.Module):
    """conv, ReLU, conv, plus the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        first, second = (
            nn.Conv2d(features, features, 3, padding=1),
            nn.Conv2d(features, features, 3, padding=1),
        )
        self.body = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x


class NonLocal(nn.Module):
    """Every pixel with every pixel, the whole matrix at once; the softmax runs over the queries."""

    def __init__(self, features: int) -> None:
        super().__init__()
        half = features // 2
        self.g = nn.Conv2d(features, half, 1)
        self.W = nn.Conv2d(half, features, 1)
        self.theta = nn.Conv2d(features, half, 1)
        self.phi = nn.Conv2d(features, half, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = self.g(x).flatten(2).transpose(1, 2)  # B×N×C/2
        queries = self.theta(x).flatten(2).transpose(1, 2)  # B×N×C/2
        keys = self.phi(x).flatten(2)  # B×C/2×N
        attention = torch.softmax(torch.matmul(queries, keys), dim=1)  # B×N×N
        y = torch.matmul(attention, values).transpose(1, 2).contiguous()
        return self.W(y.view(len(x), -1, *x.shape[2:])) + x


class Trunk(nn.Module):
    """Two blocks."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Block(features), Block(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class MaskBranch(nn.Module):
    """An hourglass that ends in a sigmoid."""

    def __init__(self, features: int, non_local: bool) -> None:
        super().__init__()
        before = [NonLocal(features)] if non_local else []
        self.MB_RB1 = nn.Sequential(*before, Block(features))
        self.MB_Down = nn.Sequential(nn.Conv2d(features, features, 3, stride=2, padding=1))
        self.MB_RB2 = nn.Sequential(Block(features), Block(features))
        self.MB_Up = nn.Sequential(nn.ConvTranspose2d(features, features, 6, stride=2, padding=2))
        self.MB_RB3 = nn.Sequential(Block(features))
        self.MB_1x1conv = nn.Sequential(nn.Conv2d(features, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        first = self.MB_RB1(x)
        up = self.MB_Up(self.MB_RB2(self.MB_Down(first)))
        return torch.sigmoid(self.MB_1x1conv(self.MB_RB3(up + first)))


class Attention(nn.Module):
    """Trunk times mask plus input, then two blocks."""

    def __init__(self, features: int, non_local: bool) -> None:
        super().__init__()
        self.RA_RB1 = nn.Sequential(Block(features))
        self.RA_TB = nn.Sequential(Trunk(features))
        self.RA_MB = nn.Sequential(MaskBranch(features, non_local))
        self.RA_tail = nn.Sequential(Block(features), Block(features))

    def forward(self, x: Tensor) -> Tensor:
        x = self.RA_RB1(x)
        return self.RA_tail(self.RA_TB(x) * self.RA_MB(x) + x)


class Group(nn.Module):
    """An attention module and a convolution."""

    def __init__(self, features: int, non_local: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(Attention(features, non_local), nn.Conv2d(features, features, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class ReferenceRNAN(nn.Module):
    """The whole network; values 0–255."""

    def __init__(self, n_resgroups: int, n_feats: int, n_colors: int, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.head = nn.Sequential(nn.Conv2d(n_colors, n_feats, 3, padding=1))
        self.body_nl_low = nn.Sequential(Group(n_feats, True))
        local = [Group(n_feats, False) for _ in range(n_resgroups - 2)]
        self.body = nn.Sequential(*local, nn.Conv2d(n_feats, n_feats, 3, padding=1))
        self.body_nl_high = nn.Sequential(Group(n_feats, True))
        last = nn.Conv2d(n_feats, n_colors, 3, padding=1)
        if scale == 1:
            self.tail = nn.Sequential(last)
        else:
            stages: list[nn.Module] = []
            for factor in {2: (2,), 3: (3,), 4: (2, 2)}[scale]:
                wide = nn.Conv2d(n_feats, n_feats * factor**2, 3, padding=1)
                stages += [wide, nn.PixelShuffle(factor)]
            self.tail = nn.Sequential(nn.Sequential(*stages), last)

    def forward(self, x: Tensor) -> Tensor:
        if self.scale == 1:
            return self.tail(self.body_nl_high(self.body(self.body_nl_low(self.head(x))))) + x
        features = self.head(x - self.mean)
        deep = self.body_nl_high(self.body(self.body_nl_low(features)))
        return self.tail(deep + features) + self.mean
