import itertools
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.engine.tiles import Grid, Pace, plan_axis, plan_cheapest, plan_grid, ramps

sides = st.integers(1, 400)
plans = st.tuples(
    sides,
    st.integers(0, 130),
    st.integers(0, 140),
    st.sampled_from([1, 2, 3, 8, 16]),
    st.sampled_from([1, 2]),
)


@given(plans)
@settings(max_examples=300, deadline=None)
def test_tiles_cover_every_pixel_and_stay_inside(plan):
    axis = plan_axis(*plan)
    covered = set()
    for start in axis.starts:
        assert start >= 0 and start + axis.tile <= axis.padded
        covered.update(range(start, start + axis.tile))
    assert covered == set(range(axis.padded))
    assert axis.padded >= axis.length == plan[0]


@given(plans)
@settings(max_examples=300, deadline=None)
def test_sides_and_starts_are_multiples_and_padding_is_less_than_one_step(plan):
    _, _, _, multiple, alignment = plan
    axis = plan_axis(*plan)
    step = multiple * alignment
    assert axis.tile % multiple == 0
    assert all(start % multiple == 0 and start % alignment == 0 for start in axis.starts)
    assert axis.padded - axis.length < step


@given(plans)
@settings(max_examples=300, deadline=None)
def test_overlap_is_at_least_what_was_asked_where_a_tile_allows_it(plan):
    _, tile, overlap, multiple, alignment = plan
    axis = plan_axis(*plan)
    step = multiple * alignment
    possible = min(overlap, max(0, tile // step * step - step))
    assert all(shared >= possible for shared in axis.overlaps)


@given(plans)
@settings(max_examples=200, deadline=None)
def test_tiles_are_no_larger_than_asked_and_planned_the_same_each_time(plan):
    _, tile, _, multiple, alignment = plan
    axis = plan_axis(*plan)
    if tile:
        assert axis.tile <= max(tile, 2 * multiple, multiple * alignment)
    assert axis == plan_axis(*plan)


@given(plans)
@settings(max_examples=200, deadline=None)
def test_no_fewer_tiles_would_do(plan):
    length, tile, overlap, _, _ = plan
    axis = plan_axis(length, tile, overlap)
    fewer = len(axis.starts) - 1
    if fewer:
        shared = min(overlap, tile - 1)
        assert fewer * tile - (fewer - 1) * shared < length


def test_sides_are_evened_out_so_that_no_tile_is_thin():
    assert plan_axis(130, 128, 0).tile == 65
    assert plan_axis(130, 128, 0).starts == (0, 65)


def test_tile_zero_is_the_whole_image():
    grid = plan_grid(37, 21, 0, 16, multiple=8)
    assert grid.count == 1
    assert grid.tile == (40, 24)


def test_an_image_within_one_tile_is_not_enlarged_to_it():
    assert plan_grid(30, 20, 128, 16).tile == (30, 20)


def test_boxes_go_row_by_row():
    grid = plan_grid(20, 20, 12, 4)
    assert [(box.top, box.left) for box in grid.boxes] == [(0, 0), (0, 8), (8, 0), (8, 8)]


@given(plans, st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_ramps_lie_in_the_overlap_and_do_not_cross(plan, scale):
    axis = plan_axis(*plan)
    found = ramps(axis, scale)
    assert len(found) == len(axis.starts) - 1
    for index, (centre, width) in enumerate(found):
        assert axis.starts[index + 1] * scale <= centre - width / 2
        assert centre + width / 2 <= (axis.starts[index] + axis.tile) * scale
    for (a, width), (b, _) in itertools.pairwise(found):
        assert a + width / 2 <= b - width / 2 + 1e-9


def test_geometry_needs_no_torch():
    code = "import sys, restorecli.engine.tiles, restorecli.engine.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


FLAT = Pace((128, 512), (1.0, 1.0))
GROWING = Pace((128, 256, 512), (1.0, 1.0, 2.0))
paces = st.sampled_from([FLAT, GROWING])


def cost(grid: Grid, pace: Pace) -> float:
    pixels = grid.tile[0] * grid.tile[1]
    return grid.count * pixels * pace.at(pixels)


@given(sides, sides, st.integers(1000, 200_000), st.integers(0, 64), paces, st.sampled_from([1, 2, 8]))
@settings(max_examples=200, deadline=None)
def test_the_cheapest_plan_covers_the_image_and_keeps_to_its_limits(
    height, width, most, overlap, pace, multiple
):
    grid = plan_cheapest(height, width, most, overlap, pace, multiple)
    for axis in (grid.rows, grid.columns):
        covered = {x for start in axis.starts for x in range(start, start + axis.tile)}
        assert covered == set(range(axis.padded)) and axis.tile % multiple == 0
        possible = min(overlap, max(0, axis.tile - multiple))
        assert all(shared >= min(possible, axis.tile // 2) for shared in axis.overlaps)
    assert grid.count == 1 or grid.tile[0] * grid.tile[1] <= most or min(grid.tile) <= 64


@given(st.integers(100, 900), st.integers(100, 900), st.integers(0, 64), paces)
@settings(max_examples=100, deadline=None)
def test_no_plan_of_square_tiles_is_cheaper(height, width, overlap, pace):
    best = plan_cheapest(height, width, 512**2, overlap, pace)
    others = (plan_grid(height, width, side, overlap) for side in range(max(128, 2 * overlap), 513, 16))
    assert all(cost(best, pace) <= 1.03 * cost(other, pace) * (1 + 1e-9) for other in others)


def test_a_picture_is_taken_whole_where_that_is_no_slower():
    assert plan_cheapest(321, 481, 512**2, 16, FLAT).count == 1
    assert plan_cheapest(321, 481, 512**2, 16, GROWING).count > 1
    assert plan_cheapest(1000, 1000, 512**2, 16, FLAT).count == 4


def test_tiles_of_a_wide_step_that_need_not_overlap_are_planned_too():
    grid = plan_cheapest(300, 200, 64**2, 0, FLAT, 64)
    assert grid.tile == (64, 64) and grid.count == 20


def test_pace_lies_between_what_was_measured():
    assert GROWING.at(100) == 1.0 and GROWING.at(512**2) == GROWING.at(10**9) == 2.0
    assert GROWING.at(384**2) == 1.5
