"""NLSN's attention where a GPU has a fused kernel: every round and every chunk of it in one launch.

The same sums as in `nlsn`, in another order. A round's attention among its chunks gives a pixel its
normalised sum y and the logarithm z of its denominator; rounds are weighted by softmax(z). Match embeddings
come out of a half-precision convolution, so nothing is lost by giving them to the kernel as they are; scores
are not rounded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from restorecli.networks import fused

HASHED_AT_ONCE = 1 << 26  # projections of pixels held at a time: 256 MiB


def attend(match: Tensor, value: Tensor, rotations: Tensor | None, size: int, least_norm: float) -> Tensor:
    """Return the attention's result, B×L×C in ``value``'s dtype.

    Args:
        match: match embeddings, B×L×D.
        value: values, B×L×C of the same dtype.
        rotations: D×r×buckets, float32, on the same device, see `mirrored`; None where one chunk holds all
            pixels.
        size: k, pixels per chunk.
        least_norm: a key's length counts as this at least.
    """
    exact = match.float()
    key = (exact / exact.norm(dim=-1, keepdim=True).clamp_min(least_norm)).to(match.dtype)
    if rotations is None:
        return fused.attend(match[:, None], key[:, None], value[:, None])[0][:, 0]
    order = _hashed(exact, rotations).sort(dim=-1, stable=True).indices  # B×r×L
    batch, rounds, pixels = order.shape
    count = -(-pixels // size)
    queries, keys, values = _chunks(torch.cat([match, key, value], -1), order, size, match.shape[-1])
    found, sums = fused.attend(queries, keys, values)  # (B·r)×n×k×C, stored as (B·r)×k×n×C
    # A pixel's place in that memory: place p of the sorted sequence is offset p mod k of chunk p div k.
    places = torch.arange(count * size, device=order.device).view(size, count).mT.reshape(-1)[:pixels]
    if batch * rounds > 1:
        first = torch.arange(batch * rounds, device=order.device).view(batch, rounds, 1) * (count * size)
        places = places + first
    rows = torch.empty_like(order).scatter_(-1, order, places.expand_as(order)).flatten()
    picked = found.transpose(1, 2).reshape(-1, value.shape[-1]).index_select(0, rows)
    if rounds == 1:
        return picked.view(batch, pixels, -1)
    weights = sums.transpose(1, 2).reshape(-1).index_select(0, rows).view(batch, rounds, pixels, 1)
    weighted = picked.view(batch, rounds, pixels, -1) * weights.softmax(1).to(value.dtype)
    return weighted.sum(1)


def mirrored(rotations: Tensor) -> Tensor:
    """Return [R; −R] of D×r×buckets/2 projections, which hashing takes the largest of."""
    return torch.cat([rotations, -rotations], -1)


def _hashed(match: Tensor, rotations: Tensor) -> Tensor:
    """Return each pixel's bucket in each round, B×r×L: of [qR; −qR] the place of the largest."""
    batch, pixels, _ = match.shape
    step = max(1, HASHED_AT_ONCE // (batch * pixels * rotations.shape[-1]))
    codes = [
        (match @ some.flatten(1)).view(batch, pixels, *some.shape[1:]).argmax(-1)
        for some in torch.split(rotations, step, dim=1)
    ]
    buckets = codes[0] if len(codes) == 1 else torch.cat(codes, -1)
    return buckets.to(torch.uint8).mT  # one byte sorts in an eighth of the passes of eight


def _chunks(tokens: Tensor, order: Tensor, size: int, match: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sort ``tokens`` (B×L×(2D+C)) by ``order``, and view them as n chunks and their neighbourhoods.

    Returns:
        (B·r)×n×k×D, (B·r)×n×3k×D and (B·r)×n×3k×C; the last chunk is filled with copies of the last pixels.
    """
    batch, rounds, pixels = order.shape
    missing = -pixels % size
    whole = torch.cat([order, order[..., pixels - missing :]], -1) if missing else order
    around = torch.cat([whole[..., -size:], whole, whole[..., :size]], -1)  # neighbours wrap around
    if batch > 1:
        around = around + torch.arange(batch, device=order.device).view(batch, 1, 1) * pixels
    width = tokens.shape[-1]
    sequence = tokens.reshape(-1, width).index_select(0, around.flatten()).view(batch * rounds, -1, width)
    queries = sequence.unfold(1, size, size).mT[:, 1:-1, :, :match]
    neighbourhoods = sequence.unfold(1, 3 * size, size).mT
    return queries, neighbourhoods[..., match : 2 * match], neighbourhoods[..., 2 * match :]
