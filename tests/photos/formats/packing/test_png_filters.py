"""Filters of PNG against their definitions, byte by byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.photos.formats.packing import png_filters


def predicted(kind: int, left: int, above: int, corner: int) -> int:
    """Return the prediction as the PNG specification words it (section 9)."""
    if kind == png_filters.PAETH:
        estimate = left + above - corner
        return min((left, above, corner), key=lambda value: abs(estimate - value))  # the first of equals
    return [0, left, above, (left + above) // 2][kind]


@pytest.mark.parametrize("kind", range(5))
@given(step=st.integers(1, 8), values=st.sampled_from([2, 5, 256]), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_every_byte_is_what_the_specification_says(kind: int, step: int, values: int, seed: int):
    rng = np.random.default_rng(seed)
    spread = 255 // (values - 1)  # so that 0 and 255 are among them
    rows = rng.integers(0, values, (4, 5 * step)).astype(np.uint8) * np.uint8(spread)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    out = np.empty_like(rows)
    png_filters.write(rows, above, step, kind, out)
    for y, x in np.ndindex(rows.shape):
        left = int(rows[y, x - step]) if x >= step else 0
        corner = int(above[y, x - step]) if x >= step else 0
        assert out[y, x] == (int(rows[y, x]) - predicted(kind, left, int(above[y, x]), corner)) % 256


def test_paeths_filter_is_taken_where_edges_run_both_ways():
    """Blocks in a grid: the left or the upper neighbour is right, and Paeth's filter finds out which."""
    blocks = np.random.default_rng(0).integers(0, 255, (16, 64), dtype=np.uint8)
    rows = np.repeat(np.repeat(blocks, 5, axis=0), 5, axis=1)
    assert set(png_filters.filtered(rows[:64], 1)[:, 0]) == {png_filters.PAETH}
