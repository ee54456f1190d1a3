"""Faults of a GPU at every moment of a picture, on a make-believe one: see benchmarks/fake_gpu."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.lane import Lane
from restorecli.engine.passes import graphs
from restorecli.engine.passes.compiling import Compiled
from restorecli.engine.precision import photo_like, psnr
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, OutOfMemoryError
from tests.engine.samples import Convs

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")

SIDE = 50
IMAGE = photo_like(3, SIDE)
SHORTAGE = "CUDA out of memory. Tried to allocate 2.00 MiB"
LOST = "CUDA error: an illegal memory access was encountered"
Fault = Callable[[int, str], BaseException | None]


@pytest.fixture(autouse=True)
def _recorded_or_not(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = "recorded" in request.keywords
    monkeypatch.setattr(graphs, "MOST_SHAPES", 8 if recorded else 0)
    monkeypatch.setattr(graphs, "WORTHWHILE", 100.0)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return Convs(width=8).eval().requires_grad_(False)


def ready(network: nn.Module, **options: object) -> Prepared:
    given = {"device": "cuda", "precision": "fp16", "tile": 32, "overlap": 8, "batch": 2, **options}
    return prepare(network, RunSettings(**given))  # type: ignore[arg-type]


def rows_of(prepared: Prepared, image: Tensor = IMAGE) -> Tensor:
    """Return 1×C×H×W in 0–1 of the 8-bit rows that are delivered, each once and in order."""
    parts: list[Tensor] = []

    def deliver(top: int, rows: Tensor) -> None:
        assert top == sum(map(len, parts))
        parts.append(rows.clone())

    run(prepared, image, deliver=deliver, peak=255)
    return torch.cat(parts).permute(2, 0, 1)[None].float() / 255


def at(gpu: FakeGpu, moment: int, text: str, *, operators: tuple[str, ...] = ()) -> list[str]:
    """Have one launch fail, ``moment`` launches from now or later; return what failed."""
    start, failed = gpu.launches, list[str]()

    def fault(launch: int, operator: str) -> BaseException | None:
        if failed or launch - start <= moment or (operators and operator not in operators):
            return None
        failed.append(operator)
        return torch.OutOfMemoryError(text) if text == SHORTAGE else RuntimeError(text)

    gpu.fault = fault
    return failed


def wanted(network: nn.Module) -> Tensor:
    settings = RunSettings(device="cpu", precision="fp32", tile=0)
    return run(prepare(network, settings), IMAGE).output.clamp(0, 1)


@pytest.mark.parametrize("moment", range(0, 56, 8))
def test_memory_that_runs_out_once_costs_no_photo(moment: int, network: nn.Module):
    right = wanted(network)
    with FakeGpu() as gpu:
        prepared = ready(network)
        failed = at(gpu, moment, SHORTAGE)
        assert psnr(rows_of(prepared), right) > 50
        assert psnr(rows_of(prepared), right) > 50
        assert failed


@pytest.mark.recorded
@pytest.mark.parametrize("moment", range(30, 75, 15))
def test_nor_while_a_pass_is_recorded(moment: int, network: nn.Module):
    right = wanted(network)
    with FakeGpu() as gpu:
        prepared = ready(network)
        failed = at(gpu, moment, SHORTAGE)
        assert psnr(rows_of(prepared), right) > 50
        assert failed


def test_blending_that_does_not_fit_is_left_to_the_host_for_the_run(network: nn.Module):
    right = wanted(network)
    with FakeGpu() as gpu:
        prepared = ready(network)
        plain = rows_of(prepared)
        assert prepared.lanes[0].has_room
        failed = at(gpu, 0, SHORTAGE, operators=("add_",))
        assert torch.equal(rows_of(prepared), plain) and psnr(plain, right) > 50
        assert failed == ["add_"] and not prepared.lanes[0].has_room
        gpu.fault = lambda launch, operator: torch.OutOfMemoryError(SHORTAGE) if operator == "add_" else None
        assert torch.equal(rows_of(prepared), plain)


def test_rows_that_were_delivered_are_not_made_again(network: nn.Module):
    image = photo_like(3, 150)
    with FakeGpu() as gpu:
        prepared = ready(network)
        plain = rows_of(prepared, image)
        blends = [kernel.name for kernel in gpu.kernels].count("add_")
        done: list[int] = []
        failing = [torch.OutOfMemoryError(SHORTAGE)]

        def fault(launch: int, operator: str) -> BaseException | None:
            done.append(launch) if operator == "add_" else None
            return failing.pop() if failing and len(done) == blends - 1 else None

        gpu.fault = fault
        gpu.record.clear()
        assert torch.equal(rows_of(prepared, image), plain)
        assert not failing
        passes = [kernel.name for kernel in gpu.kernels].count("convolution")
        gpu.record.clear()
        rows_of(prepared, image)
        assert passes < 2 * [kernel.name for kernel in gpu.kernels].count("convolution")


@pytest.mark.parametrize("moment", [0, 1, 20, 50])
def test_a_device_is_lost_at_any_moment(moment: int, network: nn.Module):
    with FakeGpu() as gpu:
        prepared = ready(network)
        at(gpu, moment, LOST)
        with pytest.raises(DeviceError, match="cannot be used any more"):
            rows_of(prepared)


def test_the_second_of_two_devices_is_lost_and_named(network: nn.Module, monkeypatch: pytest.MonkeyPatch):
    start = Lane._start

    def failing(self: Lane, tiles: Tensor, precision: str, stay: bool) -> object:
        if self.device.index == 1 and threading.current_thread() is not threading.main_thread():
            raise RuntimeError(LOST)
        return start(self, tiles, precision, stay)

    with FakeGpu(devices=2):
        prepared = ready(network, device="all", batch=1)
        monkeypatch.setattr(Lane, "_start", failing)
        with pytest.raises(DeviceError, match="cuda:1 failed"):
            rows_of(prepared, photo_like(3, 200))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("restore-cuda")]


@pytest.mark.parametrize(
    "text", ["unable to find an engine", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"]
)
def test_each_disguised_shortage_is_tried_smaller_once(text: str, network: nn.Module):
    """What one photo met and got round is not held against a later one."""
    right = wanted(network)
    with FakeGpu() as gpu:
        prepared = ready(network, batch=4)
        for _ in range(2):
            failed = at(gpu, 0, text, operators=("convolution",))
            assert psnr(rows_of(prepared), right) > 50
            assert failed == ["convolution"]


def test_a_compiled_network_is_tried_smaller_too(monkeypatch: pytest.MonkeyPatch):
    def short(_: Tensor) -> Tensor:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr(torch, "compile", lambda _: short)
    messages: list[str] = []
    with pytest.raises(RuntimeError, match="ALLOC_FAILED"):
        Compiled(lambda x: x, messages.append)(torch.zeros(1, 1, 2, 2))
    assert not messages


class Spoilt(Convs):
    """Gives NaN in half precision for tiles that have a pixel above 1.5."""

    def forward(self, x: Tensor) -> Tensor:
        made = super().forward(x)
        bad = (x.amax((1, 2, 3), keepdim=True) > 1.5) & (self.layers[0].weight.dtype == torch.float16)  # type: ignore[union-attr]
        return torch.where(bad, torch.nan, made)


def test_a_bad_tile_in_the_last_filled_batch_is_redone_once():
    network = Spoilt(width=8).eval().requires_grad_(False)
    image = photo_like(3, 176)[..., :32, :].clone()
    image[..., -3:, -3:] = 2
    exact = run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=0)), image).output
    with FakeGpu():
        prepared = ready(network, batch=4)
        count = prepared.grid(*image.shape[-2:]).count
        assert count % 4 == 3  # the last batch is filled with a fourth
        result = run(prepared, image)
    assert psnr(result.output, exact) > 50
    assert result.warnings == ("fp16 gave NaN or infinity on one tile, which was redone in fp32",)


def test_weights_in_fp32_that_do_not_fit_for_a_bad_tile_are_said():
    network = Spoilt(width=32).eval().requires_grad_(False)
    image = photo_like(3, SIDE)
    image[..., :3, :3] = 2
    with FakeGpu() as gpu:
        prepared = ready(network)
        run(prepared, photo_like(3, SIDE))
        gpu.capacity = gpu.live[0] + 20_000
        with pytest.raises(OutOfMemoryError):
            run(prepared, image)
        gpu.capacity = 1 << 30
        assert run(prepared, image).warnings
