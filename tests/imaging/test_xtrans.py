"""X-Trans: its phases, cells that all look alike, and extensions that keep every colour in its place."""

from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging import cfa, xtrans


def colours(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.array([1, 2, 3], np.float32), (height, width, 3)).copy()


def test_there_are_eighteen_phases_each_with_twenty_green_pixels() -> None:
    assert len(xtrans.PATTERNS) == 18
    assert all(pattern.count("G") == 20 for pattern in xtrans.PATTERNS)
    assert all(pattern.count("R") == pattern.count("B") == 8 for pattern in xtrans.PATTERNS)


def test_after_exchanging_red_and_blue_every_cell_is_the_same() -> None:
    held = cfa.as_zeros(cfa.sample(colours(18, 24), xtrans.PATTERN), xtrans.PATTERN)
    cells = (xtrans.exchange(held) > 0).reshape(6, 3, 8, 3, 3)
    assert (cells == cells[:1, :, :1]).all()
    np.testing.assert_array_equal(xtrans.exchange(xtrans.exchange(held)), held)


@pytest.mark.parametrize("pattern", xtrans.PATTERNS)
@pytest.mark.parametrize("size", [(24, 30), (25, 31), (6, 8), (7, 6)])
def test_a_mosaic_reaches_the_networks_phase_without_moving_a_sample(
    pattern: str, size: tuple[int, int]
) -> None:
    held = cfa.sample(colours(*size), pattern)
    mosaic = held + 10 * np.arange(held.size, dtype=np.float32).reshape(held.shape)
    extended, (rows, columns) = xtrans.to_phase(mosaic[..., None], pattern, xtrans.PATTERN)
    height, width = extended.shape[:2]
    inside = extended[rows : rows + size[0], columns : columns + size[1], 0]
    np.testing.assert_array_equal(inside, mosaic)
    assert height % 3 == width % 3 == 0
    expected = cfa.sample(colours(height, width), xtrans.PATTERN)
    np.testing.assert_array_equal(extended[..., 0] % 10, expected)


@pytest.mark.parametrize("pattern", xtrans.PATTERNS[:4])
def test_a_flat_colour_survives_interpolation_to_the_border(pattern: str) -> None:
    flat = np.full((13, 20, 3), (0.2, 0.5, 1.3), np.float32)
    np.testing.assert_allclose(xtrans.interpolate(cfa.sample(flat, pattern), pattern), flat, atol=1e-6)


def test_a_mosaic_with_zeros_tells_its_phase() -> None:
    picture = np.random.default_rng(2).random((18, 25, 3), dtype=np.float32) + 0.1
    for pattern in xtrans.PATTERNS:
        zeros = cfa.as_zeros(cfa.sample(picture, pattern), pattern)
        assert cfa.recognise_zeros(zeros, xtrans.PATTERNS) == pattern
    assert cfa.recognise_zeros(picture, xtrans.PATTERNS) is None
