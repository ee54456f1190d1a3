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
from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.gathered import rows_at

HASHED_AT_ONCE = 1 << 26  # projections of pixels held at a time: 256 MiB


def attend(
    match: Tensor, value: Tensor, rotations: Tensor | None, size: int, least_norm: float, places: ByteCache
) -> Tensor:
    """Return the attention's result, B×L×C in ``value``'s dtype.

    Args:
        match: match embeddings, B×L×D.
        value: values, B×L×C of the same dtype.
        rotations: D×r×buckets, float32, on the same device, see `mirrored`; None where one chunk holds all
            pixels.
        size: k, pixels per chunk.
        least_norm: a key's length counts as this at least.
        places: keeps, from pass to pass, where a sorted pixel's result lies; also for `gathered`.
    """
    if rotations is None:
        return fused.attend(match[:, None], _keys(match, least_norm)[:, None], value[:, None])[0][:, 0]
    order = _hashed(match.float(), rotations).sort(dim=-1, stable=True).indices  # B×r×L
    batch, rounds, pixels = order.shape
    around = _around(order, size)
    asking = _sorted(match, around, places)
    queries = asking.unfold(1, size, size).mT[:, 1:-1]  # (B·r)×n×k×D
    answering = _keys(asking, least_norm), _sorted(value, around, places)
    keys, values = (_neighbourhoods(tokens, size) for tokens in answering)
    found, sums = fused.attend(queries, keys, values)  # (B·r)×n×k×C, stored as (B·r)×k×n×C
    shape = batch, rounds, pixels, found.shape[1], size
    place = places.get((shape, order.device), lambda: _places(*shape, order.device), lambda t: t.nbytes)
    rows = torch.empty_like(order).scatter_(-1, order, place).flatten()
    picked = rows_at(found.transpose(1, 2).reshape(-1, value.shape[-1]), rows, places)
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


def _keys(match: Tensor, least_norm: float) -> Tensor:
    """Return the embeddings at length 1, divided in float32."""
    norm = torch.linalg.vector_norm(match, dim=-1, keepdim=True, dtype=torch.float32).clamp_min_(least_norm)
    return torch.div(match, norm, out=torch.empty_like(match))


def _around(order: Tensor, size: int) -> Tensor:
    """Return the indices of n chunks of sorted pixels, with the last one before them and the first behind.

    Args:
        order: B×r×L, L at least k.
        size: k.

    Returns:
        B×r×(n+2)·k, of the pixels of all B images; the last chunk is filled with copies of the last pixels.
    """
    batch, _, pixels = order.shape
    missing = -pixels % size
    fill = [order[..., pixels - missing :]] if missing else []
    last = [order[..., pixels - size + missing :], *fill]
    around = torch.cat([*last, order, *fill, order[..., :size]], -1)
    if batch > 1:
        around = around + torch.arange(batch, device=order.device).view(batch, 1, 1) * pixels
    return around


def _sorted(tokens: Tensor, around: Tensor, cache: ByteCache) -> Tensor:
    """Return ``tokens`` (B×L×D) in the order of ``around`` (B×r×N): (B·r)×N×D."""
    width = tokens.shape[-1]
    taken = rows_at(tokens.reshape(-1, width), around.flatten(), cache)
    return taken.view(-1, around.shape[-1], width)


def _neighbourhoods(tokens: Tensor, size: int) -> Tensor:
    """Return (B·r)×(n+2)·k×D as each chunk with both its neighbours: (B·r)×n×3k×D, a view."""
    return tokens.unfold(1, 3 * size, size).mT


def _places(batch: int, rounds: int, pixels: int, count: int, size: int, device: torch.device) -> Tensor:
    """Return the rows of the attention's result that the sorted pixels have, B×r×L.

    Place p of the sorted sequence is offset p mod k of chunk p div k; the kernel stores k×n.
    """
    chunk, offset = torch.arange(count, device=device), torch.arange(size, device=device)
    places = (chunk[:, None] + offset * count).flatten()[:pixels]
    first = torch.arange(batch * rounds, device=device).view(batch, rounds, 1) * (count * size)
    return places + first
