"""What ``torch.cuda``, ``torch.xpu`` and ``torch.mps`` say while a make-believe device is there."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.fake_gpu import graphs
from benchmarks.fake_gpu.tensors import DeviceTensor

if TYPE_CHECKING:
    from benchmarks.fake_gpu.gpu import FakeGpu

MISSING = object()


class Patches:
    """Attributes replaced for a while; ``after`` holds what else is to be put back."""

    def __init__(self) -> None:
        self.after: list[Callable[[], None]] = []
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace ``owner.name``."""
        self._before.append((owner, name, owner.__dict__.get(name, MISSING)))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back."""
        for owner, name, before in reversed(self._before):
            if before is MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        for step in self.after:
            step()


POSSIBLE = not torch.backends.cuda.is_built() or hasattr(torch._C, "_ensureCUDADeviceGuardSet")
"""Whether this build of torch can be stood in for: older CUDA builds insist on a real device."""


def stand_in(gpu: FakeGpu, patches: Patches) -> None:
    """Put ``gpu`` in the place of its kind of device."""
    if torch.backends.cuda.is_built():
        torch._C._ensureCUDADeviceGuardSet()
    backend = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.mps}[gpu.kind]
    for name, value in _backend(gpu).items():
        patches.set(backend, name, value)
    for kind, module in (("cuda", torch.cuda), ("xpu", torch.xpu)):
        if kind != gpu.kind:
            patches.set(module, "device_count", lambda: 0)
    is_mps = functools.wraps(torch.backends.mps.is_available)(lambda: gpu.kind == "mps")
    patches.set(torch.backends.mps, "is_available", is_mps)  # torch 2.14's compiler asks what it wraps
    if gpu.kind == "mps":
        patches.set(torch.mps, "event", SimpleNamespace(Event=_events(gpu)))
    patches.set(Tensor, "to", _to(gpu, Tensor.to))
    patches.set(Tensor, "cpu", lambda tensor, **_: tensor.to(torch.device("cpu")))
    patches.set(Tensor, "pin_memory", lambda tensor, *_: gpu.pinned.pin(_contiguous_copy(tensor)))
    patches.set(Tensor, "is_pinned", lambda tensor, *_: tensor in gpu.pinned)
    patches.set(torch._C, "_cuda_endAllocateToPool", graphs.end_allocating)
    patches.set(torch._C, "_cuda_releasePool", lambda device, pool: None)
    patches.set(threading.Thread, "run", _watched(gpu, threading.Thread.run))
    _settings(patches)


def _settings(patches: Patches) -> None:
    """Make ``.to`` of a module give it new parameters, and torch.tensor make its numbers on the host."""
    future, lifts = torch.__future__, torch._C._only_lift_cpu_tensors()
    overwrites = future.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)
    torch._C._set_only_lift_cpu_tensors(True)
    patches.after.append(lambda: future.set_overwrite_module_params_on_conversion(overwrites))
    patches.after.append(lambda: torch._C._set_only_lift_cpu_tensors(lifts))


def _backend(gpu: FakeGpu) -> dict[str, Any]:
    def number(device: Any = None) -> int:
        if device is None or isinstance(device, int):
            return device or 0
        return torch.device(device).index or 0

    def synchronize(device: Any = None) -> None:
        gpu.wait_of_host("synchronize()")
        gpu.synchronised.append(number(device))
        if gpu.stream.last is not None:
            gpu.stream.last.wait()

    def set_sync_debug_mode(mode: str | int) -> None:
        gpu.waits_forbidden = mode in ("error", 2)

    def reset_peak(device: Any = None) -> None:
        gpu.peak[number(device)] = gpu.live[number(device)]

    common = {
        "is_available": lambda: True,
        "device_count": lambda: gpu.devices,
        "_lazy_init": lambda: None,
        "is_initialized": lambda: True,
        "current_device": lambda: 0,
        "synchronize": synchronize,
        "empty_cache": lambda: _empty_cache(gpu),
        "Event": _events(gpu),
    }
    if gpu.kind == "mps":
        return {
            **common,
            "recommended_max_memory": lambda: gpu.capacity,
            "driver_allocated_memory": lambda: gpu.live[0],
            "current_allocated_memory": lambda: gpu.live[0],
        }
    common |= {
        "get_device_name": lambda device=None: gpu.names[number(device)],
        "get_device_properties": lambda device=None: gpu.properties(number(device)),
        "current_stream": lambda device=None: _current_stream(gpu, number(device)),
        "memory_allocated": lambda device=None: gpu.live[number(device)],
        "max_memory_allocated": lambda device=None: gpu.peak[number(device)],
        "memory_reserved": lambda device=None: gpu.live[number(device)],
        "max_memory_reserved": lambda device=None: gpu.peak[number(device)],
        "reset_peak_memory_stats": reset_peak,
        "mem_get_info": lambda device=None: (gpu.capacity - gpu.live[number(device)], gpu.capacity),
    }
    if gpu.kind == "xpu":
        return common
    return {
        **common,
        "get_device_capability": lambda device=None: gpu.capability,
        "get_arch_list": lambda: ["sm_80", "sm_90", "sm_100"],
        "set_sync_debug_mode": set_sync_debug_mode,
        "get_sync_debug_mode": lambda: 2 if gpu.waits_forbidden else 0,
        "set_per_process_memory_fraction": lambda share, device=None: _limit(gpu, share),
        "device": lambda device: contextlib.nullcontext(),
        "Stream": lambda device=None: SimpleNamespace(device=torch.device("cuda", number(device))),
        "stream": graphs.on_stream,
        "is_current_stream_capturing": lambda: gpu.recorded is not None,
        "graph_pool_handle": lambda: (0, 1),
        "CUDAGraph": graphs.Graph,
        "graph": graphs.recording,
    }


def _empty_cache(gpu: FakeGpu) -> None:
    gpu.check_alive()
    if gpu.unended:
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")


def _current_stream(gpu: FakeGpu, number: int) -> Any:
    here = gpu.streams.get(threading.get_ident())
    device = torch.device(gpu.kind, number)
    return here if here is not None and here.device == device else SimpleNamespace(device=device)


def _limit(gpu: FakeGpu, share: float) -> None:
    whole = getattr(gpu, "whole_capacity", gpu.capacity)
    gpu.whole_capacity = whole
    gpu.capacity = int(whole * share)


def _events(gpu: FakeGpu) -> type:
    class Event:
        """Set once everything asked for before it is done."""

        def __init__(self, enable_timing: bool = False, blocking: bool = False, **_: Any) -> None:
            self._blocking = blocking
            self._done: threading.Event | None = None
            self._at = 0.0

        def record(self, stream: Any = None) -> None:
            gpu.check_alive()
            self._done = gpu.stream.add(lambda: None)
            self._at = time.perf_counter()

        def synchronize(self) -> None:
            gpu.check_alive()
            gpu.record.waits["blocking" if self._blocking else "spinning"] += 1
            if self._done is not None:
                self._done.wait()

        def query(self) -> bool:
            return self._done is None or self._done.is_set()

        def elapsed_time(self, end: Event) -> float:
            return 1000 * (end._at - self._at)

    return Event


def _to(gpu: FakeGpu, real: Any) -> Any:
    """`Tensor.to` for devices that torch's C++ does not know of."""

    def to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], DeviceTensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        device = next((torch.device(v) for v in args if isinstance(v, (str, torch.device))), None)
        device = torch.device(kwargs["device"]) if kwargs.get("device") is not None else device
        if device is None or (gpu.own(device) is None and not isinstance(tensor, DeviceTensor)):
            return real(tensor, *args, **kwargs)
        if isinstance(tensor, DeviceTensor) and gpu.own(device) == tensor.device:
            rest = [value for value in args if not isinstance(value, (str, torch.device))]
            kwargs.pop("device", None)
            return real(tensor, *rest, **kwargs) if rest or kwargs else tensor
        dtype = next((v for v in args if isinstance(v, torch.dtype)), kwargs.get("dtype"))
        options = {"device": gpu.own(device) or device, "dtype": dtype or tensor.dtype}
        late = bool(kwargs.get("non_blocking")) or any(value is True for value in args)
        layout = kwargs.get("memory_format") or torch.preserve_format
        return gpu.dispatch(
            torch.ops.aten._to_copy.default,
            (tensor.detach() if tensor.requires_grad else tensor,),
            {**options, "non_blocking": late, "memory_format": layout},
        )

    return to


def _watched(gpu: FakeGpu, real: Any) -> Any:
    """`Thread.run` with operators going to the device, since such a mode belongs to one thread."""

    def run(thread: threading.Thread) -> None:
        if thread.name == "make-believe copies":
            real(thread)
            return
        with gpu.watching():
            real(thread)

    return run


def _contiguous_copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)
