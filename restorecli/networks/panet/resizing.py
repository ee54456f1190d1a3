"""Bicubic resizing as two matrix products, for GPUs.

torch's kernel has a thread for each pixel of the result go through all channels: on an H200 four resizings
of 64 channels took a quarter of PANet's time. Resizing is linear along each axis: a matrix says all of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.copied import copied


def by_products(x: Tensor, scale: float, cache: ByteCache) -> Tensor:
    """Return ``x`` (B×C×H×W) as `F.interpolate` with ``scale`` and bicubic makes it, to rounding.

    Args:
        x: in float32 or wider, channels-last for speed.
        scale: below 1.
        cache: keeps the matrices.
    """
    rows, columns = (_matrix(side, scale, x, cache) for side in x.shape[2:])
    pixels = x.permute(0, 2, 3, 1)
    batch, height, width, channels = pixels.shape
    with torch.autocast(x.device.type, enabled=False):
        fewer = torch.matmul(rows, pixels.reshape(batch, height, width * channels))
        return torch.matmul(columns, fewer.view(batch, -1, width, channels)).permute(0, 3, 1, 2)


def _matrix(side: int, scale: float, x: Tensor, cache: ByteCache) -> Tensor:
    """Return what resizes an axis of ``side`` pixels: floor(scale · side)×side."""

    def make() -> Tensor:
        # Each pixel alone, as a channel whose two columns are equal: they become one that is like them.
        impulses = torch.eye(side, dtype=x.dtype, device="cpu").view(1, side, side, 1).expand(-1, -1, -1, 2)
        resized = F.interpolate(impulses, scale_factor=scale, mode="bicubic")[0, :, :, 0]
        return copied(resized.T.contiguous(), x.device)

    return cache.get((side, scale, x.dtype, x.device), make, lambda made: made.nbytes)
