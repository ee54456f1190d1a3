"""Attention in one kernel that never writes its scores to memory, with the log-sum-exp of each query's.

Source: the "memory-efficient" kernel behind torch's scaled_dot_product_attention on CUDA (Rabe and Staats,
"Self-attention Does Not Need O(n²) Memory", 2021), called by its own name since the public function does not
give the log-sum-exps out. Products are summed in float32 whatever the inputs are.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

ALIGNED = 8
"""Sizes of heads must be multiples of it."""
MOST_PARTS = 65535
"""The batch B and the number n of an attention end there, with CUDA's grid."""


def is_available(x: Tensor, *sizes: int) -> bool:
    """Tell whether `attend` works on tensors like ``x`` with heads of ``sizes``; it gives no gradients."""
    wanted = x.device.type == "cuda" and torch.version.hip is None and x.dtype != torch.float64
    if not wanted or any(size % ALIGNED for size in sizes) or torch.is_grad_enabled():
        return False
    return _works(x.device, x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax(query·keyᵀ)·value, and log Σ exp(query·keyᵀ) over the keys.

    Args:
        query: B×n×L×D; any strides but 1 for the last dimension.
        key: B×n×K×D.
        value: B×n×K×D′.

    Returns:
        B×n×L×D′ in the inputs' dtype, stored as B×L×n×D′; B×n×L float32.
    """
    attended = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, None, True, 0.0, False, scale=1.0
    )
    return attended[0], attended[1][..., : query.shape[2]]


def widened(x: Tensor) -> Tensor:
    """Return ``x`` with zeros behind its last dimension, up to a multiple of `ALIGNED`."""
    missing = -x.shape[-1] % ALIGNED
    return F.pad(x, (0, missing)) if missing else x


@functools.cache
def _works(device: torch.device, dtype: torch.dtype) -> bool:
    """Try it once, small: a build of torch without the kernel or with another must not cost a photo."""
    with torch.inference_mode():
        tokens = torch.linspace(-1, 1, 64 * ALIGNED, device=device).view(1, 1, 64, ALIGNED).to(dtype)
        try:
            found, sums = attend(tokens, tokens, tokens)
        except (RuntimeError, NotImplementedError, AttributeError, TypeError):
            return False
        logits = tokens.float() @ tokens.float().mT
        right = torch.allclose(sums, logits.logsumexp(-1), atol=0.05)
        return right and torch.allclose(found.float(), logits.softmax(-1) @ tokens.float(), atol=0.05)
