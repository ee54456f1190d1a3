"""NLSN as the paper writes it down, to measure ours against: rounds apart, joined by a softmax at the end.

Attributes are called as in the released checkpoints, so those load without a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = (0.4488, 0.4371, 0.4040)


def build(state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Return the network (eval mode) with the released ``state_dict`` in it.

    Args:
        state_dict: released keys; the fixed mean shifts may be there or not.
        settings: ``n_feats``, ``n_resblocks``, ``scale``, ``res_scale``, ``chunk_size``, ``n_hashes``.
    """
    network = ReferenceNLSN(**settings)
    network.load_state_dict({key: value for key, value in state_dict.items() if "_mean." not in key})
    return network.eval().requires_grad_(False)


class Block(nn.Module):
    """conv, ReLU, conv, scaled, plus the input."""

    def __init__(self, features: int, res_scale: float) -> None:
        super().__init__()
        first, second = (nn.Conv2d(features, features, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(first, nn.ReLU(), second)
        self.res_scale = res_scale

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.res_scale + x


class Attention(nn.Module):
    """Non-local sparse attention over all rounds at once; every chunk is stored with its neighbours."""

    def __init__(self, features: int, chunk_size: int, n_hashes: int, res_scale: float) -> None:
        super().__init__()
        self.conv_match = nn.Sequential(nn.Conv2d(features, features // 4, 3, padding=1))
        self.conv_assembly = nn.Sequential(nn.Conv2d(features, features, 1))
        self.chunk_size, self.n_hashes, self.res_scale = chunk_size, n_hashes, res_scale

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        batch, channels, height, width = x.shape
        match = self.conv_match(x).flatten(2).transpose(1, 2)  # B×L×C/4
        value = self.conv_assembly(x).flatten(2).transpose(1, 2)  # B×L×C
        length, rounds, size = match.shape[1], self.n_hashes, self.chunk_size
        buckets = min(length // size + (length // size) % 2, 128)
        if rotation is None:
            rotation = torch.randn(match.shape[-1], rounds, buckets // 2)
        projected = torch.einsum("blc,crh->brlh", match, rotation.to(match))
        codes = torch.cat([projected, -projected], dim=-1).argmax(-1)  # B×r×L
        codes = (codes + buckets * torch.arange(rounds)[None, :, None]).flatten(1)
        order = codes.sort(dim=-1, stable=True).indices
        back = order.argsort(dim=-1)
        rows = torch.arange(batch)[:, None]
        match_chunks = self._chunks(match[rows, order % length].view(batch, rounds, length, -1))
        value_chunks = self._chunks(value[rows, order % length].view(batch, rounds, length, -1))
        keys = self._with_neighbours(F.normalize(match_chunks, dim=-1, eps=5e-5))
        scores = torch.einsum("brnke,brnje->brnkj", match_chunks, keys)
        weight = scores.logsumexp(-1, keepdim=True)
        attended = torch.einsum(
            "brnkj,brnje->brnke", torch.exp(scores - weight), self._with_neighbours(value_chunks)
        )
        attended = attended.flatten(2, 3)[:, :, :length].flatten(1, 2)[rows, back]
        weight = weight.flatten(2)[:, :, :length].flatten(1)[rows, back]
        share = torch.softmax(weight.view(batch, rounds, length, 1), dim=1)
        result = (attended.view(batch, rounds, length, channels) * share).sum(1)
        return result.transpose(1, 2).view(batch, channels, height, width) * self.res_scale + x

    def _chunks(self, sequence: Tensor) -> Tensor:
        missing = -sequence.shape[2] % self.chunk_size
        if missing:
            sequence = torch.cat([sequence, sequence[:, :, -missing:]], dim=2)
        return sequence.unflatten(2, (-1, self.chunk_size))

    def _with_neighbours(self, chunks: Tensor) -> Tensor:
        before = torch.cat([chunks[:, :, -1:], chunks[:, :, :-1]], dim=2)
        after = torch.cat([chunks[:, :, 1:], chunks[:, :, :1]], dim=2)
        return torch.cat([chunks, before, after], dim=3)


class ReferenceNLSN(nn.Module):
    """The whole network; values 0–1."""

    def __init__(
        self, n_feats: int, n_resblocks: int, scale: int, res_scale: float, chunk_size: int, n_hashes: int
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.head = nn.Sequential(nn.Conv2d(3, n_feats, 3, padding=1))
        body: list[nn.Module] = []
        for index in range(n_resblocks + 1):
            if index % 8 == 0:
                body.append(Attention(n_feats, chunk_size, n_hashes, res_scale))
            if index < n_resblocks:
                body.append(Block(n_feats, res_scale))
        self.body = nn.ModuleList([*body, nn.Conv2d(n_feats, n_feats, 3, padding=1)])
        stages: list[nn.Module] = []
        for factor in {2: (2,), 3: (3,), 4: (2, 2)}[scale]:
            stages += [nn.Conv2d(n_feats, n_feats * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
        self.tail = nn.Sequential(nn.Sequential(*stages), nn.Conv2d(n_feats, 3, 3, padding=1))

    def forward(self, x: Tensor, rotations: Sequence[Tensor] | None = None) -> Tensor:
        shallow = self.head(x - self.mean)
        deep, given = shallow, iter(rotations or ())
        for layer in self.body:
            deep = layer(deep, next(given, None)) if isinstance(layer, Attention) else layer(deep)
        return self.tail(deep + shallow) + self.mean
