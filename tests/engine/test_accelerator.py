"""The engine's branch for GPUs, on a make-believe one: see benchmarks/fake_gpu."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.lane import Lane
from restorecli.engine.passes import graphs
from restorecli.engine.precision import choose, photo_like, psnr
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, OutOfMemoryError
from restorecli.quality.timing import repeat
from tests.engine.samples import Convs

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")

ILLEGAL = RuntimeError("CUDA error: an illegal memory access was encountered")
NO_ENGINE = RuntimeError("GET was unable to find an engine to execute this computation")


def ready(network: nn.Module, **options: object) -> Prepared:
    given = {"device": "cuda", "precision": "fp16", "tile": 32, "overlap": 8, "batch": 1, **options}
    return prepare(network, RunSettings(**given))  # type: ignore[arg-type]


def on_cpu(network: nn.Module, image: Tensor) -> Tensor:
    return run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=0)), image).output


@pytest.fixture(autouse=True)
def _no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording makes the host wait, once per shape, and holds memory: it has tests of its own."""
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)


@pytest.fixture
def network() -> nn.Module:
    return Convs(width=16).eval().requires_grad_(False)


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int, bool]]]:
    """(tiles, side, whether it fitted) of every pass."""
    seen: list[tuple[int, int, bool]] = []
    launch = Lane.launch

    def spy(self: Lane, tiles: Tensor, precision: str, **options: bool) -> object:
        pending = launch(self, tiles, precision, **options)
        seen.append((tiles.shape[0], tiles.shape[-1], pending is not None))
        return pending

    monkeypatch.setattr(Lane, "launch", spy)
    yield seen


class Hot(nn.Module):
    """Overflows in fp16, and in nothing else, where the picture is brighter than 1.5."""

    tile_overlap, scale, in_channels, out_channels = 8, 1, 3, 3

    def __init__(self) -> None:
        super().__init__()
        self.head, self.tail = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        hot = (x.amax() > 1.5).to(features.dtype) * 60000
        features = features + hot + hot - hot - hot
        tail: Tensor = self.tail(torch.relu(features))
        return tail


def test_a_photo_that_overflows_is_redone_in_fp32_and_changes_nothing_for_the_next():
    network, image = Hot().eval().requires_grad_(False), photo_like(3, 60)
    hot = image.clone()
    hot[..., :20, :20] = 2.0
    exact = on_cpu(network, hot)
    with FakeGpu():
        alone = run(ready(network), image).output
        prepared = ready(network)
        result = run(prepared, hot)
        assert len(result.warnings) == 1 and "redone in fp32" in result.warnings[0]
        assert psnr(result.output, exact) > 60
        later = run(prepared, image)
        assert prepared.precision == later.precision == "fp16" and not later.warnings
        assert torch.equal(later.output, alone)


def test_nothing_waits_for_the_device_while_passes_are_launched(network: nn.Module):
    with FakeGpu() as gpu:
        prepared = ready(network)
        run(prepared, photo_like(3, 40))
        gpu.record.clear()
        tiles = run(prepared, photo_like(3, 90)).tiles
        assert not gpu.syncs and gpu.record.waits == {"blocking": tiles + 4}  # and a row of tiles at a time


@pytest.mark.parametrize("kind", ["xpu", "mps"])
def test_other_accelerators_go_on_while_the_host_works_too(kind: str, network: nn.Module):
    image = photo_like(3, 90)
    wanted = on_cpu(network, image)
    with FakeGpu(kind, delay=0.01) as gpu:
        prepared = ready(network, device=kind)
        run(prepared, photo_like(3, 40))
        gpu.record.clear()
        result = run(prepared, image)
        assert psnr(result.output, wanted) > 60
        assert not gpu.races and sum(gpu.record.waits.values()) == result.tiles + 4
        assert not [what for what in gpu.syncs if "copy to the host" in what]


@pytest.mark.parametrize("names", [("A", "A"), ("A", "B")], ids=["alike", "unlike"])
def test_two_devices_give_the_same_bytes_each_time(names: tuple[str, str], network: nn.Module):
    image = photo_like(3, 90)
    wanted = on_cpu(network, image)
    with FakeGpu(devices=2, names=names, delay=0.005) as gpu:
        prepared = ready(network, device="all" if names[0] == names[1] else "cuda:0,cuda:1")
        assert prepared.devices == ("cuda:0", "cuda:1")
        first = run(prepared, image).output
        assert psnr(first, wanted) > 60 and torch.equal(run(prepared, image).output, first)
        assert gpu.peak[0] and gpu.peak[1] and not gpu.races


def test_the_second_device_alone_does_all_the_work(network: nn.Module):
    with FakeGpu(devices=2) as gpu:
        run(ready(network, device="cuda:1"), photo_like(3, 40))
        assert gpu.peak[1] and not gpu.peak[0]


def test_a_bench_waits_for_the_device_that_it_times():
    with FakeGpu(devices=2) as gpu:
        repeat(lambda: None, torch.device("cuda", 1), runs=3)
        assert set(gpu.synchronised) == {1}


def test_a_batch_that_does_not_fit_is_learnt_for_the_run_and_for_later_ones(
    network: nn.Module, launches: list[tuple[int, int, bool]]
):
    image = photo_like(3, 160)
    wanted = on_cpu(network, image)
    with FakeGpu(capacity=1 << 30) as gpu:
        prepared = ready(network, batch=16)
        run(prepared, photo_like(3, 32))
        gpu.capacity = gpu.live[0] + 1_200_000
        assert psnr(run(prepared, image).output, wanted) > 60
        assert gpu.shortages and not all(fitted for _, _, fitted in launches)
        assert prepared.batch < 16
        launches.clear()
        gpu.shortages = 0
        assert psnr(run(prepared, image).output, wanted) > 60
        assert all(fitted for _, _, fitted in launches) and not gpu.shortages
        assert max(count for count, _, _ in launches) == prepared.batch
        gpu.capacity = 1 << 30
        assert prepare(network, RunSettings(device="cuda", precision="fp16", tile=32)).batch == prepared.batch


def test_a_tile_that_does_not_fit_is_cut_smaller_and_said(network: nn.Module):
    image = photo_like(3, 300)
    wanted = on_cpu(network, image)
    with FakeGpu() as gpu:
        prepared = ready(network, tile=256, overlap=16)
        gpu.capacity = gpu.live[0] + 3_000_000
        result = run(prepared, image)
        assert psnr(result.output, wanted) > 55
        assert any("memory does not suffice for tiles" in warning for warning in result.warnings)


def test_weights_or_a_smallest_tile_that_do_not_fit_are_told():
    with FakeGpu(capacity=60_000), pytest.raises(OutOfMemoryError, match="network itself"):
        ready(Convs(depth=4, width=64))
    with FakeGpu() as gpu:
        prepared = ready(Convs(width=64))
        gpu.capacity = gpu.live[0] + 10_000
        with pytest.raises(OutOfMemoryError, match="does not fit"):
            run(prepared, photo_like(3, 60))
    for precision in ("auto", "fp16"):
        with FakeGpu(capacity=200_000), pytest.raises(OutOfMemoryError):
            prepare(Convs(width=64), RunSettings(device="cuda", precision=precision))


def test_tiles_of_a_device_with_little_memory_are_measured_on_smaller_ones(network: nn.Module):
    with FakeGpu(capacity=4_000_000):
        prepared = prepare(network, RunSettings(device="cuda", precision="fp16"))
        assert prepared.curve is not None and 32 <= prepared.tile <= 256
        run(prepared, photo_like(3, 300))


@pytest.mark.parametrize("moment", ["launch", "prepare"])
def test_a_device_that_is_lost_is_an_error_of_the_run(moment: str, network: nn.Module):
    with FakeGpu() as gpu:
        if moment == "prepare":
            gpu.fault = lambda launch, operator: ILLEGAL
        with pytest.raises(DeviceError, match="cannot be used any more"):
            prepared = ready(network)
            gpu.fault = after(gpu.launches + 40, lambda: ILLEGAL)
            run(prepared, photo_like(3, 200))


def after(launch: int, error: Callable[[], BaseException]) -> Callable[[int, str], BaseException | None]:
    return lambda now, operator: error() if now >= launch else None


def test_a_disguised_shortage_is_tried_smaller_once(
    network: nn.Module, launches: list[tuple[int, int, bool]]
):
    image = photo_like(3, 90)
    wanted = on_cpu(network, image)
    with FakeGpu() as gpu:
        prepared = ready(network, batch=8)
        failing = [NO_ENGINE]
        gpu.fault = lambda now, operator: failing.pop() if failing and operator == "convolution" else None
        assert psnr(run(prepared, image).output, wanted) > 60
        assert (8, 32, False) in launches and all(fitted for count, _, fitted in launches if count == 4)
    with FakeGpu() as gpu:
        prepared = ready(network, batch=8)
        gpu.fault = lambda now, operator: NO_ENGINE if operator == "convolution" else None
        launches.clear()
        with pytest.raises(DeviceError, match="engine"):
            run(prepared, image)
        assert not any(fitted for _, _, fitted in launches) and {count for count, _, _ in launches} == {8}


def test_a_folder_of_many_sizes_meets_few_shapes(network: nn.Module):
    generator = torch.Generator().manual_seed(3)
    sizes = torch.randint(40, 400, (40, 2), generator=generator).tolist()
    with FakeGpu() as gpu:
        prepared = ready(network, tile=128, overlap=16, batch=4)
        shapes = {
            (prepared.grid(*size).tile, 1 << (min(4, prepared.grid(*size).count) - 1).bit_length())
            for size in sizes
        }
        assert len(shapes) <= 24
        assert all(side % 32 == 0 for tile, _ in shapes for side in tile)
        gpu.record.clear()
        image = photo_like(3, 200)[..., :130]
        assert psnr(run(prepared, image).output, on_cpu(network, image)) > 60
    on_a_cpu = prepare(network, RunSettings(device="cpu", precision="fp32", tile=128, overlap=16))
    assert on_a_cpu.grid(130, 100).tile == (73, 100)


def test_a_last_batch_is_filled_to_a_power_of_two(network: nn.Module, launches: list[tuple[int, int, bool]]):
    image = photo_like(3, 130)[..., :60, :]  # 2 × 5 tiles … of 32 that share 8
    with FakeGpu():
        prepared = ready(network, batch=8)
        count = prepared.grid(60, 130).count
        steps: list[int] = []
        result = run(prepared, image, progress=lambda done, total: steps.append(done))
        assert steps == list(range(1, count + 1)) and result.tiles == count
        assert {tiles for tiles, _, _ in launches} <= {1, 2, 4, 8}
        assert psnr(result.output, on_cpu(network, image)) > 60


def test_a_precision_that_raises_type_error_is_passed_over(network: nn.Module):
    class NoHalf(Convs):
        def forward(self, x: Tensor) -> Tensor:
            if self.layers[0].weight.dtype != torch.float32:
                raise TypeError("BFloat16 is not supported on MPS")
            return super().forward(x)

    with FakeGpu("mps"):
        choice = choose(NoHalf(), torch.device("mps"), "auto")
        assert choice.precision == "fp32" and "BFloat16 is not supported" in choice.reason
        with pytest.raises(DeviceError, match="BFloat16"):
            ready(NoHalf(), device="mps", precision="bf16")
