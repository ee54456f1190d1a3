"""JPEG of batches, decoded again: ITU-T T.81 (blocks, quantisation), T.871 (colours), libjpeg's qualities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restorecli.quality.camera_noise import YCBCR
from restorecli.training.device.placing import flags, placed

BLOCK = 8
TO_RGB = np.linalg.inv(np.array(YCBCR, np.float32))
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # T.81, table K.1
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)  # table K.2


def compressed(images: Tensor, qualities: Sequence[int], halved: Sequence[bool]) -> Tensor:
    """Compress each image as libjpeg does and decode it.

    Args:
        images: B×3×H×W, 0–1; sides are continued to multiples of 16.
        qualities: of each, 1–100.
        halved: of each, whether its chroma is stored at half the size (4:2:0), else 4:4:4.

    Returns:
        B×3×H×W, 0–1, rounded to 8 bit.
    """
    height, width = images.shape[2:]
    wide = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate") * 255
    to_ycc = placed(YCBCR, images.device)
    planes = torch.einsum("ij,bjhw->bihw", to_ycc, wide.round()).round()
    luma = _coded(planes[:, :1] - 128, _tables(_LUMA, qualities, images))
    tables = _tables(_CHROMA, qualities, images)
    full = _coded(planes[:, 1:], tables)
    half = _coded(F.avg_pool2d(planes[:, 1:], 2).round(), tables).round().clamp(-128, 127)
    larger = F.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)  # the triangle filter
    chroma = torch.where(flags(halved, images), larger, full)
    ycc = torch.cat((luma + 128, chroma), 1).round()
    ycc = torch.cat((ycc[:, :1].clamp(0, 255), ycc[:, 1:].clamp(-128, 127)), 1)
    rgb = torch.einsum("ij,bjhw->bihw", placed(TO_RGB, images.device), ycc)
    return rgb[:, :, :height, :width].round().clamp(0, 255) / 255


def _coded(planes: Tensor, tables: Tensor) -> Tensor:
    """Quantise the blocks' cosine transform of B×C×H×W (sides multiples of 8) by B×8×8 tables."""
    batch, channels, height, width = planes.shape
    blocks = planes.reshape(batch, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    cosines = _cosines(planes.device)
    table = tables[:, None, None, None]
    steps = (cosines @ blocks @ cosines.T / table).round() * table
    return (cosines.T @ steps @ cosines).transpose(3, 4).reshape(planes.shape)


def _cosines(device: torch.device) -> Tensor:
    """Return the orthonormal DCT-II of 8 values (T.81, A.3.3)."""
    n = np.arange(BLOCK)
    matrix = np.sqrt(2 / BLOCK) * np.cos((2 * n[None] + 1) * n[:, None] * np.pi / (2 * BLOCK))
    matrix[0] /= np.sqrt(2)
    return placed(matrix, device)


def _tables(base: Sequence[Sequence[int]], qualities: Sequence[int], like: Tensor) -> Tensor:
    """Return the tables of each quality as libjpeg scales them, B×8×8."""
    scaled = []
    for quality in qualities:
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        scaled.append(np.clip((np.array(base) * percent + 50) // 100, 1, 255))
    return placed(np.stack(scaled).astype(np.float32), like.device)
