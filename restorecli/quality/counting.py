"""How much work a pass of a network is: multiply-adds, and bytes that its operators read and write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Work:
    """What one call does, counted while it runs.

    Attributes:
        macs: multiply-adds of convolutions and matrix products; element-wise work is not counted.
        traffic: bytes, if every operator read its inputs from memory and wrote its outputs there. Caches
            and fused operators move less, so the true traffic is below it.
    """

    macs: int
    traffic: int


def count(call: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    """Run ``call(x)`` once and count what it does.

    torch's own counter takes a multiply-add for two operations; here it is one.

    Args:
        call: a network in any precision, on any device, not compiled.
        x: B×C×H×W on the same device.
    """
    flops, traffic = FlopCounterMode(display=False), _Traffic()
    with torch.no_grad(), flops, traffic:
        call(x)
    return Work(int(flops.get_total_flops()) // 2, traffic.bytes)


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the bytes of every operator's tensors; views, which move nothing, are left out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            seen = {
                id(leaf): leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)
            }
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in seen.values())
        return result
