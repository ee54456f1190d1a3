"""CUDA graphs: a pass recorded once per shape and launched as one, where that measures faster.

Networks of many small kernels keep a GPU waiting for the host. A shape's first pass runs as it is; at the
second one is timed, recorded, and the recording timed. What does not gain, or cannot be recorded because the
network makes the host wait, goes on as it is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restorecli.engine.faults import is_device_lost, is_out_of_memory
from restorecli.engine.memory import release

NOTABLE = 2.0  # seconds of recording that are worth telling
WORTHWHILE = 0.95  # of the time without: less gain is within what timing gets wrong
MOST_SHAPES = 8  # each keeps its input and output; what lies between shares one piece of memory


_ONE_AT_A_TIME = threading.Lock()
"""Held while recording: CUDA's allocator takes part in one recording of a process, whatever the devices."""


@dataclass(frozen=True)
class _Recording:
    """A graph with the tensors it reads and writes; ``kept`` are those that others would let go."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    output: Tensor
    kept: Any


class Graphed:
    """A network on a CUDA device, recorded per shape. Call it from one thread at a time.

    Args:
        network: takes B×C×H×W and gives B×C'×sH×sW; what it gives is to be read before the next call.
        device: where it is.
        tell: called with one sentence: what recording cost.

    Attributes:
        records: whether further shapes are recorded.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], device: torch.device, tell: Callable[[str], None]
    ) -> None:
        self._plain = network
        self._device = device
        self._tell = tell
        self.records = True
        self._pool: Any = None
        self._stream: Any = None
        self._passes: dict[tuple[int, ...], int] = {}
        self._recordings: dict[tuple[int, ...], _Recording | None] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Run the network."""
        shape = tuple(x.shape)
        if shape not in self._recordings:
            self._passes[shape] = passes = self._passes.get(shape, 0) + 1
            if passes < 2 or not self.records or len(self._recordings) >= MOST_SHAPES:
                return self._plain(x)
            self._recordings[shape] = self._recorded(x)
        recording = self._recordings[shape]
        if recording is None:
            return self._plain(x)
        recording.given.copy_(x)
        recording.graph.replay()
        return recording.output

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes that are replayed."""
        return tuple(shape for shape, recording in self._recordings.items() if recording is not None)

    def forget(self) -> bool:
        """Let all recordings go, whose memory nothing else can use; tell whether there were any."""
        there = bool(self.shapes)
        self._recordings.clear()
        self._passes.clear()
        self._pool = self._stream = None
        return there

    def _recorded(self, x: Tensor) -> _Recording | None:
        began = time.perf_counter()
        try:
            with torch.cuda.device(self._device):
                recording = self._try(x)
        except (RuntimeError, MemoryError) as error:
            if is_device_lost(error) and "captur" not in str(error).lower():
                raise
            if not is_out_of_memory(error):
                self._tell(f"the network runs without CUDA graphs: {str(error).splitlines()[0]}")
                self.records = False  # another shape would fail as well
            recording = None
            _end_allocating(self._device, self._pool)
            self._pool = self._stream = None
        if recording is None:  # outside the except block, whose traceback keeps tensors alive
            release(self._device)
        seconds = time.perf_counter() - began
        if seconds > NOTABLE:
            size = f"{x.shape[-1]}×{x.shape[-2]}"
            self._tell(f"recording the network for tiles of {size} took {seconds:.0f} s, once")
        return recording

    def _try(self, x: Tensor) -> _Recording | None:
        given = x.clone()
        without = self._seconds(lambda: self._plain(given))
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
            # torch's own stream for recording is of the first device that recorded.
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        graph, stream = torch.cuda.CUDAGraph(), self._stream
        # Up to torch 2.11 a recording begins by taking memory on its stream for random numbers: where there
        # is none, the graph cannot even be let go, and the process ends. This raises first, and is kept so
        # that the piece of memory it opens has room for that.
        with torch.cuda.stream(stream):
            opened = torch.empty(1, device=self._device)
        # "thread_local": other threads may pin memory meanwhile. The outer block puts the current stream
        # back: `torch.cuda.graph` does not where its end fails, as after a network that made the host wait.
        with (
            _ONE_AT_A_TIME,
            torch.cuda.stream(stream),
            torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"),
        ):
            output = self._plain(given)
        del opened
        if self._seconds(graph.replay) > WORTHWHILE * without:
            return None
        kept: object = getattr(self._plain, "kept", tuple)()
        return _Recording(graph, given, output, kept)

    def _seconds(self, work: Callable[[], object]) -> float:
        """Return the least seconds of two calls, the device waited for."""
        times = []
        for _ in range(2):
            torch.cuda.synchronize(self._device)
            began = time.perf_counter()
            work()
            torch.cuda.synchronize(self._device)
            times.append(time.perf_counter() - began)
        return min(times)


def _end_allocating(device: torch.device, pool: Any) -> None:
    """Have the allocator take no recording for one that is still under way.

    Up to torch 2.11 it does where a recording's end failed, and gives no memory back from then on.
    """
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")  # the second up to torch 2.6
    end = next((getattr(torch._C, name) for name in names if hasattr(torch._C, name)), None)
    if end is not None and pool is not None:
        with contextlib.suppress(RuntimeError):  # as the first says where all is well
            end(device.index or 0, pool)
            torch._C._cuda_releasePool(device.index or 0, pool)
