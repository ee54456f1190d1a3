"""CUDA graphs on a make-believe GPU: what was done while recording is done again with the same memory."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks.fake_gpu.record import Kernel
from benchmarks.fake_gpu.tensors import DeviceTensor


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self, *_: object, **__: object) -> None:
        self.device = torch.device("cuda", 0)
        self.steps: list[Callable[[], None]] = []
        self.kernels: list[Kernel] = []
        self.seeds: list[torch.Tensor] = []

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


def end_allocating(device: int, pool: object) -> None:
    """Stand in for what ends a recording for the allocator."""
    gpu = DeviceTensor.gpu
    if not gpu.unended:
        raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
    gpu.unended = False


@contextlib.contextmanager
def on_stream(stream: Any) -> Iterator[None]:
    """Stand in for `torch.cuda.stream`."""
    streams, thread = DeviceTensor.gpu.streams, threading.get_ident()
    before = streams.get(thread)
    streams[thread] = stream
    try:
        yield
    finally:
        streams[thread] = before


@contextlib.contextmanager
def recording(graph: Graph, *, stream: Any = None, **_: Any) -> Iterator[None]:
    """Stand in for `torch.cuda.graph`: the host must not wait, nor copy pageable memory, inside.

    What is done on another device than the stream's is not recorded; torch's own stream is of the first
    device. Where recording fails, its end fails too, and the stream stays chosen. The first graph takes
    memory for random numbers; one that gets none ends the process when it is let go, as in torch 2.11. There
    the allocator believes a recording whose end failed to be under way until `end_allocating`.
    """
    gpu, thread = DeviceTensor.gpu, threading.get_ident()
    stream = stream or SimpleNamespace(device=graph.device)
    graph.device = stream.device
    before, chosen = len(gpu.record.kernels), gpu.streams.get(thread)
    gpu.streams[thread] = stream
    if not gpu.graphs:
        try:
            graph.seeds = [torch.empty(1, dtype=torch.int64, device=graph.device) for _ in range(2)]
        except torch.OutOfMemoryError:
            weakref.finalize(graph, gpu.aborts.append, "The graph should be registered to the state")
            gpu.streams[thread] = chosen
            raise
    gpu.graphs.add(graph)
    gpu.recorded = graph
    try:
        yield
        gpu.streams[thread] = chosen
    except RuntimeError as error:
        gpu.unended = "capturing" in str(error)
        raise
    finally:
        gpu.recorded = None
        graph.kernels = gpu.record.kernels[before:]
        del gpu.record.kernels[before:]
