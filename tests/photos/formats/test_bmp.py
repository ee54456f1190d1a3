"""BMP bit fields against arithmetic on the packed numbers, and against Pillow where it reads them."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.imaging import icc
from restorecli.photo import Depth
from restorecli.photos.read import read

RNG = np.random.default_rng(4)
HEIGHT, WIDTH = 5, 7


def bmp(packed: np.ndarray, masks: tuple[int, ...], *, top_down: bool = False) -> bytes:
    height, width = packed.shape
    bits = packed.dtype.itemsize * 8
    rows = packed if top_down else packed[::-1]
    line = width * bits // 8
    body = b"".join(row.tobytes() + bytes(-line % 4) for row in rows)
    cells = struct.pack(f"<{len(masks)}I", *masks)
    start = 14 + 40 + len(cells)
    head = struct.pack("<iiiHHIIiiII", 40, width, -height if top_down else height, 1, bits,
                       3 if len(masks) == 3 else 6, len(body), 0, 0, 0, 0)  # fmt: skip
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + cells + body


def fields(packed: np.ndarray, masks: tuple[int, ...]) -> np.ndarray:
    """Each field as a share of its greatest value."""
    shifts = [(mask & -mask).bit_length() - 1 for mask in masks]
    return np.stack(
        [((packed & mask) >> shift) / (mask >> shift) for mask, shift in zip(masks, shifts, strict=True)],
        axis=-1,
    )


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("kind", "masks"),
    [
        ("<u2", (0xF800, 0x07E0, 0x001F)),
        ("<u2", (0x7C00, 0x03E0, 0x001F)),
        ("<u2", (0x0F00, 0x00F0, 0x000F)),
        ("<u2", (0x0F00, 0x00F0, 0x000F, 0xF000)),
        ("<u4", (0xFF000000, 0x00FF0000, 0x0000FF00)),
        ("<u4", (0x000000FF, 0x0000FF00, 0x00FF0000, 0xFF000000)),
        ("<u4", (0x3FF00000, 0x000FFC00, 0x000003FF)),
    ],
)
def test_fields_of_any_place_and_width(kind, masks, top_down):
    packed = RNG.integers(0, 2 ** (8 * int(kind[2])), (HEIGHT, WIDTH)).astype(kind)
    photo = read(bmp(packed, masks, top_down=top_down)).pages[0]
    expected = fields(packed, masks)
    deep = max(mask.bit_count() for mask in masks) > 8
    assert photo.depth is (Depth.UINT16 if deep else Depth.UINT8)
    assert np.abs(photo.pixels - expected[:, :, :3]).max() <= 0.51 / (65535 if deep else 255)
    if len(masks) == 4:
        assert np.abs(photo.alpha - expected[:, :, 3]).max() <= 0.51 / 255


def test_pillow_agrees_on_the_usual_fields():
    packed = RNG.integers(0, 2**16, (HEIGHT, WIDTH)).astype("<u2")
    data = bmp(packed, (0xF800, 0x07E0, 0x001F))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(np.rint(read(data).pages[0].pixels * 255) - expected).max() <= 1


def test_a_cut_file_is_refused():
    data = bmp(RNG.integers(0, 2**16, (HEIGHT, WIDTH)).astype("<u2"), (0xF800, 0x07E0, 0x001F))
    with pytest.raises(UnreadableError, match="cut short"):
        read(data[:-20])


def test_an_embedded_profile_counts():
    profile = icc.working_profile("display-p3")
    samples = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    body = b"".join(row[:, ::-1].tobytes() + bytes(-3 * WIDTH % 4) for row in samples[::-1])
    head = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, len(body), 11811, 11811, 0, 0)
    head += bytes(16) + b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(body), len(profile), 0)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 124) + head + body + profile
    photo = read(data).pages[0]
    assert photo.metadata.profile == profile
    assert photo.metadata.dpi == pytest.approx((300, 300), abs=0.1)


def plain(header: bytes, samples: np.ndarray) -> bytes:
    rows = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in samples[::-1])
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + rows


def info(size: int, bits: int, compression: int = 0) -> bytes:
    return struct.pack("<iiiHHIIiiII", size, WIDTH, HEIGHT, 1, bits, compression, 0, 0, 0, 0, 0)


def test_primaries_and_gamma_of_the_header_count():
    samples = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    ends = struct.pack(
        "<9i", *(round(v * 2**30) for v in (0.64, 0.33, 0.03, 0.21, 0.71, 0.08, 0.15, 0.06, 0.79))
    )
    gamma = struct.pack("<3I", *[round(2.2 * 65536)] * 3)
    page = read(plain(info(108, 24) + bytes(16 + 4) + ends + gamma, samples)).pages[0]
    same = icc.rgb_profile((0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), icc.gamma_curve(2.2), "same")
    image = io.BytesIO()
    Image.fromarray(samples[:, :, ::-1]).save(image, "PNG", icc_profile=same)
    assert np.allclose(page.pixels, read(image.getvalue()).pages[0].pixels, atol=1e-3)
    assert read(plain(info(108, 24) + bytes(16 + 4 + 48), samples)).pages[0].metadata.profile is None


@pytest.mark.parametrize(
    ("bits", "compression", "what"), [(0, 4, "JPEG"), (0, 5, "PNG"), (2, 0, "2 bits"), (64, 0, "64")]
)
def test_rare_kinds_are_unsupported_and_not_damaged(bits, compression, what):
    with pytest.raises(UnsupportedError, match=what):
        read(plain(info(40, bits, compression), np.zeros((HEIGHT, 64), np.uint8)))
