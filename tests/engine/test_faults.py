import pytest
import torch

from restorecli.engine.faults import device_lost, is_device_lost, is_out_of_memory, may_be_out_of_memory
from restorecli.errors import ExitCode


def test_shortages_of_memory_are_told_from_other_errors():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "text",
    [
        "GET was unable to find an engine to execute this computation",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_disguises_of_a_shortage_are_neither_certain_nor_the_end_of_the_device(text: str):
    error = RuntimeError(text)
    assert may_be_out_of_memory(error)
    assert not is_out_of_memory(error) and not is_device_lost(error)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: unspecified launch failure",
        "CUDA error: device-side assert triggered",
        "HIP error: the operation cannot be performed in the present state",
    ],
)
def test_a_lost_device_is_a_device_error(text: str):
    assert is_device_lost(RuntimeError(text))
    error = device_lost(torch.device("cuda", 0), RuntimeError(text))
    assert error.exit_code is ExitCode.DEVICE and text in error.message and error.hint


def test_other_errors_do_not_condemn_the_device():
    assert not is_device_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_device_lost(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_device_lost(ValueError("CUDA error"))
