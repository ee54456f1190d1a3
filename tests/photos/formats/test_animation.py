"""Animations: refused, read frame by frame, and written as animations again."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from restorecli.errors import TooLargeError, UnsupportedError
from restorecli.photos.formats import others
from restorecli.photos.read import read
from restorecli.photos.write import write

RNG = np.random.default_rng(3)
FRAMES = [np.repeat(np.repeat(RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8), 4, 0), 4, 1) for _ in range(3)]


def animated(form: str) -> bytes:
    buffer = io.BytesIO()
    images = [Image.fromarray(frame) for frame in FRAMES]
    more = {"lossless": True} if form == "WEBP" else {}
    images[0].save(
        buffer, form, save_all=True, append_images=images[1:], duration=[80, 120, 40], loop=0, **more
    )
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused_unless_asked_for(form):
    with pytest.raises(UnsupportedError, match="3 frames") as caught:
        read(animated(form))
    assert "--frames" in str(caught.value.hint)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_alone(form):
    document = read(animated(form), frames="first")
    assert document.partial
    assert len(document.pages) == 1
    assert np.abs(np.rint(document.pages[0].pixels * 255) - FRAMES[0]).max() <= (60 if form == "GIF" else 0)
    assert any("first of 3" in text for text in document.warnings)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("target", ["png", "webp"])
def test_each_frame_comes_back_with_its_duration(tmp_path, form, target):
    document = read(animated(form), frames="each")
    assert [page.metadata.duration for page in document.pages] == [80, 120, 40]
    write(document, tmp_path / f"a.{target}", format=target)
    image = Image.open(tmp_path / f"a.{target}")
    assert image.n_frames == 3
    for index, page in enumerate(document.pages):
        image.seek(index)
        found = np.asarray(image.convert("RGB"))
        assert np.array_equal(found, np.rint(page.pixels * 255).astype(np.uint8))
        assert image.info["duration"] == page.metadata.duration
    image.close()


def test_frames_are_pages_of_a_tiff_and_refused_by_others(tmp_path):
    document = read(animated("GIF"), frames="each")
    write(document, tmp_path / "a.tiff", format="tiff")
    assert len(read(tmp_path / "a.tiff").pages) == 3
    with pytest.raises(UnsupportedError, match="3 pages"):
        write(document, tmp_path / "a.jpg", format="jpg")


def test_all_frames_count_for_the_limit():
    assert read(animated("GIF"), frames="first", max_pixels=400).pages
    with pytest.raises(TooLargeError, match="3 pages"):
        read(animated("GIF"), frames="each", max_pixels=400)


def test_a_canvas_beyond_the_limit_is_refused_before_its_frames_are_counted(monkeypatch):
    monkeypatch.setattr(others, "count_frames", lambda *_: pytest.fail("counted"))
    with pytest.raises(TooLargeError):
        read(animated("GIF"), frames="first", max_pixels=200)


def test_stills_are_not_touched_by_the_option():
    buffer = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(buffer, "PNG")
    for frames in ("each", "first"):
        document = read(buffer.getvalue(), frames=frames)
        assert not document.partial
        assert document.pages[0].metadata.duration is None


def test_the_picture_for_programs_that_show_no_animation_is_no_frame(tmp_path):
    buffer = io.BytesIO()
    images = [Image.fromarray(frame) for frame in FRAMES]
    images[0].save(
        buffer, "PNG", save_all=True, default_image=True, append_images=images[1:], duration=[80, 120]
    )
    document = read(buffer.getvalue(), frames="each")
    assert [page.metadata.duration for page in document.pages] == [80, 120]
    assert np.array_equal(np.rint(document.pages[0].pixels * 255), FRAMES[1])
    still = read(buffer.getvalue(), frames="first")
    assert np.array_equal(np.rint(still.pages[0].pixels * 255), FRAMES[0])


def test_a_jpeg_xl_animation_is_refused_by_name():
    with pytest.raises(UnsupportedError, match="animation of 3 frames"):
        read(bytes(imagecodecs.jpegxl_encode(np.stack(FRAMES), lossless=True)))
