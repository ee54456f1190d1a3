"""What an error of a device means: memory ran out, perhaps in disguise; the device is gone; or neither."""

from __future__ import annotations

import torch

from restorecli.errors import DeviceError, first_line

_SHORTAGE = ("out of memory", "not enough memory", "can't allocate memory")
_DISGUISED = (
    "unable to find an engine",
    "cudnn_status_internal_error",
    "cudnn_status_alloc_failed",
    "cublas_status_not_initialized",
    "cublas_status_alloc_failed",
)
_LOST = (
    "cuda error",
    "hip error",
    "device-side assert",
    "device lost",
    "device_lost",
    "unspecified launch failure",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` says that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _says(error, _SHORTAGE)


def may_be_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` is one that cuDNN and cuBLAS give where their workspace does not fit, too."""
    return isinstance(error, RuntimeError) and _says(error, _DISGUISED)


def is_device_lost(error: BaseException) -> bool:
    """Tell whether no call to the device can succeed any more in this process."""
    if not isinstance(error, RuntimeError) or is_out_of_memory(error) or may_be_out_of_memory(error):
        return False
    kind = getattr(torch, "AcceleratorError", None)  # since torch 2.8
    return (kind is not None and isinstance(error, kind)) or _says(error, _LOST)


def device_lost(device: torch.device, error: BaseException) -> DeviceError:
    """Return the error that ends a run whose device is gone."""
    return DeviceError(
        f"{device} failed and cannot be used any more: {first_line(error)}",
        "run it again with --if-exists skip, which keeps what is done; if it fails again, look at the driver "
        "and the temperature of the device, or use another --device",
    )


def device_failed(device: torch.device, error: BaseException) -> DeviceError:
    """Return the error for a library of the device that fails for small passes too."""
    return DeviceError(
        f"{device} cannot run this network: {first_line(error)}",
        "check the device with `restore doctor`, or use another --device or --precision",
    )


def _says(error: BaseException, signs: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in signs)
