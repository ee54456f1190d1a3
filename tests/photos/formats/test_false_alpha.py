"""TGA and ICO files whose fourth channel is no transparency."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from restorecli.photos.read import read

GENERATOR = np.random.default_rng(2)
BGR = GENERATOR.integers(0, 256, (16, 16, 3), dtype=np.uint8)


def tga(samples: np.ndarray, bits: int, attributes: int) -> bytes:
    return struct.pack("<BBB5xHHHHBB", 0, 0, 2, 0, 0, 16, 16, bits, 0x20 | attributes) + samples.tobytes()


@pytest.mark.parametrize(
    ("attributes", "alpha", "kept"), [(8, 0, True), (8, 90, True), (0, 90, True), (0, 0, False)]
)
def test_of_a_tga_alpha_that_nobody_announced_counts_only_where_it_shows_something(
    tmp_path, attributes, alpha, kept
):
    samples = np.dstack([BGR, np.full((16, 16), alpha, np.uint8)])
    (tmp_path / "a.tga").write_bytes(tga(samples, 32, attributes))
    page = read(tmp_path / "a.tga").pages[0]
    assert np.array_equal(np.rint(page.pixels * 255), BGR[:, :, ::-1])
    assert (page.alpha is not None) is kept


def test_a_tga_of_16_bits_is_opaque(tmp_path):
    fields = (BGR >> 3).astype(np.uint16)
    packed = fields[:, :, 2] << 10 | fields[:, :, 1] << 5 | fields[:, :, 0]
    (tmp_path / "a.tga").write_bytes(tga(packed.astype("<u2"), 16, 0))
    page = read(tmp_path / "a.tga").pages[0]
    assert page.alpha is None
    assert np.abs(page.pixels - fields[:, :, ::-1] / 31).max() < 0.01


@pytest.mark.parametrize("alpha", [0, 200])
def test_the_mask_of_an_icon_counts_where_alpha_would_hide_everything(alpha):
    hidden = np.zeros((16, 32), bool)
    hidden[:5] = True
    picture = np.dstack([BGR, np.full((16, 16), alpha, np.uint8)])[::-1].tobytes()
    mask = np.packbits(hidden[::-1], axis=1).tobytes()
    body = struct.pack("<IiiHHIIiiII", 40, 16, 32, 1, 32, 0, 0, 0, 0, 0, 0) + picture + mask
    data = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(body), 22) + body
    page = read(data).pages[0]
    assert np.array_equal(np.rint(page.pixels * 255), BGR[:, :, ::-1])
    expected = np.full((16, 16), alpha) if alpha else np.where(hidden[:, :16], 0, 255)
    assert page.alpha is not None and np.array_equal(np.rint(page.alpha * 255), expected)
