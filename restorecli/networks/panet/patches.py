"""Pyramid attention on whole patches, for GPUs: one fused kernel in place of a thousand small ones.

The equations of `pyramid_attention` as they stand: patches of 3×3 pixels are rows of 9c and 9C numbers, and
the attention of all patches of the image to all of all levels is a single call. It does nine times the
products of the diagonal filter, on tensor cores, and writes none of the N × 3.3N scores. Embeddings come out
of half-precision convolutions; the kernel sums their products, and the softmax, in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks import fused

PATCH = 9


def is_available(query: nn.Conv2d, value: nn.Conv2d) -> bool:
    """Tell whether `attend` works with these embeddings' weights."""
    weight = query.weight
    if weight.dtype not in (torch.float16, torch.bfloat16) or value.weight.dtype != weight.dtype:
        return False
    return fused.is_available(weight, PATCH * query.out_channels, PATCH * value.out_channels)


def attend(
    query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], scale: float, least_norm: float
) -> Tensor:
    """Return the attention of one image over all levels, patches overlap-added and divided by 4.

    Args:
        query: 1×c×H×W.
        keys: per level, 1×c×h×w.
        values: per level, 1×C×h×w.
        scale: factor of the cosine-like score.
        least_norm: a key patch's length counts as this at least.

    Returns:
        C×H×W float32.
    """
    size = query.shape[2:]
    asked = torch.cat([_patches(key) for key in keys], dim=2).mT  # 1×M×9c
    lengths = torch.linalg.vector_norm(asked, dim=-1, keepdim=True, dtype=torch.float32)
    asked = (asked * (scale / lengths.clamp_min_(least_norm))).to(asked.dtype)
    held = torch.cat([_patches(value) for value in values], dim=2).mT.contiguous()  # 1×M×9C
    asking = _patches(query).mT.contiguous()  # 1×N×9c
    found, _ = fused.attend(asking[:, None], asked.contiguous()[:, None], held[:, None])
    image: Tensor = F.fold(found[:, 0].mT.float(), size, kernel_size=3, padding=1)
    return image[0] / 4


def _patches(image: Tensor) -> Tensor:
    """Return the zero-padded 3×3 patches of 1×c×h×w as 1×9c×(h·w)."""
    return F.unfold(image, kernel_size=3, padding=1)
