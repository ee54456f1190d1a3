"""Small photos of one size go through a network together on a GPU, and come out as they would alone."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.lane import Lane
from restorecli.engine.order import Cancelled
from restorecli.engine.passes import graphs
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError
from restorecli.photo import Document, Photo
from restorecli.photos.read import measure
from restorecli.pipeline import threads
from restorecli.pipeline.gate import SHARE
from restorecli.pipeline.needs import Going, needed_bytes
from restorecli.pipeline.together import are_alike, in_groups, most_together, taken_together
from restorecli.stages import Stage
from restorecli.tasks.same_size import SameSize
from tests.pipeline.test_threads import REQUEST, Listener, run
from tests.test_rows import Convs, One

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


class OnAGpu(One):
    """The same network for everybody, in tiles of 64."""

    def get(self, request: object, run: object) -> object:
        loaded = super().get(request, run)  # type: ignore[arg-type]
        if not hasattr(self, "prepared"):
            options = {"precision": "fp32", "tile": 64, "overlap": 8, "batch": 4}
            object.__setattr__(
                self, "prepared", prepare(self.network, RunSettings(device=self.device, **options))
            )
        return replace(loaded, prepared=self.prepared)


@pytest.fixture(autouse=True)
def _no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many pictures every pass took."""
    seen: list[int] = []
    launch = Lane.launch

    def spy(self: Lane, tiles: Tensor, precision: str, **options: bool) -> object:
        seen.append(tiles.shape[0])
        return launch(self, tiles, precision, **options)

    monkeypatch.setattr(Lane, "launch", spy)
    yield seen


class Blurred(Convs):
    """Rounds the same whatever the batch: sums of a pixel's neighbours, in the same order."""

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return (padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]) * 0.3 + x * 0.37


def network(border: int = 0, kind: type[Convs] = Blurred) -> Convs:
    torch.manual_seed(1)
    made = kind(3, 1).eval().requires_grad_(False)
    made.border = border
    return made


def folder_of(place: Path, sizes: list[tuple[int, int]], mode: str = "RGB") -> Path:
    place.mkdir()
    rng = np.random.default_rng(3)
    for number, size in enumerate(sizes):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(place / f"{number:02}.png")
    return place


def results(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(place.glob("*.png"))}


STAGE = Stage(SameSize("copy"), REQUEST)


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_photos_of_one_size_share_passes_and_give_the_same_bytes(
    tmp_path: Path, passes: list[int], mode: str, border: int
) -> None:
    sizes = [(40, 48)] * 7 + [(30, 20)] + [(40, 48)] * 2
    folder = folder_of(tmp_path / "in", sizes, mode)
    listener = Listener()
    with FakeGpu(delay=0.002) as gpu:
        networks = OnAGpu(network(border), "cuda")
        common = {"stages": (STAGE,), "networks": networks}
        one_by_one = run(folder, tmp_path / "alone", **common)
        assert set(passes) == {4, 8 if border else 16} and len(passes) == len(sizes)
        passes.clear()
        tally = run(folder, tmp_path / "together", listener=listener, together=True, **common)
        assert not gpu.races
    assert len(passes) == 2 + 1 + 1
    assert results(tmp_path / "alone") == results(tmp_path / "together")
    assert (tally.done, tally.failed) == (one_by_one.done, 0) == (len(sizes), 0)
    assert listener.done() == [f"{number:02}.png" for number in range(len(sizes))]


def test_several_gpus_share_the_photos_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    launch = Lane.launch

    def spy(self: Lane, tiles: Tensor, precision: str, **options: bool) -> object:
        seen.append((self.device.index or 0, tiles.shape[0]))
        return launch(self, tiles, precision, **options)

    monkeypatch.setattr(Lane, "launch", spy)
    folder = folder_of(tmp_path / "in", [(40, 48)] * 7)
    with FakeGpu(devices=2, delay=0.002) as gpu:
        for device in ("cuda:0", "cuda:0,cuda:1"):
            networks = OnAGpu(network(), device=device)
            tally = run(folder, tmp_path / device, stages=(STAGE,), networks=networks, together=True)
            assert tally.done == 7
        assert not gpu.races and gpu.peak[1]
    both = seen[-2:]
    assert {device for device, _ in both} == {0, 1} and {count for _, count in both} == {4}
    assert results(tmp_path / "cuda:0") == results(tmp_path / "cuda:0,cuda:1")


def test_unlike_gpus_take_photos_one_by_one(tmp_path: Path, passes: list[int]) -> None:
    folder = folder_of(tmp_path / "in", [(20, 20)] * 3)
    with FakeGpu(devices=2, names=("A", "B")):
        networks = OnAGpu(network(), device="cuda:0,cuda:1")
        assert run(folder, tmp_path / "out", stages=(STAGE,), networks=networks, together=True).done == 3
    assert set(passes) == {1}


@pytest.mark.parametrize("size", [(40, 48), (90, 60), (24, 24)])
def test_a_photo_has_the_same_bytes_whatever_others_are_in_the_folder(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    class Counting(Blurred):
        """Rounds by how many there are in a pass, as half precision on a GPU does."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1 - x.shape[0] / 64)

    folder = folder_of(tmp_path / "in", [size] * 5)
    with FakeGpu():
        networks = OnAGpu(network(kind=Counting), "cuda")
        common = {"stages": (STAGE,), "networks": networks}
        run(folder, tmp_path / "all", together=True, **common)
        for number in (4, 3):
            (folder / f"{number:02}.png").unlink()
            run(folder, tmp_path / str(number), together=True, **common)
        run(folder, tmp_path / "alone", **common)
    found = [results(tmp_path / name) for name in ("all", "4", "3", "alone")]
    assert [len(some) for some in found] == [5, 4, 3, 3]
    assert all(found[0][name] == content for some in found for name, content in some.items())


def test_on_a_cpu_each_photo_has_its_own_pass(tmp_path: Path, passes: list[int]) -> None:
    folder = folder_of(tmp_path / "in", [(20, 20)] * 3)
    run(folder, tmp_path / "out", stages=(STAGE,), networks=One(network()), together=True)
    assert set(passes) == {1} and len(results(tmp_path / "out")) == 3


def test_one_photo_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", [(20, 20)] * 5)
    (folder / "02.png").write_bytes((folder / "02.png").read_bytes()[:200])
    listener = Listener()
    with FakeGpu():
        common = {"stages": (STAGE,), "networks": OnAGpu(network(), "cuda")}
        tally = run(folder, tmp_path / "out", listener=listener, together=True, **common)
    assert (tally.done, tally.failed) == (4, 1) and listener.failed() == {"02.png": "unreadable"}


def test_a_picture_that_gives_nan_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    class Odd(Convs):
        def forward(self, x: Tensor) -> Tensor:
            dark = (x.flatten(1).amax(1) == 0)[:, None, None, None]
            return torch.where(dark, torch.nan, super().forward(x))

    folder = folder_of(tmp_path / "in", [(20, 20)] * 5)
    Image.new("RGB", (20, 20)).save(folder / "03.png")
    torch.manual_seed(1)
    listener = Listener()
    with FakeGpu():
        common = {"stages": (STAGE,), "networks": OnAGpu(Odd(3, 1).eval().requires_grad_(False), "cuda")}
        tally = run(folder, tmp_path / "out", listener=listener, together=True, **common)
    assert (tally.done, tally.failed) == (4, 1) and list(listener.failed()) == ["03.png"]


def test_a_device_that_is_lost_ends_the_run(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", [(20, 20)] * 4)
    with FakeGpu() as gpu:
        networks = OnAGpu(network(), "cuda")
        networks.get(REQUEST, {})
        illegal = RuntimeError("CUDA error: an illegal memory access was encountered")
        gpu.fault = lambda launch, operator: illegal
        with pytest.raises(DeviceError):
            run(folder, tmp_path / "out", stages=(STAGE,), networks=networks, together=True)


def test_memory_for_one_at_a_time_is_enough(tmp_path: Path, passes: list[int]) -> None:
    folder = folder_of(tmp_path / "in", [(48, 48)] * 4)
    with FakeGpu() as gpu:
        networks = OnAGpu(network(), "cuda")
        networks.get(REQUEST, {})
        passes.clear()
        gpu.capacity = gpu.live[0] + 48 * 48 * 4 * 40
        tally = run(folder, tmp_path / "out", stages=(STAGE,), networks=networks, together=True)
        assert gpu.shortages
    assert tally.done == 4 and 1 in passes and max(passes) > 1


@pytest.mark.parametrize("together", [False, True])
def test_where_memory_holds_two_photos_nobody_waits_for_a_third(
    tmp_path: Path, together: bool, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = threads.write_photo
    monkeypatch.setattr(threads, "write_photo", lambda *given: (time.sleep(0.05), write(*given))[1])
    folder = folder_of(tmp_path / "in", [(20, 20)] * 6)
    needed = needed_bytes(*measure(folder / "00.png"), Going((STAGE,), "png"))
    monkeypatch.setattr(threads, "free_bytes", lambda: int(2.5 * needed / SHARE))
    with FakeGpu():
        common = {"stages": (STAGE,), "networks": OnAGpu(network(), "cuda"), "together": together}
        tally = run(folder, tmp_path / "out", jobs=4, **common)
    assert tally.done == 6 and (3 <= len(passes) < 6 if together else len(passes) == 6)


def document(height: int, width: int, pages: int = 1) -> Document:
    page = Photo(np.zeros((height, width, 3), np.float32))
    return Document((page,) * pages, "png", "x")


def test_large_photos_pages_and_other_sizes_go_alone() -> None:
    assert most_together(document(160, 160)) == 32 and most_together(document(181, 181)) == 32
    assert most_together(document(182, 182)) == 1
    assert most_together(document(2000, 1000)) == most_together(document(64, 64, pages=2)) == 1
    assert are_alike(document(64, 64), document(64, 64))
    assert not are_alike(document(64, 64), document(64, 65))
    assert not are_alike(document(64, 64), document(64, 64, pages=2))
    items = [*[(180, 180)] * 40, (8, 8), None, (8, 8), (8, 8), (3000, 3000), (3000, 3000)]
    groups = in_groups(items, lambda size: None if size is None else document(*size))
    assert [len(group) for group in groups] == [32, 8, 1, 1, 2, 1, 1]


def test_a_cancelled_run_stops_before_the_next_pass() -> None:
    def waiting() -> Generator[object, object, object]:
        yield object()

    cancelled = Flag()
    cancelled.set()
    with pytest.raises(Cancelled):
        taken_together([waiting()], lambda *_: pytest.fail("a pass"), cancelled)  # type: ignore[arg-type, list-item]
