"""Tiles put together and rounded on a make-believe GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine import transfer
from restorecli.engine.blend import Canvas
from restorecli.engine.passes import graphs
from restorecli.engine.precision import photo_like
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.engine.strips import Strips
from restorecli.engine.tiles import plan_grid
from restorecli.engine.transfer import rounds, to_samples
from restorecli.photo import Depth
from restorecli.photos.formats.page import quantized
from tests.engine.samples import Convs

TYPES = {255: (Depth.UINT8, np.uint8), 65535: (Depth.UINT16, np.uint16)}

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    tile=st.sampled_from([8, 16, 33]),
    overlap=st.integers(0, 12),
    multiple=st.sampled_from([1, 4]),
    rounding=st.sampled_from([1, 8]),
    scale=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_strips_give_what_a_canvas_gives(size, tile, overlap, multiple, rounding, scale):
    grid = plan_grid(*size, tile, overlap, multiple, 1, rounding)
    height, width = (side * scale for side in grid.tile)
    tiles = torch.rand(grid.count, 3, height, width)
    canvas = Canvas(grid, 3, scale)
    with FakeGpu(delay=0.001) as gpu:
        strips = Strips(grid, 3, scale, torch.device("cuda", 0))
        for box, tile_ in zip(grid.boxes, tiles, strict=True):
            canvas.add(box, tile_)
            strips.add(box, tile_.to("cuda:0"))
        found = strips.finish()
        assert not gpu.races
    torch.testing.assert_close(found, canvas.finish(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("capacity", [10_000, 10 << 20])
def test_strips_are_for_devices_with_room(capacity: int):
    grid = plan_grid(100, 100, 32, 8)
    with FakeGpu(capacity=capacity):
        assert Strips.suit(grid, 3, 2, torch.device("cuda", 0)) == (capacity > 10_000)


@pytest.mark.parametrize("peak", TYPES)
def test_samples_are_rounded_as_files_are(peak: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfer, "AT_ONCE", 100)
    depth, kind = TYPES[peak]
    halves = (np.arange(60, dtype=np.float32) + 0.5) / np.float32(peak)  # and their neighbours
    values = np.concatenate([halves, np.nextafter(halves, 1), np.nextafter(halves, 0), 1 - halves, [-1, 2]])
    values = np.concatenate([values.astype(np.float32), np.random.default_rng(3).random(1558, np.float32)])
    pixels = values.reshape(20, 30, 3)
    made = to_samples(torch.from_numpy(pixels).permute(2, 0, 1), peak)
    assert made.is_contiguous() and np.array_equal(made.numpy().view(kind), quantized(pixels, depth))


@pytest.fixture(autouse=True)
def _no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording makes the host wait, once per shape."""
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)


def delivered(prepared: Prepared, side: int, peak: int | None) -> list[tuple[int, torch.Tensor]]:
    taken: list[tuple[int, torch.Tensor]] = []
    run(prepared, photo_like(3, side), deliver=lambda top, rows: taken.append((top, rows.clone())), peak=peak)
    return taken


def ready(device: str, border: int = 0) -> Prepared:
    torch.manual_seed(0)
    network = Convs(width=8).eval().requires_grad_(False)
    network.border = border
    options = {"precision": "fp32", "tile": 32, "overlap": 8, "batch": 1}
    return prepare(network, RunSettings(device=device, **options))


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("side", [24, 90], ids=["one tile", "many tiles"])
@pytest.mark.parametrize("peak", TYPES)
def test_a_gpu_gives_the_samples_that_the_host_would_round(peak: int, side: int, border: int):
    with FakeGpu(delay=0.005) as gpu:
        prepared = ready("cuda", border)
        exact = torch.cat([to_samples(rows, peak) for _, rows in delivered(prepared, side, None)])
        gpu.record.clear()
        taken = delivered(prepared, side, peak)
        assert not gpu.races and not gpu.syncs
    tops, rows = zip(*taken, strict=True)
    assert torch.equal(torch.cat(rows), exact) and tops[0] == 0 and len(exact) == side * prepared.facts.scale


@pytest.mark.parametrize(("peak", "size"), [(255, 1), (65535, 2)])
def test_a_photo_of_one_tile_comes_back_in_so_many_bytes(peak: int, size: int):
    with FakeGpu() as gpu:
        prepared, received = ready("cuda"), []
        download = gpu.stream.download
        gpu.stream.download = lambda target, numbers: (  # type: ignore[method-assign]
            received.append(target.nbytes),
            download(target, numbers),
        )[1]
        delivered(prepared, 24, peak)
        assert sum(received) == 48 * 48 * 3 * size + 1  # and whether it is finite


def test_where_a_device_has_no_float64_sixteen_bits_are_rounded_on_the_host():
    assert rounds(torch.device("mps"), 255) and not rounds(torch.device("mps"), 65535)
    with FakeGpu("mps"):
        prepared = ready("mps")
        exact = torch.cat([to_samples(rows, 65535) for _, rows in delivered(prepared, 90, None)])
        assert torch.equal(torch.cat([rows for _, rows in delivered(prepared, 90, 65535)]), exact)
