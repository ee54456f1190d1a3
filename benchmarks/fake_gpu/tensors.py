"""Tensors that say they lie on a device and keep their numbers on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from benchmarks.fake_gpu.gpu import FakeGpu

_ATTENTION = F.scaled_dot_product_attention


class DeviceTensor(Tensor):
    """A tensor on a make-believe device.

    To torch's C++ it is a CUDA tensor where the build knows CUDA, else one on the CPU. Every operator on it
    reaches `operators.dispatch`.

    Attributes:
        host: its numbers.
    """

    gpu: FakeGpu | None = None
    host: Tensor
    place: torch.device

    @staticmethod
    def __new__(cls, host: Tensor, place: torch.device) -> DeviceTensor:
        native = place.type == "cuda" and torch.backends.cuda.is_built()
        made = Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            layout=host.layout,
            device=place if native else torch.device("cpu"),
        )
        made.host, made.place = host, place
        return made

    @property
    def device(self) -> torch.device:
        return self.place

    @property
    def is_cuda(self) -> bool:
        return self.place.type == "cuda"

    @property
    def data(self) -> DeviceTensor:
        with torch._C.DisableTorchFunctionSubclass():
            return DeviceTensor(self.host, self.place)

    @data.setter
    def data(self, value: DeviceTensor) -> None:
        with torch._C.DisableTorchFunctionSubclass():
            Tensor.data.__set__(self, value)
            self.host = value.host

    def data_ptr(self) -> int:
        return self.host.data_ptr() or id(self.host.untyped_storage())

    def tolist(self) -> Any:
        self.gpu.wait_of_host("tolist()")
        return self.host.tolist()

    def __deepcopy__(self, memo: object) -> Tensor:
        copied = DeviceTensor(self.host.clone(), self.place)
        return torch.nn.Parameter(copied, False) if getattr(self, "_is_param", False) else copied

    def __repr__(self, **_: object) -> str:
        return f"DeviceTensor({self.place}, {self.dtype}, {tuple(self.shape)})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is _ATTENTION:
            from benchmarks.fake_gpu import attention

            return attention.fused(DeviceTensor.gpu, *args, **kwargs)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return DeviceTensor.gpu.dispatch(func, args, kwargs or {})


def on_host(value: Any) -> Any:
    """Return a device tensor's numbers; anything else as it is."""
    return value.host if isinstance(value, DeviceTensor) else value
