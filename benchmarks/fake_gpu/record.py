"""What was done on a make-believe device, and what of it was wrong."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor

PRODUCT = "restorecli/"


@dataclass(frozen=True)
class Kernel:
    """One launch: its operator, the product's line that asked for it, and the least it must do.

    Attributes:
        flops: floating-point operations of products and convolutions; 0 for all else.
        bytes: what it must read and write if caches hold nothing.
        dtype: what it computes in.
    """

    name: str
    site: str
    flops: int
    bytes: int
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass
class Record:
    """Everything counted since the last `clear`.

    Attributes:
        kernels: in order.
        syncs: what made the host wait, with the line → how often. Waiting for an event is not among them.
        uploads: copies from pageable host memory, which wait too.
        attention: the kernel that each fused attention takes, with its shapes.
        waits: how often an event was waited for, with whether it gave the core away meanwhile.
        races: what was read before it had arrived, or changed before it had left.
    """

    kernels: list[Kernel] = field(default_factory=list)
    syncs: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)
    attention: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    races: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Forget it all."""
        for part in (self.kernels, self.syncs, self.uploads, self.attention, self.waits, self.races):
            part.clear()


def site() -> str:
    """Return the innermost line of the product that is running, as file:line."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if PRODUCT in name and "/benchmarks/" not in name and "/tests/" not in name:
            return f"{name.rsplit(PRODUCT, 1)[1]}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def footprint(tensor: Tensor) -> int:
    """Return the bytes of ``tensor`` that a kernel touches: a dimension that is repeated counts once."""
    if not tensor.numel():
        return 0
    real = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or size == 1)
    return math.prod(real) * tensor.element_size()
