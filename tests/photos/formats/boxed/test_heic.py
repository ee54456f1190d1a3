"""HEIC by the extra: three small files written by another program, of the picture in base.png."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.errors import UnsupportedError
from restorecli.imaging import hdr, icc
from restorecli.photo import Depth
from restorecli.photos.formats.boxed.avif_metadata import with_metadata
from restorecli.photos.metadata.hdr import signal
from restorecli.photos.read import read, size

FILES = Path(__file__).parent / "files"
pi_heif = pytest.importorskip("pi_heif")


@pytest.fixture(scope="module")
def base() -> np.ndarray:
    return np.asarray(Image.open(FILES / "base.png").convert("RGB"))


def test_a_turned_picture_with_profile_and_metadata(base):
    path = FILES / "turned_p3.heic"
    photo = read(path).pages[0]
    assert size(path) == (photo.width, photo.height) == (48, 64)
    assert photo.metadata.profile == icc.working_profile("display-p3")
    assert photo.metadata.working == "display-p3"
    assert np.quantile(np.abs(photo.pixels * 255 - np.rot90(base, -1)), 0.98) < 4
    assert b"Maker" in photo.metadata.exif
    assert photo.metadata.xmp == b"<x:xmpmeta/>"


def test_a_10_bit_picture_in_pq(base):
    photo = read(FILES / "pq_10_bit.heic").pages[0]
    assert photo.depth is Depth.UINT16
    assert photo.metadata.cicp[:2] == (9, 16)
    # The encoder of the file let a few saturated samples overflow.
    assert np.quantile(np.abs(signal(photo.pixels, photo.metadata) * 255 - base), 0.99) < 3
    brightest = hdr.pq_to_light(np.float32([base.max() / 255]))[0]
    assert photo.metadata.hdr_peak == pytest.approx(brightest, rel=0.1)


def test_the_mastering_display_of_an_hdr_picture_is_read():
    display = (
        ("mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10_000_000, 50)),
        ("cLLI", struct.pack(">II", 10_000_000, 4_000_000)),
    )
    data = with_metadata((FILES / "pq_10_bit.heic").read_bytes(), None, None, display)
    assert read(data).pages[0].metadata.mastering == display


def test_gray_with_alpha_stays_gray(base):
    photo = read(FILES / "gray_alpha.heic").pages[0]
    assert photo.pixels.shape == (48, 64, 1) and photo.alpha is not None
    assert np.abs(photo.pixels[:, :, 0] * 255 - base[:, :, 1]).max() < 6
    assert np.abs(photo.alpha - np.linspace(0, 1, 64)).max() < 0.03


def test_without_the_extra_the_way_to_it_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(UnsupportedError) as caught:
        read(FILES / "pq_10_bit.heic")
    assert "restorecli[heic]" in str(caught.value.hint)
