"""The make-believe GPU notices what a real one would punish: tests made with it can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine import transfer
from restorecli.engine.precision import photo_like, psnr
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.errors import NonFiniteError
from tests.engine.samples import Convs

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")

SETTINGS = RunSettings(device="cuda", precision="fp16", tile=32, overlap=8, batch=1)


def restored(network: nn.Module, image: Tensor) -> Tensor:
    return run(prepare(network, SETTINGS), image).output


def expected(network: nn.Module, image: Tensor) -> Tensor:
    return run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=0)), image).output


@pytest.fixture
def network() -> nn.Module:
    return Convs(width=16).eval().requires_grad_(False)


def test_late_copies_that_are_waited_for_are_right(network: nn.Module):
    image = photo_like(3, 70)
    wanted = expected(network, image)
    with FakeGpu(delay=0.01) as gpu:
        assert psnr(restored(network, image), wanted) > 60
        assert not gpu.races and gpu.record.waits["blocking"] and not gpu.record.waits["spinning"]


def test_a_wait_that_is_left_out_shows(network: nn.Module, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfer, "_arrival", lambda device: lambda: None)
    image = photo_like(3, 70)
    wanted = expected(network, image)
    with FakeGpu(delay=0.02):
        try:
            found = psnr(restored(network, image), wanted)
        except NonFiniteError:  # the marks of what is finite have not arrived either
            found = 0.0
        assert found < 30


def test_pinned_memory_that_is_used_again_too_early_shows(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
):
    def early(tensor: Tensor, device: torch.device) -> Tensor:
        pinned = tensor.pin_memory()
        there = pinned.to(device, non_blocking=True)
        pinned.zero_()
        return there

    monkeypatch.setattr("restorecli.engine.lane.upload", early)
    with FakeGpu(delay=0.02) as gpu:
        restored(network, photo_like(3, 70))
        assert gpu.races


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda x: x + torch.zeros(1, 3, 1, 1), "same device"),
        (lambda x: x.to("cuda:1") + x, "same device"),
        (lambda x: x * x.amax().item(), "synchronizing"),
        (lambda x: x + torch.zeros(3, 1, 1).to(x.device), "synchronizing"),
        (lambda x: x[:, torch.tensor([0, 1, 2])], "synchronizing"),
    ],
    ids=["CPU tensor", "other device", "item", "pageable copy", "CPU index"],
)
def test_what_a_network_must_not_do_is_refused(spoil: Callable[[Tensor], Tensor], told: str):
    with FakeGpu(devices=2), torch.inference_mode():
        x = torch.rand(1, 3, 8, 8).to("cuda:0")
        torch.cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match=told):
            spoil(x)


def test_memory_is_counted_and_runs_out():
    with FakeGpu(capacity=1 << 20) as gpu:
        held = torch.zeros(1 << 17, device="cuda:0")
        assert torch.cuda.memory_allocated() == gpu.live[0] == 1 << 19
        with pytest.raises(torch.OutOfMemoryError):
            held.repeat(2)
        del held
        assert gpu.live[0] == 0 and torch.cuda.max_memory_allocated() == 1 << 19


def test_kernels_are_counted_and_a_graph_is_one_launch_with_the_same_numbers(network: nn.Module):
    with FakeGpu() as gpu, torch.inference_mode():
        placed = network.to("cuda:0")
        x = torch.rand(1, 3, 16, 16).to("cuda:0")
        gpu.record.clear()
        plain = placed(x)
        kernels = len(gpu.kernels)
        assert kernels >= 3
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = placed(x)
        x.copy_(torch.rand(1, 3, 16, 16).to("cuda:0"))
        other = placed(x)
        gpu.record.clear()
        before = gpu.launches
        graph.replay()
        assert gpu.launches == before + 1 and len(gpu.kernels) == kernels
        assert torch.equal(out.cpu(), other.cpu()) and not torch.equal(out.cpu(), plain.cpu())


def test_everything_is_as_before_afterwards(network: nn.Module):
    before = torch.cuda.is_available(), torch.cuda.device_count(), torch.Tensor.to, torch.Tensor.cpu
    with FakeGpu(), torch.inference_mode():
        network.to("cuda:0")
    assert before == (
        torch.cuda.is_available(),
        torch.cuda.device_count(),
        torch.Tensor.to,
        torch.Tensor.cpu,
    )
