"""Fused attention on a make-believe GPU: which kernel CUDA would take, and its numbers.

The rules are those of aten/native/transformers/cuda/sdp_utils.cpp for compute capability 8.0 and later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.fake_gpu.record import Kernel, footprint, site
from benchmarks.fake_gpu.tensors import DeviceTensor, on_host

if TYPE_CHECKING:
    from benchmarks.fake_gpu.gpu import FakeGpu

HALF = (torch.float16, torch.bfloat16)
LARGEST_FLASH_HEAD = 256
LSE_STEP = 32
"""The efficient kernel pads its log-sum-exps to a multiple of it."""


def kernel_for(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> str:
    """Return "flash", "efficient", "efficient, mask copied" or "math"."""
    half = query.dtype in HALF
    heads = {query.shape[-1], key.shape[-1], value.shape[-1]}
    if half and mask is None and len(heads) == 1 and max(heads) <= LARGEST_FLASH_HEAD:
        return "flash"
    step = 8 if half else 4
    if any(size % step for size in heads) or query.shape[-1] != key.shape[-1]:
        return "math"
    if mask is not None and any(stride % 8 for stride in mask.stride()[:-1]):
        return "efficient, mask copied"
    return "efficient"


def fused(
    gpu: FakeGpu,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Stand in for `torch.nn.functional.scaled_dot_product_attention`."""
    given = (query, key, value, attn_mask)
    if any(isinstance(tensor, Tensor) and not isinstance(tensor, DeviceTensor) for tensor in given):
        raise RuntimeError("Expected all tensors to be on the same device (scaled_dot_product_attention)")
    if attn_mask is not None and attn_mask.dtype not in (torch.bool, query.dtype):
        raise RuntimeError(f"Expected attn_mask dtype to be bool or {query.dtype}, got {attn_mask.dtype}")
    taken = kernel_for(query, key, value, attn_mask)
    q, k, v, mask = (on_host(tensor) for tensor in given)

    def compute() -> Tensor:
        if gpu.meta:
            return torch.empty(*q.shape[:-1], v.shape[-1], dtype=q.dtype, device="meta")
        wide = [None if t is None or t.dtype is torch.bool else _wide(t) for t in (q, k, v, mask)]
        bias = mask if mask is not None and mask.dtype is torch.bool else wide[3]
        return F.scaled_dot_product_attention(*wide[:3], attn_mask=bias, scale=scale).to(q.dtype)

    _count(gpu, taken, q, k, v, mask)
    return gpu.made(compute, query.device)


def efficient(
    gpu: FakeGpu,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Stand in for ``aten._scaled_dot_product_efficient_attention``."""
    if kernel_for(query, key, value, bias) in ("math", "efficient, mask copied"):
        raise RuntimeError(f"attention's sizes are not aligned: {query.shape}, {key.shape}, {value.shape}")
    if query.dim() != 4 or max(query.shape[:2]) > 65535:
        raise RuntimeError(f"the grid of an attention of {tuple(query.shape)} is too large")
    q, k, v, mask = (on_host(tensor) for tensor in (query, key, value, bias))
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    length = -(-q.shape[2] // LSE_STEP) * LSE_STEP if compute_log_sumexp else 0

    def compute() -> tuple[Tensor, Tensor]:
        if gpu.meta:
            out = torch.empty(*q.shape[:-1], v.shape[-1], dtype=q.dtype, device="meta")
            out = out.transpose(1, 2).contiguous().transpose(1, 2)  # stored as the kernel stores it
            return out, torch.empty(*q.shape[:2], length, device="meta")
        logits = _wide(q) @ _wide(k).mT * factor
        logits = logits if mask is None else logits + mask
        found = (torch.softmax(logits, -1) @ _wide(v)).transpose(1, 2).contiguous().transpose(1, 2)
        sums = F.pad(torch.logsumexp(logits, -1), (0, length - q.shape[2])) if length else logits[..., 0, :0]
        return found.to(q.dtype), sums

    _count(gpu, "efficient with sums", q, k, v, mask)
    out, sums = gpu.made(compute, query.device)
    return out, sums, torch.empty(0), torch.empty(0)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in HALF else tensor


def _count(gpu: FakeGpu, taken: str, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    line = site()
    gpu.record.attention[f"{taken}: {tuple(q.shape)} × {tuple(k.shape)} {q.dtype} at {line}"] += 1
    pairs = math.prod(q.shape[:-1]) * k.shape[-2]
    flops = 2 * pairs * (q.shape[-1] + v.shape[-1])
    moved = sum(footprint(t) for t in (q, k, v)) + math.prod(q.shape[:-1]) * v.shape[-1] * q.element_size()
    shape = (*q.shape[:-1], v.shape[-1])
    if taken == "math":  # q, k, v and mask widened, logits written, masked, a softmax, a second product
        gpu.count(Kernel("attention: math", line, flops, moved + 7 * 4 * pairs, torch.float32, shape))
        for _ in range(9):
            gpu.count(Kernel("attention: a part of math", line, 0, 0, torch.float32, shape))
        return
    moved += 0 if mask is None else footprint(mask)
    gpu.count(Kernel(f"attention: {taken}", line, flops, moved, q.dtype, shape))
    if "copied" in taken:
        gpu.count(Kernel("attention: mask copied", line, 0, 2 * footprint(mask), q.dtype, shape))
