import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.engine import blend
from restorecli.engine.blend import Bands, Canvas, allocate, axis_weights, inside
from restorecli.engine.tiles import plan_axis, plan_grid
from restorecli.engine.transfer import to_samples
from restorecli.errors import OutOfMemoryError


@given(st.integers(1, 300), st.integers(1, 90), st.integers(0, 89), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_weights_are_never_negative_and_sum_to_one(length, tile, overlap, scale):
    axis = plan_axis(length, tile, overlap)
    total = torch.zeros(axis.padded * scale, dtype=torch.float64)
    for start, weight in zip(axis.starts, axis_weights(axis, scale), strict=True):
        assert weight.min() >= -1e-12
        total[start * scale : (start + axis.tile) * scale] += weight
    assert (total - 1).abs().max() < 1e-9


@pytest.mark.parametrize(("overlap", "context"), [(8, 1), (16, 5), (24, 9), (32, 12)])
def test_context_at_a_tiles_inner_edge_weighs_nothing(overlap: int, context: int):
    axis = plan_axis(120 - overlap, 60, overlap)
    assert set(axis.overlaps) == {overlap}
    first, last = axis_weights(axis, 1)
    assert not first[-context:].any() and not last[:context].any()
    assert first[:context].min() == 1 and last[-context:].min() == 1


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("overlap", [6, 8, 16, 24, 64])
def test_tiles_that_differ_fade_into_each_other_over_six_pixels_at_least(overlap: int, scale: int):
    axis = plan_axis(300, 100, overlap)
    line = torch.zeros(300 * scale)
    for index, (start, weight) in enumerate(zip(axis.starts, axis_weights(axis, scale), strict=True)):
        place = slice(start * scale, (start + axis.tile) * scale)
        line[place] += (index % 2) * weight[: line[place].shape[0]].float()
    assert line.diff().abs().max() <= 1 / (6 * scale) + 1e-6
    assert line.max() == 1 and line.min() == 0


@given(st.integers(1, 70), st.integers(1, 70), st.integers(4, 40), st.integers(0, 39), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_tiles_of_a_picture_blend_back_to_it(height, width, tile, overlap, scale):
    grid = plan_grid(height, width, tile, overlap)
    picture = torch.rand(2, height * scale, width * scale)
    canvas = Canvas(grid, 2, scale)
    for box in grid.boxes:
        rows = slice(box.top * scale, (box.top + grid.tile[0]) * scale)
        columns = slice(box.left * scale, (box.left + grid.tile[1]) * scale)
        canvas.add(box, picture[:, rows, columns])
    assert (canvas.output[0] - picture).abs().max() <= 1e-6


@given(st.integers(1, 70), st.integers(1, 70), st.integers(4, 40), st.integers(0, 39), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_bands_are_the_rows_of_a_canvas_in_their_order(height, width, tile, overlap, margin):
    grid = plan_grid(height + 2 * margin, width + 2 * margin, tile, overlap)
    found = torch.full((2, height, width), torch.nan)
    tops = []

    def take(top, rows):
        tops.append(top)
        found[:, top : top + rows.shape[1]] = rows

    canvas, bands = Canvas(grid, 2, 1), Bands(grid, 2, 1, inside(margin, height, width, take))
    for box in grid.boxes:
        made = torch.rand(2, *grid.tile)
        canvas.add(box, made)
        bands.add(box, made)
    bands.finish()
    whole = canvas.output[0, :, margin : margin + height, margin : margin + width]
    assert torch.equal(found, whole)
    assert tops == sorted(set(tops))


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(4, 40),
    st.integers(0, 39),
    st.sampled_from([255, 65535]),
)
@settings(max_examples=30, deadline=None)
def test_bands_of_samples_are_the_rounded_canvas(height, width, tile, overlap, peak):
    grid = plan_grid(height, width, tile, overlap)
    found: list[tuple[int, torch.Tensor]] = []
    bands = Bands(grid, 2, 2, lambda top, rows: found.append((top, rows.clone())), peak=peak)
    canvas = Canvas(grid, 2, 2)
    for box in grid.boxes:
        made = torch.rand(2, *(2 * side for side in grid.tile)) * 1.2 - 0.1
        canvas.add(box, made)
        bands.add(box, made)
    assert torch.equal(torch.cat([rows for _, rows in found]), to_samples(canvas.output[0], peak))
    assert [top for top, _ in found] == [*itertools.accumulate([0, *(len(rows) for _, rows in found[:-1])])]


def test_rows_that_are_left_out_do_not_change_those_below_what_they_reach():
    grid = plan_grid(90, 50, 24, 8)
    tiles = {box: torch.rand(2, *grid.tile) for box in grid.boxes}
    canvas, found = Canvas(grid, 2, 1), torch.full((2, 90, 50), torch.nan)
    bands = Bands(grid, 2, 1, lambda top, rows: found[:, top : top + rows.shape[1]].copy_(rows), first=2)
    for box, made in tiles.items():
        canvas.add(box, made)
        if box.row >= 2:
            bands.add(box, made)
    clear = grid.rows.starts[1] + grid.rows.tile
    assert torch.equal(found[:, clear:], canvas.output[0, :, clear:])
    assert found[:, : grid.rows.starts[2]].isnan().all()


def test_what_bands_hold_of_a_wide_picture_is_little_more_than_a_row_of_tiles_as_samples():
    grid = plan_grid(200, 6000, 64, 8)
    delivered: list[int] = []
    bands = Bands(grid, 3, 1, lambda top, rows: delivered.append(len(rows)), peak=255)
    most = 0
    for box in grid.boxes:
        bands.add(box, torch.rand(3, *grid.tile))
        held = [value for value in vars(bands).values() if isinstance(value, torch.Tensor)]
        most = max(most, sum(tensor.nbytes for tensor in held))
    samples, shared = 3 * 64 * 6000, 4 * 3 * max(grid.rows.overlaps) * 6000
    assert most < 1.1 * (samples + shared) < 0.5 * (4 * samples)
    assert sum(delivered) == 200 and max(delivered) <= 32


def test_bands_of_a_single_tile_hold_nothing_and_deliver_the_tile_itself():
    made, taken = torch.rand(2, 16, 16), []
    bands = Bands(plan_grid(13, 9, 16, 4, 8), 2, 1, lambda top, rows: taken.append((top, rows)))
    bands.add(plan_grid(13, 9, 16, 4, 8).boxes[0], made)
    assert bands.finish().numel() == 0
    ((top, rows),) = taken
    assert top == 0 and torch.equal(rows, made[:, :13, :9]) and rows.data_ptr() == made.data_ptr()
    assert all(value.numel() == 0 for value in vars(bands).values() if isinstance(value, torch.Tensor))


def test_a_giant_output_lies_in_a_file_that_is_gone_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blend, "IN_MEMORY_SHARE", 0.0)
    mapped: list[str] = []
    real = torch.from_file
    monkeypatch.setattr(torch, "from_file", lambda name, **kw: mapped.append(name) or real(name, **kw))
    output = allocate((1, 3, 50, 40))
    output[0, 1, 7] = 0.5
    assert output.shape == (1, 3, 50, 40) and float(output.sum()) == 20.0
    assert len(mapped) == 1 and Path(mapped[0]).is_relative_to(tmp_path)
    assert not list((tmp_path / "cache" / "scratch").iterdir())


def test_an_output_that_fits_in_memory_uses_no_file(tmp_path: Path):
    assert not allocate((1, 3, 50, 40)).any()
    assert not (tmp_path / "cache").exists()


def short_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:999]))


def cannot_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)


@pytest.mark.parametrize(
    "system",
    [
        pytest.param(
            lambda patch: None,
            id="posix_fallocate",
            marks=pytest.mark.skipif(
                not hasattr(os, "posix_fallocate"), reason="the system has no such call"
            ),
        ),
        pytest.param(lambda patch: patch.delattr(os, "posix_fallocate", raising=False), id="none"),
        pytest.param(cannot_reserve, id="not on this file system"),
        pytest.param(short_writes, id="short writes"),
    ],
)
def test_the_space_of_a_scratch_file_is_taken_before_it_is_used(
    system: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(blend, "IN_MEMORY_SHARE", 0.0)
    system(monkeypatch)
    size = 4 * 1_000_001
    taken: list[tuple[int, int]] = []
    real = torch.from_file

    def opened(name: str, **options):
        found = Path(name).stat()
        taken.append((found.st_size, getattr(found, "st_blocks", size) * 512))
        return real(name, **options)

    monkeypatch.setattr(torch, "from_file", opened)
    output = allocate((1_000_001,))
    assert not output.any()
    ((length, on_disk),) = taken
    assert length == size and on_disk >= size


def test_a_full_disk_is_no_place_and_memory_is_taken_where_it_suffices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(handle: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blend, "IN_MEMORY_SHARE", 0.0)
    monkeypatch.setattr(blend, "_reserve", full)
    assert allocate((1, 3, 50, 40)).shape == (1, 3, 50, 40)
    assert not list((tmp_path / "cache" / "scratch").iterdir())
    monkeypatch.setattr(blend, "available_bytes", lambda: 100)
    with pytest.raises(OutOfMemoryError, match="neither into the memory nor on a disk"):
        allocate((1, 3, 50, 40))
