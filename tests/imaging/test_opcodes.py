"""Opcodes of a DNG, against the formulas of its specification written down once more."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from restorecli.imaging import opcodes


def listed(*codes: tuple[int, bytes]) -> bytes:
    parts = [struct.pack(">4I", number, 0x01030000, 1, len(data)) + data for number, data in codes]
    return struct.pack(">I", len(codes)) + b"".join(parts)


def area(top: int, left: int, bottom: int, right: int, step: int = 1, planes: int = 1) -> bytes:
    return struct.pack(">8I", top, left, bottom, right, 0, planes, step, step)


def flat(value: float = 0.25, channels: int = 1) -> np.ndarray:
    return np.full((8, 12, channels), value, np.float32)


def test_a_gain_map_is_linear_between_its_points_and_touches_its_places_only() -> None:
    points = struct.pack(">2I4dI4f", 2, 2, 1.0, 1.0, 0.0, 0.0, 1, 1.0, 2.0, 3.0, 4.0)
    done = opcodes.apply(flat(), listed((9, area(0, 0, 8, 12, 2) + points)))
    rows, columns = np.mgrid[:8, :12]
    y, x = (rows + 0.5) / 8, (columns + 0.5) / 12
    expected = np.where((rows % 2 == 0) & (columns % 2 == 0), 1 + 2 * y + x, 1)
    np.testing.assert_allclose(done.pixels[..., 0], 0.25 * expected, rtol=1e-6)
    assert done.lift is not None
    np.testing.assert_allclose(done.lift[..., 0], expected, rtol=1e-6)
    assert done.unknown == ()


def test_vignetting_is_one_in_the_middle_and_the_sum_of_its_terms_in_the_corner() -> None:
    terms = (0.5, 0.25, 0.0, 0.0, 0.125)
    done = opcodes.apply(np.ones((9, 9, 3), np.float32), listed((3, struct.pack(">7d", *terms, 0.5, 0.5))))
    assert done.pixels[4, 4] == pytest.approx(1)
    assert done.pixels[0, 8] == pytest.approx(1 + sum(terms))
    assert done.pixels[4, 8] == pytest.approx(1 + 0.5 / 2 + 0.25 / 4 + 0.125 / 32)


def test_bad_pixels_get_the_mean_of_their_own_colour() -> None:
    rows, columns = np.mgrid[:8, :12]
    mosaic = ((rows % 2) * 0.2 + (columns % 2) * 0.4 + 0.1).astype(np.float32)[..., None]
    spoilt = mosaic.copy()
    spoilt[3, 5] = spoilt[0, 0] = spoilt[6:8, 2:4] = 9
    told = struct.pack(">3I", 0, 2, 1) + struct.pack(">4I", 3, 5, 0, 0) + struct.pack(">4I", 6, 2, 8, 4)
    done = opcodes.apply(spoilt, listed((5, told)))
    np.testing.assert_allclose(done.pixels, mosaic, atol=1e-6)
    constant = mosaic.copy()
    constant[2, 2] = 0
    np.testing.assert_allclose(opcodes.apply(constant, listed((4, struct.pack(">2I", 0, 0)))).pixels, mosaic)


def test_tables_polynomials_rows_and_columns() -> None:
    polynomial = struct.pack(">I3d", 2, 0.1, 0.5, 1.0)
    done = opcodes.apply(flat(0.5), listed((8, area(0, 0, 8, 12) + polynomial)))
    assert done.pixels == pytest.approx(0.1 + 0.5 * 0.5 + 0.25)
    table = struct.pack(">I", 4) + struct.pack(">4H", 0, 10, 20, 300)
    stored = np.array([[[0.0], [1], [2], [3], [90]]], np.float32)
    mapped = opcodes.apply(stored, listed((7, area(0, 0, 1, 5) + table)), unit=65535.0)
    assert mapped.pixels[0, :, 0].tolist() == [0, 10, 20, 300, 300]
    rows = struct.pack(">I8f", 8, *range(8))
    assert opcodes.apply(flat(0), listed((10, area(0, 0, 8, 12) + rows))).pixels[3, 5, 0] == 3
    columns = struct.pack(">I12f", 12, *range(12))
    scaled = opcodes.apply(flat(1), listed((13, area(0, 0, 8, 12) + columns)))
    assert scaled.pixels[3, 5, 0] == 5
    assert scaled.lift is not None


def test_what_moves_pixels_or_is_damaged_is_left_out_and_named() -> None:
    done = opcodes.apply(flat(), listed((1, b"\0" * 80), (9, b"\0" * 7), (77, b"")))
    np.testing.assert_array_equal(done.pixels, flat())
    assert done.unknown == ("WarpRectilinear", "opcode 9, damaged", "opcode 77")


@pytest.mark.parametrize("block", [b"", b"\0", b"\0\0\0\5", listed((3, b""))[:-1], b"\xff" * 40])
def test_lists_cut_short_do_no_harm(block: bytes) -> None:
    assert opcodes.apply(flat(), block).pixels.shape == (8, 12, 1)


def test_what_is_done_already_is_not_done_again() -> None:
    double = listed((8, area(0, 0, 8, 12) + struct.pack(">I2d", 1, 0.0, 2.0)))
    done = opcodes.apply(flat(), double, done=frozenset({opcodes.POLYNOMIAL}))
    np.testing.assert_array_equal(done.pixels, flat())
