from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import PhotoError, UnreadableError, UnsupportedError
from restorecli.photos.outlook import outlook
from restorecli.photos.read import read
from tests.dng_maker import cfa_dng

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 40, 3), dtype=np.uint8)
KINDS = {"a.jpg": "jpeg", "a.png": "png", "a.webp": "webp", "a.bmp": "bmp", "a.tif": "tiff", "a.gif": "gif"}


def saved(path: Path, **more: object) -> Path:
    Image.fromarray(PIXELS).save(path, **more)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_a_whole_file_is_told_by_its_headers(name: str, tmp_path: Path) -> None:
    seen = outlook(saved(tmp_path / name))
    assert (seen.kind, seen.width, seen.height, seen.pages) == (KINDS[name], 40, 24, 1)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + b"\xff\xd8\xff\xd9" * 9}]
)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.995])
def test_a_cut_jpeg_is_told(options: dict[str, object], share: float, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", **options)
    path.write_bytes((whole := path.read_bytes())[: int(len(whole) * share)])
    with pytest.raises(UnreadableError):
        outlook(path)


def test_bytes_behind_a_jpeg_are_no_cut(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + b"behind it")
    assert outlook(path).width == 40


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tif"])
def test_other_cut_files_are_told(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableError):
        outlook(path)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_is_told(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedError, match="animation of 2 frames"):
        outlook(tmp_path / name)


def test_pages_and_turned_pictures_are_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([PIXELS] * 3), photometric="rgb")
    assert outlook(tmp_path / "a.tif").pages == 3
    exif = Image.Exif()
    exif[274] = 6
    assert outlook(saved(tmp_path / "b.jpg", exif=exif)).width == 24


def test_camera_raw_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(cfa_dng(np.full((32, 48), 500, np.uint16)))
    assert outlook(path).kind == "raw"


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: path.write_text("no image")])
def test_what_is_no_image_is_told(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(UnreadableError):
        outlook(tmp_path / "a.png")


def test_the_outlook_of_damaged_files_is_never_an_unexpected_error(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    for name in KINDS:
        buffer = io.BytesIO()
        Image.fromarray(PIXELS).save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(name[2:], name[2:]))
        for _ in range(30):
            data = bytearray(buffer.getvalue())
            for at in generator.integers(0, min(len(data), 200), 4):
                data[at] = generator.integers(256)
            (tmp_path / name).write_bytes(data)
            try:
                outlook(tmp_path / name)
            except PhotoError as error:
                with pytest.raises(PhotoError):  # never darker than what happens
                    read(tmp_path / name)
                assert name in error.message
