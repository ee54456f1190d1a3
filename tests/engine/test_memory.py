from pathlib import Path

import pytest
import torch

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine import memory
from restorecli.engine.cache import recall, remember
from restorecli.engine.facts import read_facts
from restorecli.engine.memory import (
    Curve,
    choose_batch,
    choose_tile,
    measure_curve,
    peak_memory,
)
from restorecli.engine.tiles import Pace
from restorecli.host import available_bytes, total_bytes
from tests.engine.samples import Convs, Identity

CPU = torch.device("cpu")


def hold(mebibytes: int) -> None:
    torch.ones(mebibytes * 2**18).sum()


@pytest.mark.parametrize("way", ["kernel", "sampled"])
def test_peak_memory_is_what_was_held(way: str, monkeypatch: pytest.MonkeyPatch):
    if way == "sampled":
        monkeypatch.setattr(memory, "_reset_high_water_mark", lambda: False)
    peak = peak_memory(lambda: hold(64), CPU) / 2**20
    assert 56 < peak < 90


def test_the_curve_grows_with_the_network_and_is_kept(tmp_path: Path):
    curves = {}
    for width in (8, 64):
        network = Convs(width=width).requires_grad_(False)
        curves[width] = measure_curve(network, read_facts(network), CPU, "fp32")
        assert measure_curve(network, read_facts(network), CPU, "fp32") == curves[width]
    assert curves[64].per_pixel > 2 * curves[8].per_pixel
    # Two maps of 64 float32 are alive at a time, and the output once or twice.
    assert 2 * 64 * 4 * 0.7 < curves[64].per_pixel < 2 * 64 * 4 * 6


def test_a_curve_answers_both_ways():
    curve = Curve(1000.0, 10.0)
    assert curve.peak(50) == 1500
    assert curve.pixels(1500) == 50 and curve.pixels(10) == 0


def test_the_tile_is_the_largest_that_fits(monkeypatch: pytest.MonkeyPatch):
    facts = read_facts(Identity())
    monkeypatch.setattr(memory, "total_memory", lambda _: 2 * 10**9)
    assert choose_tile(Curve(0, 100), facts, CPU)[0] == memory.CPU_SIDES[0]
    assert choose_tile(Curve(0, 10**9 / 130**2), facts, CPU)[0] == 128
    assert choose_tile(Curve(10**12, 1), facts, CPU)[0] == memory.SMALLEST_TILE
    gpu = torch.device("cuda", 0)
    assert choose_tile(Curve(0, 100), facts, gpu)[0] == 1024
    assert choose_tile(Curve(0, 1.5 * 10**9 / 400**2), facts, gpu)[0] == 384


def test_with_a_pace_the_tile_is_the_largest_that_was_measured_fits_and_is_no_waste_of_memory(
    monkeypatch: pytest.MonkeyPatch,
):
    facts = read_facts(Identity())
    monkeypatch.setattr(memory, "total_memory", lambda _: 2 * 10**9)
    short, long = Pace((128, 216), (1.0, 1.0)), Pace((128, 256, 512, 1024), (1.0, 1.0, 1.0, 1.0))
    assert choose_tile(Curve(0, 100), facts, CPU, short)[0] == 216
    assert choose_tile(Curve(0, 100), facts, CPU, long)[0] == memory.LARGEST_CPU_TILE == 512
    assert choose_tile(Curve(0, 10**9 / 300**2), facts, CPU, long)[0] == 256
    assert choose_tile(Curve(0, 10**9 / 100**2), facts, CPU, long)[0] == 96


def test_a_network_may_limit_its_own_tile(monkeypatch: pytest.MonkeyPatch):
    network = Identity()
    network.tile_limit = 100
    assert choose_tile(Curve(0, 1), read_facts(network), CPU)[0] == 96


def test_batches_fill_a_gpu_and_keep_to_its_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "total_memory", lambda _: 4 * 10**9)
    gpu = torch.device("cuda", 0)
    assert choose_batch(Curve(0, 1), 256, gpu) == 16
    assert choose_batch(Curve(0, 3 * 10**9 / (3 * 256**2)), 256, gpu) == 3
    assert choose_batch(Curve(10**12, 1), 256, gpu) == 1
    assert choose_batch(Curve(0, 1), 256, CPU) == 1


def test_a_containers_limit_counts(tmp_path: Path):
    assert total_bytes(tmp_path) == total_bytes(tmp_path / "none") > 0
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 200000\n")
    assert total_bytes(tmp_path) == 1000000
    assert available_bytes(tmp_path) == 500000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(tmp_path) > 1000000


def test_the_cache_survives_damage_and_keeps_what_others_wrote(tmp_path: Path):
    remember("a", {"x": 1})
    remember("b", {"y": 2})
    assert recall("a") == {"x": 1} and recall("b") == {"y": 2} and recall("c") is None
    (tmp_path / "cache" / "planner.json").write_text("{broken")
    assert recall("a") is None
    remember("a", {"x": 3})
    assert recall("a") == {"x": 3}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["planner.json"]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESTORE_CACHE_DIR", str(tmp_path / "file"))
    remember("a", {"x": 1})
    assert recall("a") is None


class OneAfterAnother(Identity):
    """Compares all pixels of a picture with each other, picture by picture."""

    tile_limit = 24

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.compared(each) for each in torch.split(x, 1)])

    def compared(self, x: torch.Tensor) -> torch.Tensor:
        pixels = x.flatten(2)
        return x + 0 * (pixels.mT @ pixels).mean()


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("count", [1, 4, 32])
def test_what_one_picture_takes_is_not_reckoned_for_each_of_a_batch(count: int):
    network, gpu = OneAfterAnother(), torch.device("cuda", 0)
    tiles = torch.rand(count, 3, 24, 24)
    with FakeGpu():
        curve = measure_curve(network, read_facts(network), gpu, "fp32")
        taken = memory.peak_memory(lambda: network(tiles.to(gpu)).cpu(), gpu)
    assert 0.8 * taken <= curve.peak(count * 24 * 24) <= 1.6 * taken
