"""Whether settings that stand in a file of weights can be what its tensors are of.

A file of a few kilobytes may ask for a billion blocks, or for channels that fill the machine's memory. So the
network is first built without memory (on torch's "meta" device), and that ends at the first parameter that
the file has no tensor for.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

LARGEST = 1 << 16
"""No number that shapes a network is larger: channels, blocks, window sides, hashes."""
MOST_TABLES = 1 << 28
"""Elements of what a network computes for itself (position tables, masks), all together."""


def check_size(
    make: Callable[..., nn.Module], state: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> None:
    """Refuse settings of a network that has more parameters than ``state``.

    Args:
        make: builds the network from ``settings``.
        state: the tensors of the file.
        settings: as stated by the file or the catalogue.

    Raises:
        ValueError: a number is beyond reason, or the network is larger than the file.
        TypeError, RuntimeError: whatever ``make`` raises.
    """
    for name, value in settings.items():
        _check_numbers(name, value)
    most = sum(tensor.numel() for tensor in state.values())
    # Some tolerance: where a few tensors are missing, the strict loading that follows names them.
    with _at_most(2 * len(state) + 64, 2 * most + (1 << 20)), torch.device("meta"):
        make(**settings)


def _check_numbers(name: str, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        if len(value) > LARGEST:
            raise ValueError(f"{name} has {len(value)} values")
        for each in value:
            if isinstance(each, (list, tuple)) and any(isinstance(inner, (list, tuple)) for inner in each):
                raise ValueError(f"{name} is nested")
            _check_numbers(name, each)
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, (int, float)) and abs(value) > LARGEST
    ):
        raise ValueError(f"{name} is {value}")


@contextmanager
def _at_most(count: int, elements: int) -> Iterator[None]:
    """Let modules made in this thread register so many parameters and so many values in them, and no more."""
    thread = threading.get_ident()
    left = {"parameters": count, "values": elements, "tables": MOST_TABLES}

    def take(kind: str, number: int) -> None:
        left[kind] -= number
        if left[kind] < 0:
            raise ValueError("its settings ask for a larger network than the file holds")

    def parameter(_module: nn.Module, _name: str, tensor: nn.Parameter | None) -> None:
        if tensor is not None and threading.get_ident() == thread:
            take("parameters", 1)
            take("values", tensor.numel())

    def buffer(_module: nn.Module, _name: str, tensor: Tensor | None) -> None:
        if tensor is not None and threading.get_ident() == thread:
            take("tables", tensor.numel())

    handles = [
        hooks.register_module_parameter_registration_hook(parameter),
        hooks.register_module_buffer_registration_hook(buffer),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
