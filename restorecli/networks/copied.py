"""What is made on the host, copied to a device that goes on working meanwhile."""

from __future__ import annotations

import torch
from torch import Tensor


def copied(made: Tensor, device: torch.device) -> Tensor:
    """Return ``made``, which lies on the host, on ``device``; the host waits for the copy on no NVIDIA GPU.

    Raises:
        RuntimeError: a CUDA graph is being recorded, and would copy again from what is no longer there.
    """
    if device.type != "cuda" or torch.cuda.is_current_stream_capturing():
        return made.to(device)
    # The pinned copy may be let go at once: torch keeps its memory until the device has read it.
    return made.pin_memory().to(device, non_blocking=True)
