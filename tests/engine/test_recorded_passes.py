"""Recorded passes on more than one device, beside larger passes, and after a recording that failed."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.passes import graphs
from restorecli.engine.precision import photo_like, psnr
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from tests.engine.samples import Convs

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device"),
]


@pytest.fixture(autouse=True)
def _always_worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "WORTHWHILE", 1e6)


@pytest.fixture
def network() -> nn.Module:
    return Convs(width=16).eval().requires_grad_(False)


def ready(network: nn.Module, device: str = "cuda", tile: int = 32) -> Prepared:
    return prepare(network, RunSettings(device=device, precision="fp16", tile=tile, overlap=8, batch=1))


def on_cpu(network: nn.Module, image: Tensor) -> Tensor:
    return run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=0)), image).output


@pytest.mark.parametrize("devices", ["cuda:1", "cuda:0,cuda:1"])
def test_each_device_replays_what_it_recorded_itself(devices: str, network: nn.Module):
    pictures = [photo_like(3, 90), photo_like(3, 90).flip(2), 1 - photo_like(3, 90)]
    with FakeGpu(devices=2) as gpu:
        prepared = ready(network, devices)
        for picture in pictures:
            result = run(prepared, picture)
            assert psnr(result.output, on_cpu(network, picture)) > 55 and not result.warnings
        assert all(lane._fast["fp16"].shapes for lane in prepared.lanes)
        assert not gpu.races


def test_recordings_do_not_make_the_tiles_of_a_later_photo_smaller(network: nn.Module):
    small, large = photo_like(3, 32), photo_like(3, 96)
    with FakeGpu() as gpu:
        wanted = run(ready(network, tile=96), large).output
        room = gpu.peak[0]
    with FakeGpu() as gpu:
        prepared = ready(network, tile=96)
        for _ in range(3):
            run(prepared, small)
        assert prepared.lanes[0]._fast["fp16"].shapes
        gpu.capacity = room + 8192  # enough for the large pass alone
        result = run(prepared, large)
        assert gpu.shortages and torch.equal(result.output, wanted)
        assert result.warnings == ("memory does not suffice for CUDA graphs: the network runs without",)
        assert all(not run(prepared, picture).warnings for picture in (small, small, large))
        assert not prepared.lanes[0]._fast["fp16"].shapes


def test_a_recording_that_fails_leaves_the_thread_on_its_stream():
    class Waits(Convs):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1.0 if float(x.amax()) > -1 else 0.0)

    network, image = Waits(width=16).eval().requires_grad_(False), photo_like(3, 32)
    with FakeGpu() as gpu:
        prepared = ready(network)
        results = [run(prepared, image) for _ in range(3)]
        assert [len(result.warnings) for result in results] == [0, 1, 0]
        assert "without CUDA graphs" in results[1].warnings[0]
        assert not any(gpu.streams.values()) and not gpu.unended
        assert torch.equal(results[2].output, results[0].output)
        assert not any(run(prepared, photo_like(3, 64)[..., :20, :]).warnings for _ in range(3))


@pytest.mark.parametrize("room", [0, 1 << 20, 3 << 20])
def test_a_recording_for_which_memory_is_short_does_not_end_the_process(network: nn.Module, room: int):
    image = photo_like(3, 32)
    with FakeGpu() as gpu:
        prepared = ready(network)
        wanted = run(prepared, image).output
        gpu.capacity = gpu.peak[0] + 4096 + room
        results = [run(prepared, image) for _ in range(3)]
        assert all(torch.equal(result.output, wanted) and not result.warnings for result in results)
        assert bool(gpu.shortages) == (room < 2 << 20)
        assert bool(prepared.lanes[0]._fast["fp16"].shapes) == (not gpu.shortages)
        del prepared
        gc.collect()
        assert not gpu.aborts
