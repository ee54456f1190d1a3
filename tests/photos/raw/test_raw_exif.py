"""EXIF of RAW files: the directory they carry, or the preview's, and never a reason to refuse the mosaic."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from restorecli.photos.raw import exif

PREVIEW_AT = 148


def raf(preview: bytes) -> io.BytesIO:
    """The head of a Fujifilm RAF: where its preview lies, and the preview."""
    head = bytearray(b"FUJIFILMCCD-RAW ".ljust(PREVIEW_AT, b"\0"))
    head[84:92] = PREVIEW_AT.to_bytes(4, "big") + len(preview).to_bytes(4, "big")
    return io.BytesIO(bytes(head) + preview)


def libraw(speed: float = 200.0) -> SimpleNamespace:
    other = SimpleNamespace(
        artist="", shutter_speed=0.01, aperture=4.0, focal_length=35.0, iso_speed=speed, timestamp=None
    )
    return SimpleNamespace(other=other)


def with_exif() -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0110] = "FUJIFILM", "X-T1"
    block.get_ifd(0x8769)[0x8827] = 1600
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG", exif=block)
    return stream.getvalue()


def as_jpeg_ls(jpeg: bytes) -> bytes:
    frame = jpeg.index(b"\xff\xc0")
    return jpeg[:frame] + b"\xff\xf7" + jpeg[frame + 2 :]


def test_the_preview_of_a_raf_tells_of_the_photo() -> None:
    block, camera = exif.read(raf(with_exif()), libraw(), "a.raf")
    assert camera == "FUJIFILM X-T1"
    assert exif.speed(block, libraw()) == 1600


@pytest.mark.parametrize(
    "preview",
    [as_jpeg_ls(with_exif()), b"", b"no picture", with_exif()[:40], b"\xff\xd8\xff\xc0\0\x02"],
    ids=["JPEG-LS", "none", "other", "cut", "empty frame"],
)
def test_a_preview_that_cannot_be_read_leaves_what_libraw_knows(preview: bytes) -> None:
    block, camera = exif.read(raf(preview), libraw(), "a.raf")
    assert camera == ""
    assert exif.speed(block, libraw()) == 200


@pytest.mark.parametrize("block", [b"", b"II*\0", b"neither"])
def test_a_broken_block_does_not_hide_the_speed(block: bytes) -> None:
    assert exif.speed(block, libraw(800.0)) == 800
