"""The make-believe accelerator itself: memory, faults, and what stands in for ``torch.cuda`` and its like."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from benchmarks.fake_gpu import operators
from benchmarks.fake_gpu.copies import Pinned, Stream
from benchmarks.fake_gpu.graphs import Graph
from benchmarks.fake_gpu.record import Kernel, Record, site
from benchmarks.fake_gpu.stand_in import Patches, stand_in
from benchmarks.fake_gpu.tensors import DeviceTensor

PAGE = 512
"""Allocations are multiples of so many bytes, as CUDA's allocator makes them."""
SEGMENT = 2 << 20
"""The first tensor on a stream other than the usual one needs a free piece of so many bytes."""
PASSING = ("out of memory", "CUBLAS_STATUS", "CUDNN_STATUS")
"""Errors after which a device goes on."""


class FakeGpu:
    """Devices of one kind for the time of a ``with`` block; one such block at a time.

    Args:
        kind: "cuda", "xpu" or "mps".
        devices: how many.
        capacity: bytes of memory of each; may be changed on the way.
        names: of the devices.
        capability: their compute capability.
        delay: seconds until a copy that is not waited for arrives.
        meta: compute nothing, for counting at sizes that would take hours; results are shapes.

    Attributes:
        record: everything that was done.
        live: bytes in use per device; ``peak`` the most so far.
        shortages: how often memory ran out.
        graphs: recorded and not let go yet.
        aborts: what would have ended the process.
        unended: whether the allocator believes that a recording is under way.
        launches: kernels and graphs the host has launched.
        fault: asked before every kernel with the number of the launch and the operator; what it returns is
            raised, from then on by every call if its text says that the device is lost.
    """

    def __init__(
        self,
        kind: str = "cuda",
        *,
        devices: int = 1,
        capacity: int = 80 << 30,
        names: Sequence[str] = (),
        capability: tuple[int, int] = (9, 0),
        delay: float = 0.0,
        meta: bool = False,
    ) -> None:
        self.kind, self.devices, self.capacity, self.meta = kind, devices, capacity, meta
        self.names = tuple(names) or ("Make-believe GPU",) * devices
        self.capability = capability
        self.record = Record()
        self.pinned = Pinned()
        self.stream = Stream(self.record, delay)
        self.live: dict[int, int] = defaultdict(int)
        self.peak: dict[int, int] = defaultdict(int)
        self.shortages = 0
        self.graphs: weakref.WeakSet[Graph] = weakref.WeakSet()
        self.aborts: list[str] = []
        self.unended = False
        self.launches = 0
        self.waits_forbidden = False
        self.synchronised: list[int] = []
        self.fault: Callable[[int, str], BaseException | None] = lambda launch, operator: None
        self.streams: dict[int, Any] = {}  # what a thread has chosen
        self._recording: tuple[int, Graph] | None = None
        self._lost: BaseException | None = None
        self._held: set[int] = set()
        self._on_stream: Counter[int] = Counter()
        self._lock = threading.RLock()
        self._patches = Patches()
        self._around = contextlib.ExitStack()

    @property
    def kernels(self) -> list[Kernel]:
        """Everything launched since the record was cleared."""
        return self.record.kernels

    @property
    def syncs(self) -> Mapping[str, int]:
        """What made the host wait since the record was cleared."""
        return self.record.syncs

    @property
    def races(self) -> list[str]:
        """What was read or changed too early."""
        return self.record.races

    @property
    def recorded(self) -> Graph | None:
        """The graph that this thread records."""
        thread, graph = self._recording or (0, None)
        return graph if thread == threading.get_ident() else None

    @recorded.setter
    def recorded(self, graph: Graph | None) -> None:
        if graph is not None and self._recording is not None:
            raise RuntimeError("only one recording may be under way in a process")
        self._recording = None if graph is None else (threading.get_ident(), graph)

    def __enter__(self) -> FakeGpu:
        if DeviceTensor.gpu is not None:
            raise RuntimeError("there is a make-believe GPU already")
        DeviceTensor.gpu = self
        stand_in(self, self._patches)
        self.stream.start()
        self._around.enter_context(self.watching())
        return self

    def __exit__(self, *_: object) -> None:
        self._around.close()
        self.stream.end()
        self._patches.undo()
        DeviceTensor.gpu = None

    def own(self, device: Any) -> torch.device | None:
        """Return ``device`` with its number where it is one of these, else None."""
        if device is None:
            return None
        device = torch.device(device)
        return torch.device(self.kind, device.index or 0) if device.type == self.kind else None

    def watching(self) -> _Watching:
        """Return a mode in which operators of this thread come to `dispatch`."""
        return _Watching(self)

    def dispatch(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Do an operator; see `operators.dispatch`."""
        return operators.dispatch(self, func, args, kwargs)

    # What operators ask for

    def numbers(self, value: Any) -> Any:
        """Return what an operator on the host gets for an argument."""
        if isinstance(value, DeviceTensor):
            return value.host
        return value.to("meta") if self.meta and isinstance(value, Tensor) else value

    def made(
        self,
        compute: Callable[[], Any],
        device: torch.device,
        known: Mapping[int, DeviceTensor] | None = None,
        view: bool = False,
        note: Callable[[Any], None] | None = None,
    ) -> Any:
        """Compute a result and wrap it.

        Args:
            compute: gives the numbers; done again by each replay of a graph that is being recorded.
            device: where the result lies.
            known: tensors by the id of their numbers; a result that is one of them stays that tensor.
            view: whether there is nothing to do in a replay.
            note: told of the result.
        """
        result = compute()
        if note is not None:
            note(result)
        recorded = self.recorded
        if recorded is not None and recorded.device == device and not view:
            recorded.steps.append(_again(compute, result))

        def wrapped(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if known is not None and id(value) in known:
                return known[id(value)]
            self._hold(value, device)
            with torch.inference_mode(False):  # a view of a normal tensor must not be an inference tensor
                return DeviceTensor(value, device)

        return tree_map(wrapped, result)

    def count(self, kernel: Kernel) -> None:
        """Note a launch; fail where a fault is due."""
        self.check_alive()
        self.launches += 1
        error = self.fault(self.launches, kernel.name)
        if error is not None:
            if "CUDA error" in str(error) and not any(sign in str(error) for sign in PASSING):
                self._lost = error
            raise error
        self.record.kernels.append(kernel)

    def check_alive(self) -> None:
        """Raise what the device was lost by."""
        if self._lost is not None:
            raise type(self._lost)(*self._lost.args)

    def wait_of_host(self, what: str) -> None:
        """Note that the host has to wait for the device."""
        self.check_alive()
        if self.recorded is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({what})")
        if self.waits_forbidden:
            raise RuntimeError(f"called a synchronizing CUDA operation: {what} at {site()}")
        self.record.syncs[f"{what} at {site()}"] += 1

    def upload_of_pageable(self, what: str, tensor: Tensor) -> None:
        """Note a copy from memory that is not pinned: the host waits for it."""
        self.record.uploads[f"{what} {tuple(tensor.shape)} at {site()}"] += 1
        self.wait_of_host(f"an upload of pageable memory ({what})")

    def uploaded(self, source: Tensor, *, late: bool) -> Tensor:
        """Return the numbers of a host tensor that is copied to the device."""
        if source.numel() and source.dim():
            if late and source in self.pinned:
                self.stream.upload(source)
            else:
                self.upload_of_pageable("a tensor", source)
        return source.to("meta") if self.meta else source.clone(memory_format=torch.preserve_format)

    # Memory

    def _hold(self, numbers: Tensor, device: torch.device) -> None:
        storage = numbers.untyped_storage()
        key, index = id(storage), device.index or 0
        size = -(-storage.nbytes() // PAGE) * PAGE
        stream = id(self.streams.get(threading.get_ident()) or self)
        with self._lock:
            if key in self._held:
                return
            needed = size if stream == id(self) or self._on_stream[stream] else max(size, SEGMENT)
            if self.live[index] + needed > self.capacity:
                self.shortages += 1
                raise torch.OutOfMemoryError(
                    f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB (make-believe)"
                )
            self._held.add(key)
            self._on_stream[stream] += 1
            self.live[index] += size
            self.peak[index] = max(self.peak[index], self.live[index])
        weakref.finalize(storage, self._freed, key, stream, index, size)

    def _freed(self, key: int, stream: int, index: int, size: int) -> None:
        with self._lock:
            self._held.discard(key)
            self._on_stream[stream] -= 1
            self.live[index] -= size

    def properties(self, index: int) -> SimpleNamespace:
        """Return what ``get_device_properties`` tells of a device."""
        return SimpleNamespace(
            major=self.capability[0],
            minor=self.capability[1],
            total_memory=self.capacity,
            name=self.names[index],
            uuid=f"make-believe-{index}",
            multi_processor_count=132,
        )


class _Watching(TorchDispatchMode):
    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.gpu.dispatch(func, args, kwargs or {})


def _again(compute: Callable[[], Any], result: Any) -> Callable[[], None]:
    """Return what a replay does: the same operator, its result into the same memory."""

    def step() -> None:
        again = compute()
        for old, new in zip(_tensors(result), _tensors(again), strict=True):
            if old is not new:
                old.copy_(new)

    return step


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
