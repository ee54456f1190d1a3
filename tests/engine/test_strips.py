import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.blend import Canvas
from restorecli.engine.strips import Strips
from restorecli.engine.tiles import plan_grid

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
