"""What is made on the host gets to the device without a wait, and never into a recording."""

from __future__ import annotations

import pytest
import torch

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.networks.copied import copied

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_the_copy_is_right_and_a_cuda_device_is_not_waited_for(kind: str):
    numbers = torch.arange(12.0).view(3, 4)
    with FakeGpu(kind, delay=0.002) as gpu:
        there = copied(numbers.T, torch.device(kind, 0))
        assert there.device.type == kind and bool(gpu.syncs) == (kind != "cuda")
        assert torch.equal(there.cpu(), numbers.T) and not gpu.races
    assert copied(numbers, torch.device("cpu")) is numbers


def test_a_recording_would_copy_from_memory_that_is_gone_and_is_refused():
    numbers = torch.arange(12.0)
    with FakeGpu():
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(graph, stream=stream):
            copied(numbers, torch.device("cuda", 0))
