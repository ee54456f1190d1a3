"""Linear DNG: other programs must see the same colours in it as in the RAW it was made from."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from restorecli.errors import TooLargeError, UnsupportedError
from restorecli.imaging import bayer, cfa
from restorecli.photo import Metadata, Photo, Raw
from restorecli.photos.formats import dng
from restorecli.photos.inputs import find_inputs
from restorecli.photos.metadata import exif
from restorecli.photos.naming import plan_names
from restorecli.photos.read import read, size
from restorecli.photos.write import write
from tests.dng_maker import SRGB_FROM_XYZ, cfa_dng, linear_dng

RNG = np.random.default_rng(11)
CAMERA_FROM_XYZ = np.array([[0.86, -0.257, -0.095], [-0.824, 1.549, 0.297], [-0.265, 0.308, 0.91]])
NEUTRAL = (0.5, 1.0, 0.65)
LINEAR = {
    "gamma": (1, 1),
    "no_auto_bright": True,
    "output_bps": 16,
    "adjust_maximum_thr": 0.0,
    "demosaic_algorithm": rawpy.DemosaicAlgorithm.LINEAR,
}


def source(**options: object) -> bytes:
    """A CFA DNG of a smooth scene, dark enough that white balance clips nothing."""
    rows, columns = np.indices((60, 84))
    waves = [0.25 + 0.15 * np.sin(rows / 8 + phase) * np.cos(columns / 9) for phase in range(3)]
    mosaic = cfa.sample(np.stack(waves, axis=2) * NEUTRAL, "GBRG")
    stored = np.rint(512 + mosaic * (16383 - 512)).astype(np.uint16)
    facts = {"white": 16383, "black": 512, "neutral": NEUTRAL, "matrix": CAMERA_FROM_XYZ}
    return cfa_dng(stored, "GBRG", **(facts | options))


def demosaiced(data: bytes | Path) -> Photo:
    (photo,) = read(data).pages
    assert photo.raw is not None
    if not photo.raw.pattern:
        return photo
    pixels = bayer.bilinear(photo.pixels[:, :, 0], photo.raw.pattern)
    return replace(photo, pixels=pixels, raw=replace(photo.raw, pattern=""))


def facts(photo: Photo) -> Raw:
    assert photo.raw is not None
    return photo.raw


def rendered(file: Path | bytes, **options: object) -> np.ndarray:
    with rawpy.imread(io.BytesIO(file) if isinstance(file, bytes) else str(file)) as opened:
        return opened.postprocess(**(LINEAR | {"use_camera_wb": True} | options)).astype(float)


@pytest.mark.parametrize("space", [rawpy.ColorSpace.sRGB, rawpy.ColorSpace.raw])
def test_libraw_gives_the_same_colours_as_of_the_source(tmp_path, space):
    data = source()
    write([demosaiced(data)], tmp_path / "a.dng", format="dng")
    before, after = rendered(data, output_color=space), rendered(tmp_path / "a.dng", output_color=space)
    assert after.shape == before.shape
    difference = np.abs(after - before)[2:-2, 2:-2]
    assert difference.max() <= 8  # of 65535: LibRaw's own interpolation rounds, ours does not
    assert difference.mean() < 2


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_stays_a_tag(tmp_path, orientation):
    data = source(orientation=orientation)
    write([demosaiced(data)], tmp_path / "a.dng", format="dng")
    before, after = rendered(data), rendered(tmp_path / "a.dng")
    assert after.shape == before.shape == ((60, 84, 3) if orientation < 5 else (84, 60, 3))
    assert np.abs(after - before).mean() < 4
    assert facts(read(tmp_path / "a.dng").pages[0]).orientation == orientation


def test_what_is_written_is_read_back(tmp_path):
    data = source(crop=(3, 5, 50, 70), orientation=6, aspect=(1.5, 1), margins=(3, 5, 1, 1))
    before = demosaiced(data)
    info = write([before], tmp_path / "a.dng", format="dng")
    (after,) = read(tmp_path / "a.dng").pages
    assert np.abs(after.pixels - before.pixels).max() <= 0.5 / 65535 + 1e-7
    assert facts(after).pattern == ""
    assert facts(after).crop == facts(before).crop == (3, 5, 50, 70)
    assert facts(after).orientation == 6
    assert facts(after).pixel_aspect == pytest.approx(1.5)
    assert facts(after).camera_from_xyz == pytest.approx(facts(before).camera_from_xyz, abs=1e-5)
    assert facts(after).gains["camera"] == pytest.approx((2, 1, 1 / 0.65), rel=1e-5)
    assert facts(after).camera == "Maker Camera"
    assert (info.width, info.height) == size(tmp_path / "a.dng") == (50, 105)
    assert (info.format, info.warnings) == ("dng", ())
    assert info.bytes == (tmp_path / "a.dng").stat().st_size


def test_tags_are_those_of_a_linear_dng(tmp_path):
    write([demosaiced(source(crop=(3, 5, 50, 70)))], tmp_path / "a.dng", format="dng")
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        (page,) = file.pages
        values = {tag.code: tag.value for tag in page.tags.values()}
        assert page.asarray().dtype == np.uint16
    assert values[262] == 34892
    assert bytes(values[50706]) == bytes((1, 4, 0, 0))
    assert values[50708] == "Maker Camera"
    assert (values[50714], values[50717]) == ((0, 0, 0), (65535, 65535, 65535))
    assert (values[50719], values[50720]) == ((5, 1, 3, 1), (70, 1, 50, 1))
    assert values[50829] == (0, 0, 60, 84)
    assert values[50778] == 21
    assert len(values[50721]) == 18
    assert values[50728] == (1, 2, 1, 1, 13, 20)
    assert 324 not in values  # strips and tiles together break readers
    assert 273 in values


def test_values_beyond_white_and_single_ones_below_black_are_clipped(tmp_path):
    pixels = np.full((40, 40, 3), 0.5, np.float32)
    pixels[0, 0] = (-0.25, 1.5, 1.0)
    photo = demosaiced(linear_dng(pixels))
    assert photo.pixels[0, 0].tolist() == [-0.25, 1.5, 1.0]
    write([photo], tmp_path / "a.dng", format="dng")
    assert read(tmp_path / "a.dng").pages[0].pixels[0, 0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("depth", [0.02, 0.2, 3])
def test_black_is_raised_above_noise_that_goes_below_it(tmp_path, depth):
    pixels = np.random.default_rng(3).uniform(-depth, 0.5, (60, 60, 3)).astype(np.float32)
    write([demosaiced(linear_dng(pixels))], tmp_path / "a.dng", format="dng")
    (back,) = read(tmp_path / "a.dng").pages
    lowest = max(float(np.quantile(pixels, 1e-3)), -0.25)
    np.testing.assert_allclose(back.pixels, np.maximum(pixels, lowest), atol=2e-4)
    if depth < 0.1:
        before, after = rendered(linear_dng(pixels)), rendered(tmp_path / "a.dng")
        assert after.mean() == pytest.approx(before.mean(), rel=1.5 * depth)
    clean = replace(demosaiced(linear_dng(pixels)), raw=replace(facts(back), denoised=True))
    write([clean], tmp_path / "b.dng", format="dng")
    assert tifffile.imread(tmp_path / "b.dng").min() == 0
    np.testing.assert_allclose(read(tmp_path / "b.dng").pages[0].pixels, np.maximum(pixels, 0), atol=1e-5)


def test_exif_and_what_was_done_are_carried(tmp_path):
    data = source(orientation=8, tags=[(315, 2, 0, "Ada", True)])
    done = {"software": "restore 1", "task": "demosaic"}
    write([demosaiced(data)], tmp_path / "a.dng", format="dng", provenance=done)
    (photo,) = read(tmp_path / "a.dng").pages
    block = exif.Block(photo.metadata.exif or b"")
    assert {entry.tag for entry in block.entries(block.first)} == {271, 272, 274, 305, 315}
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        tags = file.pages[0].tags
        assert (tags[271].value, tags[272].value, tags[315].value) == ("Maker", "Camera", "Ada")
        assert (tags[305].value, tags[274].value) == ("restore 1", 8)
        assert b'restore:task="demosaic"' in tags[700].value
    write([demosaiced(data)], tmp_path / "b.dng", format="dng", provenance=done, strip=True)
    with tifffile.TiffFile(tmp_path / "b.dng") as file:
        tags = file.pages[0].tags
        assert not {305, 315, 700} & {tag.code for tag in tags.values()}
        assert tags[274].value == 8
    assert np.abs(rendered(tmp_path / "b.dng") - rendered(tmp_path / "a.dng")).max() == 0


def test_exif_of_the_other_byte_order(tmp_path):
    block = b"MM\0*\0\0\0\x08\0\x01\x01\x3b\0\x02\0\0\0\x04Ada\0\0\0\0\0"
    photo = demosaiced(source(orientation=6))
    photo = replace(photo, metadata=Metadata(exif=block))
    write([photo], tmp_path / "a.dng", format="dng")
    back = facts(read(tmp_path / "a.dng").pages[0])
    assert back.orientation == 6
    assert back.camera_from_xyz == pytest.approx(CAMERA_FROM_XYZ, abs=1e-5)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.pages[0].tags[315].value == "Ada"


def test_a_camera_whose_colours_are_not_known(tmp_path):
    info = write([demosaiced(source(matrix=None, neutral=None))], tmp_path / "a.dng", format="dng")
    assert any("sRGB" in text for text in info.warnings)
    back = facts(read(tmp_path / "a.dng").pages[0])
    assert back.camera_from_xyz == pytest.approx(SRGB_FROM_XYZ, abs=1e-3)
    assert back.gains["camera"] == (1, 1, 1)


def test_daylight_is_written_where_the_balance_as_shot_is_not_known(tmp_path):
    photo = demosaiced(source(neutral=None))
    write([photo], tmp_path / "a.dng", format="dng")
    back = facts(read(tmp_path / "a.dng").pages[0])
    assert back.gains["camera"] == pytest.approx(facts(photo).gains["daylight"], rel=1e-5)


def test_a_stream_gets_the_same_bytes(tmp_path):
    photo = demosaiced(source())
    stream = io.BytesIO()
    info = write([photo], stream, format="dng", provenance={"software": "restore 1"})
    write([photo], tmp_path / "a.dng", format="dng", provenance={"software": "restore 1"})
    assert stream.getvalue() == (tmp_path / "a.dng").read_bytes()
    assert info.bytes == len(stream.getvalue())


def test_dng_is_for_raw_and_undeveloped_raw_for_dng_only(tmp_path):
    picture = Photo(np.zeros((30, 40, 3), np.float32))
    with pytest.raises(UnsupportedError, match="camera RAW"):
        write([picture], tmp_path / "a.dng", format="dng")
    with pytest.raises(UnsupportedError, match="not developed"):
        write([demosaiced(source())], tmp_path / "a.tiff", format="tiff")
    with pytest.raises(UnsupportedError, match="demosaiced"):
        write(read(source()), tmp_path / "a.dng", format="dng")
    assert list(tmp_path.iterdir()) == []


def test_too_many_pixels_for_a_dng(tmp_path):
    photo = demosaiced(source())
    huge = np.broadcast_to(np.float32(0), (30000, 30000, 3))
    with pytest.raises(TooLargeError, match="too many for a DNG"):
        dng.prepare(replace(photo, pixels=huge), False, {})


def test_other_pictures_are_refused_before_any_work(tmp_path):
    write([Photo(np.zeros((5, 6, 3), np.float32))], tmp_path / "a.png", format="png")
    (tmp_path / "b.dng").write_bytes(source())
    (tmp_path / "c.tif").write_bytes(source())  # RAW all the same
    plan = plan_names(
        find_inputs([str(tmp_path)]), output=str(tmp_path / "out"), task_suffix="demosaic", format="dng"
    )
    first, second, third = sorted(plan.photos, key=lambda planned: planned.found.path.name)
    assert first.error is not None
    assert "camera RAW" in first.error.message
    assert second.error is third.error is None
    assert second.target == tmp_path / "out" / "b.dng"
    assert third.target == tmp_path / "out" / "c.dng"


# file → greatest mean difference of LibRaw's renderings of the RAW and of our DNG, as a share of their mean
KNOWN = {
    "adobe_sdk_05_linear_patch.dng": 0.0001,
    "adobe_sdk_14_linear_ramp.dng": 0.001,  # LibRaw keeps 14 bits of the source's floating point
    "blackmagic.dng": 0.001,
    "canon_eos_6d.dng": 0.0001,
    "canon_g2_0304.crw": 0.001,
    "canon_s40_0113.crw": 0.001,
    "canon_s40_0119.crw": 0.001,
}


@pytest.mark.shared
@pytest.mark.parametrize("name", KNOWN)
def test_real_files_keep_their_colours(shared_data, tmp_path, name):
    path = shared_data / "raw" / "valid" / name
    write([demosaiced(path)], tmp_path / "a.dng", format="dng")
    before, after = rendered(path), rendered(tmp_path / "a.dng")
    assert after.shape == before.shape
    # What clips is cut before interpolation in the one case and after it in the other.
    inside = ((before < 60000) & (after < 60000)).all(axis=2)
    inside[:4] = inside[-4:] = inside[:, :4] = inside[:, -4:] = False
    assert inside.any()
    assert np.abs(after - before)[inside].mean() < KNOWN[name] * before[inside].mean()


def with_tags(*tags: tuple[int, int, int, object, bool]) -> bytes:
    return source(tags=tags)


def opcode_list(number: int, data: bytes) -> bytes:
    return struct.pack(">5I", 1, number, 0x01030000, 1, len(data)) + data


def test_what_the_maker_wants_done_later_is_passed_on(tmp_path):
    vignette = opcode_list(3, struct.pack(">7d", 0.5, 0, 0, 0, 0, 0.5, 0.5))
    data = with_tags(
        (50730, 10, 1, (3, 4), True),
        (51022, 7, len(vignette), vignette, True),
        (51041, 12, 2, (1e-4, 2e-7), True),
    )
    before = demosaiced(data)
    assert facts(before).exposure == 0.75
    assert facts(before).noise is not None
    assert (facts(before).noise.shot, facts(before).noise.read) == ((1e-4,) * 3, (2e-7,) * 3)
    write([before], tmp_path / "a.dng", format="dng")
    (after,) = read(tmp_path / "a.dng").pages
    assert facts(after).exposure == 0.75
    assert facts(after).later_opcodes == vignette
    assert facts(after).noise is not None and facts(after).noise.shot == pytest.approx((1e-4,) * 3)
    clean = replace(before, raw=replace(facts(before), denoised=True))
    write([clean], tmp_path / "b.dng", format="dng")
    assert facts(read(tmp_path / "b.dng").pages[0]).noise is None
    told = []
    for name in ("a.dng", "b.dng"):
        with tifffile.TiffFile(tmp_path / name) as file:
            told.append(tuple(file.pages.first.tags[50935].value))
    assert told == [(0, 1), (1, 1)]  # NoiseReductionApplied


def test_gain_maps_and_bad_pixels_are_in_the_pixels_of_the_dng(tmp_path):
    area = struct.pack(">8I", 0, 0, 60, 84, 0, 1, 1, 1)
    gains = area + struct.pack(">2I4dI2f", 2, 1, 1.0, 1.0, 0.0, 0.0, 1, 1.0, 1.5)
    bad = struct.pack(">3I", 0, 1, 0) + struct.pack(">2I", 21, 30)
    lists = (opcode_list(5, bad), opcode_list(9, gains))
    tags = [(51008 + n, 7, len(block), block, True) for n, block in enumerate(lists)]
    plain, lifted = demosaiced(source()), demosaiced(with_tags(*tags))
    rows = (np.arange(60) + 0.5) / 60
    expected = plain.pixels * (1 + 0.5 * rows)[:, None, None]
    good = np.abs(lifted.pixels - expected)[2:-2, 2:-2]
    assert good.max() < 0.01  # the replaced pixel's neighbours are near to it in a smooth scene
    assert np.median(good) < 1e-5
    assert facts(lifted).lift is not None
    write([lifted], tmp_path / "a.dng", format="dng")
    (after,) = read(tmp_path / "a.dng").pages
    np.testing.assert_allclose(after.pixels, np.clip(lifted.pixels, 0, 1), atol=1e-5)
    assert facts(after).lift is None
