"""`torch.compile` as an option: faster passes after a first one that waits for a compiler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from restorecli.engine.faults import is_out_of_memory, may_be_out_of_memory

NOTABLE = 2.0  # seconds a pass must take longer than usual to be said


def keep_from_tracing(network: Callable[[Tensor], Tensor]) -> None:
    """Have the compiler call, and not trace, the methods that parts of ``network`` name in ``untraced``."""
    for module in network.modules() if isinstance(network, nn.Module) else ():
        for part in list(vars(module).values()):
            for name in getattr(part, "untraced", ()):
                kept = torch.compiler.disable(getattr(part, name))  # type: ignore[no-untyped-call]
                setattr(part, name, kept)


class Compiled:
    """A network compiled at its first call, and as it was where compiling fails.

    Args:
        network: takes B×C×H×W and gives B×C'×sH×sW.
        report: called with one sentence: what compiling cost, or why it failed.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], report: Callable[[str], None]) -> None:
        self._plain = network
        keep_from_tracing(network)
        self._compiled: Callable[[Tensor], Tensor] | None = torch.compile(network)
        self._report = report
        self._shapes: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """Run the network; the first call of a shape may take minutes."""
        if self._compiled is None or tuple(x.shape) in self._shapes:
            return (self._compiled or self._plain)(x)
        with self._lock:
            return self._first(x)

    def _first(self, x: Tensor) -> Tensor:
        began = time.perf_counter()
        try:
            output = (self._compiled or self._plain)(x)
        except Exception as error:  # compilers fail in many ways, and no photo should fail for it
            if is_out_of_memory(error) or may_be_out_of_memory(error):
                raise
            self._compiled = None
            self._report(f"the network runs uncompiled: {type(error).__name__}: {str(error).splitlines()[0]}")
            return self._plain(x)
        seconds = time.perf_counter() - began
        self._shapes.add(tuple(x.shape))
        if seconds > NOTABLE:
            size = f"{x.shape[-1]}×{x.shape[-2]}"
            self._report(f"compiling for tiles of {size} took {seconds:.0f} s; later tiles do not wait")
        return output
