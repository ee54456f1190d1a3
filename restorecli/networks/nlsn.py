"""NLSN, the non-local sparse network: EDSR's body with attention among pixels that hash alike.

Paper: Mei, Fan, Zhou, "Image Super-Resolution with Non-Local Sparse Attention", CVPR 2021.
Source: github.com/HarukiYqM/Non-Local-Sparse-Attention (only the EDSR part carries a licence, MIT).
Shape: B×3×H×W → B×3×sH×sW, s = 2, 3 or 4; any H and W from 1.
Range: 0–1 in and out; the DIV2K mean is taken off inside.

Attention (section 3 of the paper). Each pixel i has a match embedding q_i and a value v_i. Spherical
locality-sensitive hashing gives it a bucket, argmax([qR; −qR]) for a random R; pixels sorted by bucket are
cut into chunks of k, and a chunk attends to itself and its two neighbours:

    y_i = Σ_j exp(q_i·k_j) v_j / Σ_j exp(q_i·k_j),   k_j = q_j / max(‖q_j‖, 5e-5)

over the 3k pixels j of each of r rounds with their own R; the rounds are weighted by their denominators.

What is done differently here: the weighting of rounds by a softmax of their log-sum-exps is the same as one
sum over all rounds of numerators and of denominators, so only those two are kept. And since a pixel is in its
own chunk and keys have length at most one, max_j q_i·k_j is ‖q_i‖ itself (Cauchy–Schwarz): it is taken off
before the exponential without a search for the maximum. Chunks are worked on in blocks, so memory grows with
the pixels only; where a GPU has the kernel for it, `nlsn_fused` does all chunks at once. R is seeded, where
the released code draws a new one for every call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks import fused, nlsn_fused
from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.checkpoint import Layout
from restorecli.networks.copied import copied
from restorecli.networks.fused_tail import FusedTail
from restorecli.networks.last_convolution import LastConvolution
from restorecli.networks.layers import MeanShift, ResBlock, Upsampler, conv1, conv3, upsampler_scale
from restorecli.networks.network import Network

MAX_BUCKETS = 128
NORM_EPS = 5e-5
PLACES_BYTES = 64 << 20  # of indices that `nlsn_fused` keeps, 8 bytes a pixel and round
BLOCK_SCORES = 4 * 1024 * 1024  # attention scores held at a time: 16 MiB in float32


def bucket_count(pixels: int, chunk_size: int) -> int:
    """Return how many hash buckets there are for ``pixels``: even, at most 128, 0 if one chunk holds all."""
    chunks = pixels // chunk_size
    return min(chunks + chunks % 2, MAX_BUCKETS)


class SparseAttention(nn.Module):
    """Non-local sparse attention (NLSA).

    Args:
        features: C, channels in and out.
        chunk_size: k, pixels per chunk of the sorted sequence.
        hashes: r, rounds of hashing.
        res_scale: factor of the attention's result before the input is added.
        reduction: C over the match embedding's channels.
        seed: seed of the rounds' random projections.
        places: kept for `nlsn_fused`, for all attentions of a network.
    """

    def __init__(
        self,
        features: int,
        *,
        chunk_size: int = 144,
        hashes: int = 4,
        res_scale: float = 0.1,
        reduction: int = 4,
        seed: int = 0,
        places: ByteCache | None = None,
    ) -> None:
        super().__init__()
        self.match = conv3(features, features // reduction)
        self.value = conv1(features, features)
        self.chunk_size = chunk_size
        self.hashes = hashes
        self.res_scale = res_scale
        self.seed = seed
        self.places = ByteCache(PLACES_BYTES) if places is None else places
        self._projections: dict[tuple[int, int, torch.device], Tensor] = {}
        self._mirrored: dict[tuple[int, int, torch.device], Tensor] = {}

    def projection(self, buckets: int) -> Tensor:
        """Return the seeded Gaussian matrix of [match channels, rounds, buckets / 2] for ``buckets``."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(self.match.out_channels, self.hashes, buckets // 2, generator=generator)

    def _projection_on(self, device: torch.device, buckets: int) -> Tensor:
        """Return the projection on ``device``, copied once: it is the same in every pass."""
        key = (self.seed, buckets, device)
        if key not in self._projections:
            self._projections[key] = copied(self.projection(buckets), device)
        return self._projections[key]

    def _mirrored_on(self, device: torch.device, buckets: int) -> Tensor:
        """Return what `nlsn_fused.attend` takes of it, made once too."""
        key = (self.seed, buckets, device)
        if key not in self._mirrored:
            self._mirrored[key] = nlsn_fused.mirrored(self._projection_on(device, buckets))
        return self._mirrored[key]

    def forward(self, x: Tensor, rotations: Tensor | None = None) -> Tensor:
        """Map B×C×H×W to B×C×H×W.

        Args:
            x: features.
            rotations: [C/4, r, buckets/2] projection to hash with instead of the seeded one.
        """
        height, width = x.shape[2:]
        buckets = bucket_count(height * width, self.chunk_size)
        # Scores and exponentials stay in float32 (or double): near ‖q‖ bfloat16 has steps of 0.1 and more.
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        match = _as_tokens(self.match(x))  # B×L×C/4
        fits = match.shape[1] <= fused.MOST_PARTS * self.chunk_size and match.dtype == x.dtype
        if fits and fused.is_available(match, match.shape[2], self.value.out_channels):
            # A product that adds its bias: a kernel less than a convolution.
            value = F.linear(_as_tokens(x), self.value.weight[:, :, 0, 0], self.value.bias)
            taken = None
            if buckets and rotations is not None:
                taken = nlsn_fused.mirrored(rotations.to(exact))
            elif buckets:
                taken = self._mirrored_on(x.device, buckets)
            attended = nlsn_fused.attend(match, value, taken, self.chunk_size, NORM_EPS, self.places)
            return torch.add(x, _as_image(attended, x), alpha=self.res_scale)
        value = _as_tokens(self.value(x))  # B×L×C
        if rotations is None and buckets:
            rotations = self._projection_on(x.device, buckets)
        match = match.to(exact)
        norm = match.norm(dim=-1, keepdim=True)
        key = match / norm.clamp_min(NORM_EPS)
        with torch.autocast(x.device.type, enabled=False):
            attended = self._attend(match, key, norm, value, rotations)
        return torch.add(x, _as_image(attended.to(x.dtype), x), alpha=self.res_scale)

    def _attend(
        self, match: Tensor, key: Tensor, norm: Tensor, value: Tensor, rotations: Tensor | None
    ) -> Tensor:
        pixels = match.shape[1]
        if rotations is None or bucket_count(pixels, self.chunk_size) == 0:
            weights = torch.exp(match @ key.transpose(1, 2) - norm)
            return _weighted_sum(weights, value) / weights.sum(-1, keepdim=True)
        numerator = torch.zeros_like(value, dtype=match.dtype)  # B×L×C
        denominator = torch.zeros_like(norm)  # B×L×1
        for rotation in rotations.to(match).unbind(1):
            projected = match @ rotation
            codes = torch.cat([projected, -projected], dim=-1).argmax(-1)
            order = codes.sort(dim=-1, stable=True).indices.unsqueeze(-1)  # B×L×1
            queries, keys, norms, values = (_take(tensor, order) for tensor in (match, key, norm, value))
            top, bottom = self._attend_sorted(queries, keys, norms, values, pixels)
            numerator = numerator.scatter_add(1, order.expand_as(top), top)
            denominator = denominator.scatter_add(1, order, bottom)
        return numerator / denominator

    def _attend_sorted(
        self, match: Tensor, key: Tensor, norm: Tensor, value: Tensor, pixels: int
    ) -> tuple[Tensor, Tensor]:
        """Return numerators B×L×C and denominators B×L×1 of one round, in sorted order."""
        size = self.chunk_size
        match, norm = (_chunks(tensor, size) for tensor in (match, norm))  # B×n×k×…
        key, value = (_neighbourhoods(_chunks(tensor, size)) for tensor in (key, value))  # B×n×3k×…
        batch, count = match.shape[:2]
        block = max(1, BLOCK_SCORES // (3 * size * size * batch))
        tops, bottoms = [], []
        for start in range(0, count, block):
            part = slice(start, start + block)
            weights = match[:, part] @ key[:, part].transpose(-1, -2)
            weights = weights.sub_(norm[:, part]).exp_()  # B×b×k×3k
            tops.append(_weighted_sum(weights, value[:, part]).to(match.dtype))
            bottoms.append(weights.sum(-1, keepdim=True))
        top, bottom = (torch.cat(parts, 1).flatten(1, 2)[:, :pixels] for parts in (tops, bottoms))
        return top, bottom


def _as_tokens(image: Tensor) -> Tensor:
    """Return B×C×H×W as B×L×C."""
    return image.flatten(2).transpose(1, 2)


def _as_image(tokens: Tensor, x: Tensor) -> Tensor:
    """Return B×L×C as B×C×H×W like ``x``."""
    return tokens.transpose(1, 2).reshape(x.shape)


def _weighted_sum(weights: Tensor, value: Tensor) -> Tensor:
    return weights.to(value.dtype) @ value


def _take(tensor: Tensor, order: Tensor) -> Tensor:
    return tensor.gather(1, order.expand(-1, -1, tensor.shape[-1]))


def _chunks(sequence: Tensor, size: int) -> Tensor:
    """Cut B×L×C into B×n×size×C; the last chunk is filled with copies of the sequence's last elements."""
    missing = -sequence.shape[1] % size
    if missing:
        sequence = torch.cat([sequence, sequence[:, -missing:]], dim=1)
    return sequence.reshape(sequence.shape[0], -1, size, sequence.shape[2])


def _neighbourhoods(chunks: Tensor) -> Tensor:
    """Give each chunk of B×n×k×C its previous and next one, wrapping around: a view of B×n×3k×C."""
    size = chunks.shape[2]
    around = torch.cat([chunks[:, -1:], chunks, chunks[:, :1]], dim=1).flatten(1, 2)
    return around.unfold(1, 3 * size, size).transpose(-1, -2)


class NLSN(Network):
    """Non-local sparse network for ×2, ×3 or ×4 super-resolution.

    Args:
        features: channels of the body.
        blocks: residual blocks.
        scale: output side ÷ input side.
        res_scale: factor of each block's and attention's result.
        chunk_size: pixels per chunk of the attention.
        hashes: rounds of hashing.
        blocks_per_attention: an attention stands first and after every so many blocks.
        seed: seed of the hashing; attention i uses seed + i.
        map_channels: with scale 1, channels after the picture's that tell of it, such as its noise.
    """

    tile_overlap = 32
    # What adds up to the image itself: rounded to bfloat16, it would be off by up to 1 of 255.
    half_unsafe = ("mean_shift", "to_image")

    def __init__(
        self,
        *,
        channels: int = 3,
        features: int = 256,
        blocks: int = 32,
        scale: int = 4,
        res_scale: float = 0.1,
        chunk_size: int = 144,
        hashes: int = 4,
        blocks_per_attention: int = 8,
        seed: int = 0,
        map_channels: int = 0,
    ) -> None:
        super().__init__()
        self.settings = {
            "channels": channels,
            "features": features,
            "blocks": blocks,
            "scale": scale,
            "res_scale": res_scale,
            "chunk_size": chunk_size,
            "hashes": hashes,
            "blocks_per_attention": blocks_per_attention,
            "seed": seed,
        }
        if map_channels:
            self.settings["map_channels"] = map_channels
        self.scale, self.in_channels, self.out_channels = scale, channels + map_channels, channels
        self.mean_shift = MeanShift() if scale > 1 else None
        self.head = conv3(self.in_channels, features)
        self.places = ByteCache(PLACES_BYTES)
        body: list[nn.Module] = []
        for index in range(blocks + 1):
            if index % blocks_per_attention == 0:
                attention = SparseAttention(
                    features,
                    chunk_size=chunk_size,
                    hashes=hashes,
                    res_scale=res_scale,
                    seed=seed + len(body),
                    places=self.places,
                )
                body.append(attention)
            if index < blocks:
                body.append(ResBlock(features, nn.ReLU(inplace=True), res_scale))
        self.body = nn.Sequential(*body, conv3(features, features))
        self.upsampler = Upsampler(features, scale)
        self.to_image = conv3(features, channels)
        self.tail = FusedTail(self.upsampler, self.to_image, scale) if scale > 1 else None
        self.last = LastConvolution(self.to_image)

    def kept(self) -> object:
        """Return the indices made so far."""
        return self.places.values()

    def reseed(self, seed: int) -> None:
        """Hash with other random projections: those of ``seed``."""
        for index, layer in enumerate(self.body):
            if isinstance(layer, SparseAttention):
                layer.seed = seed + index
        self.settings["seed"] = seed

    def forward(self, x: Tensor, rotations: Sequence[Tensor] | None = None) -> Tensor:
        """Enlarge B×3×H×W in 0–1 to B×3×sH×sW; with scale 1 restore the picture in B×C×H×W.

        Args:
            x: images.
            rotations: one [features/4, hashes, buckets/2] projection per attention, in forward order.
        """
        shallow = self.head(x if self.mean_shift is None else self.mean_shift.subtract(x))
        deep = shallow
        given = iter(rotations) if rotations is not None else None
        for layer in self.body:
            if isinstance(layer, SparseAttention):
                deep = layer(deep, next(given) if given is not None else None)
            else:
                deep = layer(deep)
        if self.mean_shift is None or self.tail is None:
            return x[:, : self.out_channels] + self.last(deep + shallow)
        return self.mean_shift.add(self.tail(deep + shallow)).to(x.dtype)


def _infer(state: Mapping[str, Tensor]) -> dict[str, Any]:
    attentions = sorted(int(key.split(".")[1]) for key in state if key.endswith(".match.weight"))
    if len(attentions) < 2:
        raise KeyError("two attentions (body.*.match)")
    return {
        "features": state["head.weight"].shape[0],
        "blocks": sum(key.endswith(".conv_in.weight") for key in state),
        "scale": upsampler_scale(state, "upsampler."),
        "blocks_per_attention": attentions[1] - attentions[0] - 1,
    }


LAYOUT = Layout(
    build=NLSN,
    renames=(
        (r"head\.0\.(weight|bias)", r"head.\1"),
        (r"body\.(\d+)\.conv_match\.0\.(weight|bias)", r"body.\1.match.\2"),
        (r"body\.(\d+)\.conv_assembly\.0\.(weight|bias)", r"body.\1.value.\2"),
        (r"body\.(\d+)\.body\.0\.(weight|bias)", r"body.\1.conv_in.\2"),
        (r"body\.(\d+)\.body\.2\.(weight|bias)", r"body.\1.conv_out.\2"),
        (r"body\.(\d+)\.(weight|bias)", r"body.\1.\2"),
        (r"tail\.0\.(\d+)\.(weight|bias)", r"upsampler.\1.\2"),
        (r"tail\.1\.(weight|bias)", r"to_image.\1"),
    ),
    dropped=(r"(sub|add)_mean\.(weight|bias)",),
    infer=_infer,
    aliases=(("n_feats", "features"), ("n_resblocks", "blocks"), ("n_hashes", "hashes")),
)
