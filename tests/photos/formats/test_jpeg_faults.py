"""Faults that take nothing from a JPEG's picture, and those that do."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.imaging import icc
from restorecli.photos.read import read

RNG = np.random.default_rng(6)
MARKERS = {
    "DQT": b"\xff\xdb",
    "DHT": b"\xff\xc4",
    "SOF": b"\xff\xc0",
    "SOS": b"\xff\xda",
    "JFIF": b"\xff\xe0",
}


def jpeg(**options: object) -> bytes:
    image = Image.fromarray(RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.rint(read(data).pages[0].pixels * 255)


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("junk", [b"\0\1\2\3\4", b"abc\xff", b"\0" * 300])
def test_junk_before_any_marker_is_skipped_with_a_warning(marker, junk):
    whole = jpeg()
    at = whole.index(MARKERS[marker])
    damaged = whole[:at] + junk + whole[at:]
    assert np.array_equal(pixels(damaged), pixels(whole))
    assert any("small errors" in text for text in read(damaged).pages[0].warnings)


def test_junk_before_the_end_is_passed():
    whole = jpeg()
    assert np.array_equal(pixels(whole[:-2] + b"\0\0\0" + whole[-2:]), pixels(whole))


def test_broken_profiles_are_left_out_with_a_warning():
    # Long enough for three segments.
    whole = jpeg(icc_profile=icc.working_profile("display-p3") + bytes(150_000))
    first = whole.index(b"ICC_PROFILE\0") - 4
    length = int.from_bytes(whole[first + 2 : first + 4], "big") + 2
    cases = {
        "missing": whole[:first] + whole[first + length :],
        "number 0": whole[: first + 16] + b"\0" + whole[first + 17 :],
        "twice": whole[:first] + whole[first : first + length] + whole[first:],
        "wrong count": whole[: first + 17] + b"\7" + whole[first + 18 :],
    }
    plain = np.rint(np.asarray(Image.open(io.BytesIO(whole)).convert("RGB")))
    for name, data in cases.items():
        photo = read(data).pages[0]
        if name != "twice":
            assert photo.metadata.profile is None, name
            assert np.array_equal(np.rint(photo.pixels * 255), plain), name
            assert any("profile" in text for text in photo.warnings), name


def test_an_unknown_adobe_transform_and_jfif_revision_are_no_damage():
    whole = jpeg()
    jfif = whole.index(b"JFIF\0") + 5
    odd = whole[:jfif] + b"\7" + whole[jfif + 1 :]
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x09"
    for data in (odd, whole[:2] + adobe + whole[2:]):
        assert np.array_equal(pixels(data), pixels(whole))


def test_junk_does_not_hide_real_damage():
    whole = jpeg()
    at = whole.index(MARKERS["DHT"])
    scan = whole.index(MARKERS["SOS"]) + 14
    damaged = whole[:at] + b"junk" + whole[at : scan + 400] + b"\xff\xd9"
    with pytest.raises(UnreadableError, match="damaged JPEG"):
        read(damaged)


def test_comments_are_read():
    assert read(jpeg(comment="plate 17")).pages[0].metadata.description == (("Comment", "plate 17"),)


def test_an_ff_that_is_no_marker_among_junk_is_skipped():
    whole = jpeg()
    at = whole.index(MARKERS["SOF"])
    assert np.array_equal(pixels(whole[:at] + b"ab\xff\0cd" + whole[at:]), pixels(whole))


def test_a_file_that_lacks_only_its_end_marker_is_whole():
    whole = jpeg()
    assert np.array_equal(pixels(whole[:-2]), pixels(whole))
    assert "the JPEG lacks its end marker" in read(whole[:-2]).pages[0].warnings
    for cut in (3, 4, 20):
        with pytest.raises(UnreadableError, match="cut short"):
            read(whole[:-cut])


def test_chroma_subsampled_in_a_way_that_turbojpeg_has_no_name_for():
    path = Path(__file__).parents[2] / "data" / "chroma-4x2.jpg"
    with Image.open(path) as image:
        assert np.array_equal(pixels(path.read_bytes()), np.asarray(image))
    assert any("damage was not looked for" in text for text in read(path).pages[0].warnings)
    for share in (0.4, 0.9):
        with pytest.raises(UnreadableError, match="damaged JPEG"):
            read(path.read_bytes()[: int(share * path.stat().st_size)])


def test_what_cameras_and_programs_noted_in_segments_of_their_own_is_warned_of_once():
    whole = jpeg()
    notes = b"".join(b"\xff" + kind + b"\0\x0cFLIR\0\1\2\3\4\5" for kind in (b"\xe1", b"\xe1", b"\xe9"))
    warnings = read(whole[:2] + notes + whole[2:]).pages[0].warnings
    assert warnings == ("data of the camera or of another program was left out: APP1 FLIR, APP9 FLIR",)
    assert read(whole).pages[0].warnings == ()


def test_data_behind_the_picture_are_warned_of(tmp_path):
    whole = jpeg(progressive=True)
    assert read(whole + bytes(500)).pages[0].warnings == ()
    trailer = b"SEFH" + bytes(range(1, 200))
    warnings = read(whole + trailer).pages[0].warnings
    assert warnings == (f"{len(trailer)} bytes of other data behind the picture were left out",)


def test_jpeg_ls_is_another_format():
    with pytest.raises(UnsupportedError, match="JPEG-LS"):
        read(bytes(imagecodecs.jpegls_encode(RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8))))
