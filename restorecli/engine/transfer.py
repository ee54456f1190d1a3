"""Copies between the host and a device that both go on working meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

ASYNCHRONOUS = ("cuda", "xpu", "mps")
PINNING = ("cuda", "xpu")
"""Devices that copy in the background from and to memory the system may not move. On MPS memory is shared."""


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Return ``tensor`` on ``device``; the host does not wait for the copy."""
    if device.type in PINNING:
        # The pinned copy may be let go at once: torch keeps its memory until the device has read it.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device, non_blocking=device.type in ASYNCHRONOUS)


def download(tensors: Sequence[Tensor]) -> tuple[list[Tensor], Callable[[], None]]:
    """Start copying ``tensors``, all of one device, to the host.

    Returns:
        The copies, and what to call before they are read.
    """
    device = tensors[0].device
    if device.type not in ASYNCHRONOUS:
        return [tensor.cpu() for tensor in tensors], _nothing
    if device.type in PINNING:
        copies = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor, non_blocking=True)
    else:
        copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    return copies, _arrival(device)


def _arrival(device: torch.device) -> Callable[[], None]:
    """Return what waits for everything that was asked of ``device`` until now."""
    event: Any
    if device.type == "mps":
        event = torch.mps.event.Event()  # type: ignore[no-untyped-call]
        event.record()
    elif device.type == "xpu":
        event = torch.xpu.Event()  # type: ignore[no-untyped-call]
        event.record(torch.xpu.current_stream(device))
    else:
        # Blocking: the core sleeps until the device is done, and the encoders have it.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(device))
    wait: Callable[[], None] = event.synchronize
    return wait


def _nothing() -> None:
    """Nothing to wait for."""
