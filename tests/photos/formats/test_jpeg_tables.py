"""The quantisation tables of JPEG files, against Pillow's reading of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.photos.formats.jpeg import read_header
from restorecli.photos.read import read

PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 56, 3), dtype=np.uint8))


def saved(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tables_by_pillow(data: bytes) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    with Image.open(io.BytesIO(data)) as image:
        tables = [np.reshape(image.quantization[layer[3]], (8, 8)) for layer in image.layer]
        return tables, [(layer[1], layer[2]) for layer in image.layer]


def same_as_pillow(data: bytes) -> None:
    quantisation = read(data).pages[0].quantisation
    assert quantisation is not None
    tables, sampling = tables_by_pillow(data)
    assert list(quantisation.subsampling) == sampling
    assert len(quantisation.tables) == len(tables)
    for table, expected in zip(quantisation.tables, tables, strict=True):
        assert table.shape == (8, 8)
        assert np.array_equal(table, expected)


@pytest.mark.parametrize("quality", [3, 50, 90, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_tables_and_sampling_factors_are_those_of_the_file(quality: int, subsampling: str) -> None:
    same_as_pillow(saved(PICTURE, quality=quality, subsampling=subsampling))


def test_gray_has_one_table() -> None:
    data = saved(PICTURE.convert("L"), quality=30)
    assert len(read(data).pages[0].quantisation.tables) == 1
    same_as_pillow(data)


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_progressive_and_cmyk_files_have_tables(mode: str) -> None:
    same_as_pillow(saved(PICTURE.convert(mode), quality=40, progressive=True))


def test_tables_of_ones_own_keep_their_places() -> None:
    table = np.random.default_rng(5).integers(1, 255, 64).tolist()
    same_as_pillow(saved(PICTURE, qtables=[table, table[::-1]]))


def test_a_turned_photo_keeps_the_tables_of_its_file() -> None:
    exif = Image.Exif()
    exif[274] = 6
    same_as_pillow(saved(PICTURE, quality=20, exif=exif))


def test_other_formats_have_no_tables() -> None:
    for form in ("PNG", "WEBP", "TIFF"):
        assert read(saved(PICTURE, form)).pages[0].quantisation is None


def test_a_table_cut_short_is_no_table() -> None:
    data = saved(PICTURE.convert("L"), quality=30)
    at = data.index(b"\xff\xdb")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    short = data[: at + 2] + (50).to_bytes(2, "big") + data[at + 4 : at + 52] + data[end:]
    assert read_header(data, "whole").quantisation is not None
    assert read_header(short, "short").quantisation is None


@pytest.mark.shared
def test_tables_of_hard_files(shared_data: Path) -> None:
    for name in ("cmyk", "jpeg_16bit_qtables", "jpeg_440", "jpeg_gray", "jpeg_icc", "orient_6"):
        same_as_pillow((shared_data / "io_cases" / f"{name}.jpg").read_bytes())
