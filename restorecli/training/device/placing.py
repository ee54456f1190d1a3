"""Small things brought to a device without waiting for what it is still at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Numbers = Sequence[float] | Sequence[int] | Sequence[bool] | Sequence[Sequence[float]] | np.ndarray


def placed(numbers: Numbers | Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return numbers as a tensor on ``device``; `torch.tensor(…, device=…)` would wait for the device.

    Args:
        numbers: a list, an array or a tensor of the CPU; small.
        device: where to.
        dtype: floats are float32 where it is None.
    """
    held = torch.as_tensor(numbers, dtype=dtype)
    if dtype is None and held.dtype == torch.float64:
        held = held.float()
    return held.to(device, non_blocking=True)


def each(numbers: Numbers | Tensor, like: Tensor) -> Tensor:
    """Return a number for each image of ``like`` (B×C×H×W), in its dtype, as B×1×1×1."""
    return placed(numbers, like.device, like.dtype)[:, None, None, None]


def flags(taken: Sequence[bool], like: Tensor) -> Tensor:
    """Return whether each image of ``like`` (B×C×H×W) is taken, as B×1×1×1."""
    return placed(list(taken), like.device, torch.bool)[:, None, None, None]
