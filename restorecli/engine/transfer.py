"""Copies between the host and a device that both go on working meanwhile, as few bytes as a file needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

ASYNCHRONOUS = ("cuda", "xpu", "mps")
PINNING = ("cuda", "xpu")
"""Devices that copy in the background from and to memory the system may not move. On MPS memory is shared."""
AT_ONCE = 1 << 22
"""Samples that are rounded at once: what is in between takes up to 16 bytes each."""


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


def rounds(device: torch.device, peak: int) -> bool:
    """Whether ``device`` rounds as the host does: 16 bits take float64, which not every GPU has."""
    if peak == 255 or device.type in ("cpu", "cuda"):
        return True
    return device.type == "xpu" and bool(torch.xpu.get_device_capability(device).get("has_fp64"))


def to_samples(rows: Tensor, peak: int) -> Tensor:
    """Return C×rows×W float32, clipped to 0–1, as rows×W×C samples where they lie, rounded half to even.

    The same numbers as `photos.formats.page.quantized`, for which products of 16 bits are float64 too.

    Args:
        rows: not changed.
        peak: 255 for uint8; 65535 for int16 whose bits are those of uint16, which few devices compute with.
    """
    channels, height, width = rows.shape
    kind, exact = (torch.uint8, torch.float32) if peak == 255 else (torch.int16, torch.float64)
    made = torch.empty(height, width, channels, dtype=kind, device=rows.device)
    step = max(1, AT_ONCE // (channels * width))
    for top in range(0, height, step):
        levels = rows[:, top : top + step].clamp(0, 1).to(exact).mul_(peak).round_()
        whole = levels if peak == 255 else levels.to(torch.int32)
        made[top : top + step].copy_(whole.permute(1, 2, 0))
    return made
