"""Netpbm files of every kind, against the samples they were made from."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from restorecli.errors import PhotoError, UnreadableError
from restorecli.photo import Depth
from restorecli.photos.read import read, size

RNG = np.random.default_rng(2)
RGB = RNG.integers(0, 200, (5, 7, 3))


def plain(samples: np.ndarray) -> bytes:
    return " ".join(map(str, samples.ravel())).encode()


def test_colour_pfm_is_read_bottom_line_first():
    values = (RNG.random((5, 7, 3)) * 3).astype(np.float32)
    for mark, order in ((b"-1.0", "<f4"), (b"1.0", ">f4")):
        photo = read(b"PF\n7 5\n" + mark + b"\n" + values[::-1].astype(order).tobytes()).pages[0]
        assert photo.depth is Depth.FLOAT32
        assert np.array_equal(photo.pixels, values)


@pytest.mark.parametrize(
    ("magic", "samples", "peak"),
    [
        (b"P2", RGB[:, :, 0], 199),
        (b"P3", RGB, 199),
        (b"P3", RGB * 300, 60000),
        (b"P5", RGB[:, :, 0].astype(np.uint8), 199),
        (b"P6", RGB.astype(np.uint8), 255),
        (b"P6", (RGB * 300).astype(">u2"), 60000),
        (b"P5", (RGB[:, :, 0] * 5).astype(">u2"), 1023),
    ],
)
def test_samples_are_divided_by_the_stated_maximum(magic, samples, peak):
    body = plain(samples) if magic in (b"P2", b"P3") else samples.tobytes()
    data = magic + b"\n# a comment\n7 5\n%d\n" % peak + body
    photo = read(data).pages[0]
    assert size(data) == (7, 5)
    assert photo.depth is (Depth.UINT8 if peak < 256 else Depth.UINT16)
    assert np.allclose(photo.pixels.squeeze(), samples.astype(float) / peak, atol=1e-6)


def test_in_bitmaps_one_is_black():
    assert read(b"P1\n3 2\n0 1 0\n1 0 1\n").pages[0].pixels[:, :, 0].tolist() == [[1, 0, 1], [0, 1, 0]]
    assert read(b"P4\n3 2\n" + bytes([0b01000000, 0b10100000])).pages[0].pixels[0, :, 0].tolist() == [1, 0, 1]


def test_pam_with_alpha():
    samples = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    head = b"P7\nWIDTH 7\nHEIGHT 5\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    photo = read(head + samples.tobytes()).pages[0]
    assert np.array_equal(np.rint(photo.pixels * 255), samples[:, :, :3])
    assert np.array_equal(np.rint(photo.alpha * 255), samples[:, :, 3])


@pytest.mark.parametrize(
    "data", [b"P6\n7 5\n255\nshort", b"PF\n7 5\n-1.0\nshort", b"P5\n0 5\n255\n", b"P6\nx y\n1"]
)
def test_damaged_files_are_refused_by_name(data):
    with pytest.raises(PhotoError, match="odd"):
        read(data, name="odd.ppm")


def test_the_digits_of_a_plain_pbm_may_be_close_together():
    data = b"P1\n# a comment\n8 2\n1 0 1 0 1 0 1 0\n0101#\n0101\n"
    page = read(data).pages[0]
    assert np.array_equal(page.pixels[:, :, 0], 1 - np.array([[1, 0] * 4, [0, 1] * 4]))
    with pytest.raises(UnreadableError):
        read(data[:-4])


def test_the_digits_of_a_plain_pbm_take_no_object_each():
    rows = b"1 " * 300 + b"\n"
    data = b"P1\n300 300\n" + 300 * rows
    tracemalloc.start()
    page = read(data).pages[0]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not page.pixels.any()
    assert most < 40 * 300 * 300
