"""Files that are read a few rows at a time say what files that are held say."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import TooLargeError, UnreadableError, UnsupportedError
from restorecli.photos import limits
from restorecli.photos.formats import png
from restorecli.photos.giants import source
from restorecli.photos.giants.picture import GiantParts, open_giant
from restorecli.photos.giants.source import HeldWhole, Window
from restorecli.photos.outlook import outlook
from restorecli.photos.read import read

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)


@pytest.fixture
def tiled(tmp_path: Path) -> Path:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, PIXELS, tile=(64, 48), compression="zlib", photometric="rgb", resolution=(300, 300)
    )
    return path


def test_any_part_is_that_of_the_photo_and_rows_may_be_let_go(tiled: Path) -> None:
    page, whole = open_giant(tiled, "a.tif").pages[0], read(tiled).pages[0]
    assert page.parts is not None and page.pixels.shape == whole.pixels.shape
    for top, bottom, left, right in ((0, 10, 0, 200), (60, 140, 30, 77), (299, 300, 199, 200)):
        part = page.parts.pixels(top, bottom, left, right)
        assert np.array_equal(part, whole.pixels[top:bottom, left:right])
        page.parts.release(top)
    assert np.array_equal(page.parts.pixels(0, 5), whole.pixels[:5])  # read again
    assert np.array_equal(page.parts.sample(), whole.pixels)
    assert page.metadata == whole.metadata
    page.parts.close()


@pytest.mark.parametrize("bottom_up", [False, True])
@pytest.mark.parametrize("kind", ["tif", "strips", "planes", "png"])
def test_of_a_wide_photo_little_more_rows_are_held_than_are_looked_at(
    kind: str, bottom_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        source, "LEAST_BYTES", 9 * 200 * 3
    )  # nine rows, of a width that need not be large here
    path = tmp_path / "a"
    if kind == "png":
        Image.fromarray(PIXELS).save(path, "png")
    else:
        layout = {"rowsperstrip": 7} if kind == "strips" else {"tile": (64, 48)}
        planes = {"planarconfig": "separate"} if kind == "planes" else {}
        pixels = PIXELS.transpose(2, 0, 1) if planes else PIXELS
        tifffile.imwrite(path, pixels, compression="zlib", photometric="rgb", **layout, **planes)
    page = open_giant(path, "a").pages[0]
    assert isinstance(page.parts, GiantParts)
    decoded: list[int] = []
    if kind != "png":
        decode = page.parts._source._page.decode
        page.parts._source._page.__dict__["decode"] = lambda data, number, **options: (
            decoded.append(number),
            decode(data, number, **options),
        )[1]
    window, most = Window(page.parts._source, bottom_up=bottom_up), 0
    expected = PIXELS[::-1] if bottom_up else PIXELS
    for top in range(0, 300, 50):  # as rows of tiles go, which overlap
        bottom = min(top + 58, 300)
        for left in range(0, 200, 40):
            found = window.take(top, bottom, left, left + 40)
            assert np.array_equal(found, expected[top:bottom, left : left + 40])
        most = max(most, sum(len(block) for block in window._blocks.values()))
        window.release(top + 50)
    page.parts.close()
    assert most <= 58 + 2 * 9
    assert all(decoded.count(number) <= 3 for number in decoded)  # a tile of 64 rows reaches into three rows


@pytest.mark.parametrize(
    ("samples", "options", "why"),
    [
        (
            np.zeros((40, 30, 4), np.uint8),
            {"photometric": "rgb", "extrasamples": ["unassalpha"]},
            "transparency",
        ),
        (np.zeros((40, 30), np.float32), {}, "floating-point"),
        (np.zeros((2, 40, 30), np.uint8), {"photometric": "minisblack"}, "2 pages"),
        (np.zeros((40, 30), np.uint8), {"extratags": [(274, 3, 1, 6, True)]}, "turned"),
    ],
)
def test_what_is_held_says_why(samples: np.ndarray, options: dict, why: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", samples, metadata=None, **options)
    with pytest.raises(HeldWhole, match=why):
        open_giant(tmp_path / "a.tif", "a.tif")


def test_a_dry_run_refuses_large_photos_only_where_they_must_be_held(
    tiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.dstack([PIXELS, PIXELS[:, :, :1]])).save(tmp_path / "alpha.png")
    monkeypatch.setattr(limits.host, "total_bytes", lambda: 1000)
    assert outlook(tiled).width == 200
    with pytest.raises(TooLargeError):
        outlook(tmp_path / "alpha.png")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_is_cut_short_is_refused(compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", rowsperstrip=16, compression=compression)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableError, match="cut short"):
        open_giant(path, "a.tif")


def test_a_stack_behind_one_directory_is_refused_and_not_cut_down_to_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 300, 200), np.uint8), imagej=True, truncate=True)
    with pytest.raises(UnsupportedError, match="3 pictures"):
        open_giant(path, "a.tif")


@pytest.mark.parametrize("kind", ["tif", "png", "zlib.png"])
def test_rows_that_are_damaged_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    if kind != "tif":
        filtered = np.concatenate([np.full((300, 1), 9, np.uint8), PIXELS.reshape(300, -1)], axis=1)
        size = struct.pack(">IIBBBBB", 200, 300, 8, 2, 0, 0, 0)
        packed = b"no zlib stream" if kind == "zlib.png" else zlib.compress(filtered.tobytes())
        chunks = ((b"IHDR", size), (b"IDAT", packed), (b"IEND", b""))
        path.write_bytes(png.SIGNATURE + b"".join(png.chunk(*each) for each in chunks))
    else:
        tifffile.imwrite(path, PIXELS, photometric="rgb", rowsperstrip=16, compression="zlib")
        data = path.read_bytes()
        path.write_bytes(data[:-5000] + bytes(5000))
    with pytest.raises(UnreadableError, match="damaged"):
        page = open_giant(path, "a").pages[0]
        assert page.parts is not None
        with closing(page.parts) as parts:
            parts.pixels(0, 300)


def test_strips_that_were_never_written_are_black(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", rowsperstrip=100)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("StripOffsets", "StripByteCounts"):
            held = file.pages.first.tags[tag]
            held.overwrite((held.value[0], 0, held.value[2]))
    page = open_giant(path, "a.tif").pages[0]
    assert page.parts is not None
    with closing(page.parts) as parts:
        assert np.array_equal(parts.pixels(0, 300), read(path).pages[0].pixels)
        assert not parts.pixels(100, 200).any()
