"""What a device can do at best: matrix products and copies, measured in about a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from restorecli.engine.faults import is_out_of_memory
from restorecli.engine.memory import release
from restorecli.engine.precision import DTYPES
from restorecli.quality.timing import synchronise

SIDES = {"cpu": 1536, "gpu": 8192}  # of the matrices: large enough that more is not faster
COPIED = {"cpu": 2**28, "gpu": 2**30}  # bytes: far beyond any cache
SECONDS = 0.4


@dataclass(frozen=True)
class Calibration:
    """The best a device showed.

    Attributes:
        precision: "fp32", "fp16" or "bf16".
        macs: multiply-adds per second of a large square matrix product in that precision, by the library for
            products or that for convolutions (a 1×1 convolution is a product), whichever is faster.
        bandwidth: bytes per second, read and written, of a large copy (as the STREAM benchmark counts).
    """

    precision: str
    macs: float
    bandwidth: float


def calibrate(device: torch.device, precision: str) -> Calibration:
    """Measure ``device`` in ``precision``; the best of as many rounds as fit in `SECONDS` each counts."""
    kind = "cpu" if device.type == "cpu" else "gpu"
    side, dtype = SIDES[kind], DTYPES[precision]
    with torch.inference_mode():
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        product = torch.empty_like(left)
        seconds = _best(lambda: torch.mm(left, right, out=product), device)
        # on CPUs the two are different libraries, and the one for products may not know the processor
        image = left.view(1, side, 32, -1).contiguous(memory_format=torch.channels_last)
        bank = right.view(side, side, 1, 1).contiguous(memory_format=torch.channels_last)
        seconds = min(seconds, _best(lambda: F.conv2d(image, bank), device))
        bandwidth = _copy_bandwidth(COPIED[kind], device)
    return Calibration(precision, side**3 / seconds, bandwidth)


def _copy_bandwidth(size: int, device: torch.device) -> float:
    try:
        source = torch.ones(size, dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or size < 2**22:
            raise
        release(device)
        return _copy_bandwidth(size // 4, device)
    return 2 * size / _best(lambda: target.copy_(source), device)


def _best(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the fastest call."""
    work()
    synchronise(device)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        synchronise(device)
        best = min(best, time.perf_counter() - began)
    return best
