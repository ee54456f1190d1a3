"""CUDA graphs on a make-believe GPU: what was done while recording is done again with the same memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.fake_gpu.record import Kernel
from benchmarks.fake_gpu.tensors import DeviceTensor


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self, *_: object, **__: object) -> None:
        self.steps: list[Callable[[], None]] = []
        self.kernels: list[Kernel] = []

    def replay(self) -> None:
        """Do everything again: one launch, whatever it holds."""
        gpu = DeviceTensor.gpu
        gpu.check_alive()
        gpu.launches += 1
        gpu.record.kernels += self.kernels
        for step in self.steps:
            step()

    def reset(self) -> None:
        """Forget it."""
        self.steps.clear()


@contextlib.contextmanager
def recording(graph: Graph, **_: Any) -> Iterator[None]:
    """Stand in for `torch.cuda.graph`: the host must not wait, nor copy pageable memory, inside."""
    gpu = DeviceTensor.gpu
    before = len(gpu.record.kernels)
    gpu.recorded = graph
    try:
        yield
    finally:
        gpu.recorded = None
        graph.kernels = gpu.record.kernels[before:]
        del gpu.record.kernels[before:]
