from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.engine import blend
from restorecli.engine.blend import Bands, Canvas, allocate, axis_weights, inside
from restorecli.engine.tiles import plan_axis, plan_grid


@given(st.integers(1, 300), st.integers(1, 90), st.integers(0, 89), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_weights_are_never_negative_and_sum_to_one(length, tile, overlap, scale):
    axis = plan_axis(length, tile, overlap)
    total = torch.zeros(axis.padded * scale, dtype=torch.float64)
    for start, weight in zip(axis.starts, axis_weights(axis, scale), strict=True):
        assert weight.min() >= -1e-12
        total[start * scale : (start + axis.tile) * scale] += weight
    assert (total - 1).abs().max() < 1e-9


def test_context_at_a_tiles_inner_edge_weighs_nothing():
    axis = plan_axis(100, 60, 16)
    first, last = axis_weights(axis, 1)
    context = min(axis.overlaps) * 3 // 8
    assert not first[-context:].any() and not last[:context].any()
    assert first[:context].min() == 1 and last[-context:].min() == 1


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
