"""YCbCr TIFFs without JPEG, against libtiff."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile

from restorecli.errors import UnsupportedError
from restorecli.photos.read import read

RNG = np.random.default_rng(3)
BT709 = (2126, 10000, 7152, 10000, 722, 10000)


def smooth(height: int, width: int) -> np.ndarray:
    """A colourful picture whose chroma changes slowly, H×W×3 uint8 in Y, Cb, Cr."""
    down, across = np.mgrid[0:height, 0:width]
    return np.stack(
        [(down * 7 + across * 5) % 256, 60 + down * 120 // height, 200 - across * 130 // width], axis=-1
    ).astype(np.uint8)


def units(ycc: np.ndarray, across: int, down: int) -> bytes:
    """Data units of TIFF 6.0, section 21: a block of Y, then the Cb and Cr of its first pixel."""
    height, width = -(-ycc.shape[0] // down) * down, -(-ycc.shape[1] // across) * across
    padded = np.pad(ycc, ((0, height - ycc.shape[0]), (0, width - ycc.shape[1]), (0, 0)), mode="edge")
    cells = b""
    for top in range(0, height, down):
        for left in range(0, width, across):
            block = padded[top : top + down, left : left + across]
            cells += block[:, :, 0].tobytes() + block[0, 0, 1:].tobytes()
    return cells


def tiff(ycc: np.ndarray, subsampling: tuple[int, int], lzw: bool = False, **tags: tuple[int, ...]) -> bytes:
    """A little-endian TIFF with two strips."""
    height, width = ycc.shape[:2]
    rows = -(-height // 2) + -(-height // 2) % subsampling[1]
    strips = [units(ycc[top : top + rows], *subsampling) for top in range(0, height, rows)]
    if lzw:
        strips = [bytes(imagecodecs.lzw_encode(strip)) for strip in strips]
    body = b"".join(strips)
    offsets = np.cumsum([8] + [len(strip) for strip in strips])[:-1].tolist()
    entries: list[tuple[int, int, tuple[int, ...]]] = [
        (256, 4, (width,)),
        (257, 4, (height,)),
        (258, 3, (8, 8, 8)),
        (259, 3, (5 if lzw else 1,)),
        (262, 3, (6,)),
        (273, 4, tuple(offsets)),
        (277, 3, (3,)),
        (278, 4, (rows,)),
        (279, 4, tuple(len(strip) for strip in strips)),
        (284, 3, (1,)),
        (530, 3, subsampling),
    ]
    entries += [(529, 5, tags["coefficients"])] if "coefficients" in tags else []
    entries += [(532, 5, tags["reference"])] if "reference" in tags else []
    start = 8 + len(body) + len(body) % 2
    values, table = b"", struct.pack("<H", len(entries))
    values_at = start + 2 + 12 * len(entries) + 4
    for tag, kind, numbers in sorted(entries):
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        count = len(numbers) // (2 if kind == 5 else 1)
        if len(packed) > 4:
            packed, values = struct.pack("<I", values_at + len(values)), values + packed
        table += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", start) + body + bytes(len(body) % 2) + table + bytes(4) + values


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (1, 2)])
@pytest.mark.parametrize("lzw", [False, True])
def test_colours_are_those_of_libtiff_whatever_the_subsampling(subsampling, lzw):
    data = tiff(smooth(40, 48), subsampling, lzw=lzw)
    expected = imagecodecs.tiff_decode(data, asrgb=True)[:, :, :3].astype(int)
    found = np.rint(read(data).pages[0].pixels * 255)
    assert np.abs(found - expected).max() <= 1


def test_sides_that_are_no_multiple_of_the_subsampling():
    data = tiff(smooth(23, 35), (2, 2))
    expected = imagecodecs.tiff_decode(data, asrgb=True)[:, :, :3].astype(int)
    assert np.abs(np.rint(read(data).pages[0].pixels * 255) - expected).max() <= 1


def test_coefficients_and_reference_levels_of_the_file_count():
    studio = (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1)
    data = tiff(smooth(16, 16), (1, 1), coefficients=BT709, reference=studio)
    y, blue, red = np.moveaxis(smooth(16, 16).astype(float), -1, 0)
    y, blue, red = (y - 16) * 255 / 219, (blue - 128) * 127 / 112, (red - 128) * 127 / 112
    r, b = y + 1.5748 * red, y + 1.8556 * blue
    g = (y - 0.2126 * r - 0.0722 * b) / 0.7152
    expected = np.clip(np.stack([r, g, b], axis=-1), 0, 255)
    assert np.abs(read(data).pages[0].pixels * 255 - expected).max() <= 0.5 + 1e-3


def test_a_layout_that_nobody_writes_is_refused_and_not_called_damaged():
    with pytest.raises(UnsupportedError, match="subsampled"):
        read(tiff(smooth(12, 12), (3, 1)))


def test_reference_levels_of_8_bits_beside_16_bit_samples_are_scaled():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, smooth(20, 24).astype(np.uint16) * 256, photometric="ycbcr")
    found, expected = (
        read(data).pages[0].pixels for data in (buffer.getvalue(), tiff(smooth(20, 24), (1, 1)))
    )
    assert np.abs(found - expected).max() < 1.5 / 255
