"""Operators on a make-believe device: checked as CUDA checks them, counted, computed on the host."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

from benchmarks.fake_gpu import attention
from benchmarks.fake_gpu.attention import HALF
from benchmarks.fake_gpu.record import Kernel, footprint, site
from benchmarks.fake_gpu.tensors import DeviceTensor

if TYPE_CHECKING:
    from benchmarks.fake_gpu.gpu import FakeGpu

aten = torch.ops.aten
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "addmm_", "baddbmm_", "convolution", "convolution_backward"}
"""On tensor cores: half precision in, sums in float32, half precision out."""
NO_KERNEL = {
    aten.empty.memory_format,
    aten.empty_like.default,
    aten.empty_strided.default,
    aten.new_empty.default,
    aten.new_empty_strided.default,
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh.default,
    aten.is_pinned.default,
    aten._unsafe_view.default,
    aten._reshape_alias.default,
    aten.set_.source_Tensor,
}
"""Allocations and questions."""
WAITING = {aten.nonzero.default, aten.masked_select.default, aten._unique2.default}
"""Their results' shapes are known on the device only."""
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
MIXED = "Expected all tensors to be on the same device, but found at least two devices"


def dispatch(gpu: FakeGpu, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do ``func`` as the device would."""
    if _is_composite(func):  # in inference mode these come here whole
        with gpu.watching():
            done = func.decompose(*args, **kwargs)
        if done is not NotImplemented:
            return done
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, DeviceTensor)]
    wanted = gpu.own(kwargs.get("device"))
    if not there and wanted is None:
        if kwargs.get("pin_memory"):
            return gpu.pinned.pin(func(*args, **{**kwargs, "pin_memory": False}))
        return func(*args, **kwargs)
    if func is aten._to_copy.default:
        return _converted(gpu, args[0], kwargs, wanted)
    if func is aten.copy_.default:
        return _copied(gpu, *args[:2], late=bool((*args[2:], False)[0]) or bool(kwargs.get("non_blocking")))
    if func is aten._local_scalar_dense.default:
        gpu.wait_of_host("item()")
        return 0.0 if gpu.meta else func(args[0].host)
    if func is aten._scaled_dot_product_efficient_attention.default:
        return attention.efficient(gpu, *args, **kwargs)
    if func is aten.cudnn_convolution_relu.default:
        return _convolved_relu(gpu, *args)
    device = _common_device(gpu, func, leaves, there, wanted)
    if func in WAITING:
        gpu.wait_of_host(str(func))
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("meta" if gpu.meta else "cpu")}
        kwargs.pop("pin_memory", None)
    raw_args, raw_kwargs = tree_map(gpu.numbers, args), tree_map(gpu.numbers, kwargs)
    return gpu.made(
        lambda: _compute(gpu, func, raw_args, raw_kwargs),
        device,
        known={id(tensor.host): tensor for tensor in there},
        view=bool(func.is_view),
        note=lambda result: _count(gpu, func, raw_args, raw_kwargs, result),
    )


def _common_device(
    gpu: FakeGpu, func: Any, leaves: list[Any], there: list[DeviceTensor], wanted: torch.device | None
) -> torch.device:
    devices = {tensor.device for tensor in there}
    if len(devices) > 1:
        raise RuntimeError(f"{MIXED}, {' and '.join(sorted(map(str, devices)))}! ({func} at {site()})")
    device = there[0].device if there else wanted
    for leaf in leaves:
        if isinstance(leaf, Tensor) and not isinstance(leaf, DeviceTensor):
            if func in INDEXED and leaf.dtype in (torch.int64, torch.bool):
                gpu.upload_of_pageable("an index", leaf)
            elif leaf.dim() > 0:
                raise RuntimeError(f"{MIXED}, {device} and cpu! ({func} at {site()})")
    return device


def _compute(gpu: FakeGpu, func: Any, args: Any, kwargs: Any) -> Any:
    name = func._schema.name.removeprefix("aten::")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if gpu.meta or name not in PRODUCTS or not any(tensor.dtype in HALF for tensor in tensors):
        return func(*args, **kwargs)
    types = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    if len(types) > 1:
        raise RuntimeError(f"expected one dtype in {func}, got {types}")
    (dtype,) = types

    def widened(value: Any) -> Any:
        return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value

    wide = func(*tree_map(widened, args), **tree_map(widened, kwargs))
    if name.endswith("_"):
        return args[0].copy_(wide)
    return tree_map(lambda v: v.to(dtype) if isinstance(v, Tensor) else v, wide)


def _convolved_relu(gpu: FakeGpu, x: Tensor, weight: Tensor, bias: Tensor, *how: Any) -> Any:
    """CuDNN's convolution with bias and ReLU in one kernel: summed in float32, rounded once."""
    device = _common_device(gpu, aten.cudnn_convolution_relu.default, [x, weight, bias], [x], None)
    numbers = tuple(gpu.numbers(tensor) for tensor in (x, weight, bias))
    if len({tensor.dtype for tensor in numbers}) > 1:
        raise RuntimeError("cuDNN needs input, weight and bias of one type")
    *sizes, groups = how
    rest = (*sizes, False, [0, 0], groups)

    def compute() -> Tensor:
        if gpu.meta:
            found: Tensor = aten.convolution.default(*numbers, *rest)
            return found
        found = aten.convolution.default(*(tensor.float() for tensor in numbers), *rest)
        return found.relu_().to(x.dtype)

    def note(made: Tensor) -> None:
        flops = int(flop_registry[aten.convolution](*numbers, *rest, out_val=made))
        moved = sum(footprint(tensor) for tensor in (*numbers, made))
        gpu.count(Kernel("convolution with ReLU", site(), flops, moved, x.dtype, tuple(made.shape)))

    return gpu.made(compute, device, note=note)


def _converted(gpu: FakeGpu, source: Tensor, kwargs: dict[str, Any], wanted: torch.device | None) -> Tensor:
    """`Tensor.to`: to the device, back from it, or to another type on it."""
    late = bool(kwargs.get("non_blocking"))
    rest = {name: value for name, value in kwargs.items() if name in ("dtype", "memory_format")}
    if not isinstance(source, DeviceTensor):
        numbers = aten._to_copy.default(gpu.uploaded(source, late=late), **rest)
        return gpu.made(lambda: numbers, wanted)
    if kwargs.get("device") is None or wanted is not None:
        place = wanted or source.device
        return gpu.made(
            lambda: aten._to_copy.default(source.host, **rest),
            place,
            note=lambda made: _count(gpu, aten._to_copy.default, (source.host,), {}, made),
        )
    target = torch.zeros_like(source.host, device="cpu") if gpu.meta else source.host
    if late and source.device.type == "mps":  # unified memory: whatever the target is
        made = torch.empty_like(target, dtype=rest.get("dtype"))
        gpu.stream.download(made, target.clone())
        return made
    gpu.wait_of_host(f"a copy to the host of {tuple(source.shape)}")
    return aten._to_copy.default(target, **rest)


def _copied(gpu: FakeGpu, target: Tensor, source: Tensor, *, late: bool) -> Tensor:
    if isinstance(target, DeviceTensor):
        numbers = source.host if isinstance(source, DeviceTensor) else gpu.uploaded(source, late=late)
        _count(gpu, aten.copy_.default, (numbers,), {}, target.host)
        gpu.made(lambda: target.host.copy_(numbers), target.device, {id(target.host): target})
        return target
    numbers = torch.zeros(source.shape, dtype=source.dtype) if gpu.meta else source.host
    if late and target in gpu.pinned:
        gpu.stream.download(target, numbers.clone())
    else:
        gpu.wait_of_host(f"a copy to {'pageable' if late else 'host'} memory of {tuple(source.shape)}")
        target.copy_(numbers)
    return target


def _count(gpu: FakeGpu, func: Any, args: Any, kwargs: Any, out: Any) -> None:
    if func in NO_KERNEL or func.is_view:
        return
    line = site()
    results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    changed = {id(tensor) for tensor in given}  # in place: read and written
    moved = sum(footprint(tensor) for tensor in given)
    moved += sum(footprint(tensor) for tensor in results if id(tensor) not in changed or len(given) == 1)
    count = flop_registry.get(func._overloadpacket)
    flops = int(count(*args, **kwargs, out_val=out)) if count is not None else 0
    floats = [tensor for tensor in (*given, *results) if tensor.is_floating_point()]
    dtype = floats[0].dtype if floats else torch.float32
    shape = tuple(results[0].shape) if results else ()
    gpu.count(Kernel(func._schema.name.removeprefix("aten::"), line, flops, moved, dtype, shape))
    if func is aten.convolution.default and args[2] is not None:  # cuDNN's bias is a kernel of its own
        gpu.count(Kernel("bias of a convolution", line, 0, 2 * footprint(results[0]), dtype, shape))


@functools.cache
def _is_composite(func: Any) -> bool:
    if "upsample" in func.name():  # decompose() would take torch's Python formula; CUDA has one kernel
        return False
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))
