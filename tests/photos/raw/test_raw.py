"""Camera RAW: what is read is what was written, whatever the file's margins, levels, colours and turns."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rawpy
import tifffile

from restorecli.errors import PhotoError, UnreadableError, UnsupportedError
from restorecli.imaging import bayer, cfa
from restorecli.photo import Depth, Photo, Raw
from restorecli.photos.metadata import exif
from restorecli.photos.raw import colour as raw_colour
from restorecli.photos.raw import levels as raw_levels
from restorecli.photos.raw import probe as raw_probe
from restorecli.photos.raw import sensor as raw_sensor
from restorecli.photos.raw import tags as raw_tags
from restorecli.photos.read import read, size
from restorecli.photos.write import write
from tests.dng_maker import SRGB_FROM_XYZ, cfa_dng, linear_dng, xtrans_dng

RNG = np.random.default_rng(5)
SCENE = RNG.uniform(0.0, 0.9, (36, 46, 3))
MARGINS = [(0, 0, 0, 0), (6, 8, 2, 4), (7, 9, 3, 1), (1, 0, 0, 2), (0, 1, 2, 0), (12, 28, 0, 0)]
XTRANS = np.array(["RGB".index(letter) for letter in "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"]).reshape(6, 6)
# A camera unlike sRGB: rows sum to what D65 looks like to it.
CAMERA_FROM_XYZ = np.array([[0.86, -0.257, -0.095], [-0.824, 1.549, 0.297], [-0.265, 0.308, 0.91]])
D65_XYZ = np.array([0.95047, 1.0, 1.08883])
LINEAR = {
    "gamma": (1, 1),
    "no_auto_bright": True,
    "output_bps": 16,
    "user_flip": 0,
    "adjust_maximum_thr": 0.0,
    "demosaic_algorithm": rawpy.DemosaicAlgorithm.LINEAR,
}


def page(data: bytes | Path) -> tuple[Photo, Raw]:
    document = read(data)
    (photo,) = document.pages
    assert document.format == photo.format == "raw"
    assert photo.depth is Depth.UINT16
    assert photo.pixels.dtype == np.float32
    assert photo.raw is not None
    return photo, photo.raw


def stored(mosaic: np.ndarray, black: np.ndarray, white: float) -> np.ndarray:
    """Samples of a mosaic in 0–1 over a table of black levels."""
    rows, columns = np.indices(mosaic.shape)
    levels = black[rows % black.shape[0], columns % black.shape[1]]
    return np.rint(levels + mosaic * (white - levels)).astype(np.uint16)


@pytest.mark.parametrize("margins", MARGINS)
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_every_phase_with_even_and_odd_margins_and_four_black_levels(pattern, margins):
    mosaic = cfa.sample(SCENE, pattern)
    black = np.array([[100, 200], [300, 400]])
    photo, raw = page(
        cfa_dng(stored(mosaic, black, 16000), pattern, white=16000, black=black.ravel(), margins=margins)
    )
    assert raw.pattern == pattern
    assert photo.pixels.shape == (36, 46, 1)
    assert photo.pixels[:, :, 0] == pytest.approx(mosaic, abs=0.6 / 15600)
    by_letter = {letter: [] for letter in "RGB"}
    for letter, level in zip(pattern, black.ravel(), strict=True):
        by_letter[letter].append(level)
    assert raw.black == tuple(np.mean(by_letter[letter]) for letter in "RGB")
    assert raw.white == (16000.0,) * 3


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_librarys_levels_are_by_colour_and_ours_by_place(pattern):
    mosaic = cfa.sample(SCENE, pattern)
    black = np.array([[100, 200], [300, 400]])
    data = io.BytesIO(
        cfa_dng(stored(mosaic, black, 16000), pattern, white=16000, black=black.ravel(), margins=(6, 8, 2, 4))
    )
    with rawpy.imread(data) as file:  # as for a file without a DNG's tags
        sensor = raw_sensor.read(data, file, raw_tags.RawTags(), "x")
    assert sensor.pattern == pattern
    assert sensor.pixels[:, :, 0] == pytest.approx(mosaic, abs=0.6 / 15600)


@pytest.mark.parametrize("shape", [(4, 4), (1, 2), (2, 1)])
def test_black_tables_of_other_sizes(shape):
    mosaic = cfa.sample(SCENE, "GRBG")
    black = 50 + 40 * np.arange(shape[0] * shape[1]).reshape(shape)
    photo, _ = page(
        cfa_dng(stored(mosaic, black, 4095), "GRBG", white=4095, black=black.ravel(), black_repeat=shape)
    )
    assert photo.pixels[:, :, 0] == pytest.approx(mosaic, abs=0.6 / 3300)


def test_noise_below_black_is_kept():
    samples = np.full((30, 30), 500, np.uint16)
    samples[::2] = 300
    photo, _ = page(cfa_dng(samples, white=4095, black=400))
    assert photo.pixels.mean() == pytest.approx(0, abs=1e-6)
    assert photo.pixels.min() == pytest.approx(-100 / 3695)


def test_stated_saturation_is_believed_only_where_no_sample_disproves_it():
    samples = np.full((40, 40), 900)
    samples[0::2, 1::2] = samples[1::2, 0::2] = 950  # green clips there
    samples[1::2, 1::2] = 1000  # blue lies above what is stated

    def found(*stated: int) -> tuple[float, ...]:
        return raw_levels.saturation(samples, "RGGB", stated, (100, 100, 100), 1000)

    assert found(1000, 950, 900) == pytest.approx((1, 850 / 900, 1))
    assert found(1, 1, 1) == (1, 1, 1)
    assert raw_levels.saturation(samples, "RGGB", None, (100, 100, 100), 1000) == (1, 1, 1)


def test_white_balance_as_shot_and_of_daylight():
    _, raw = page(cfa_dng(samples(), neutral=(0.5, 1.0, 0.625), matrix=CAMERA_FROM_XYZ))
    assert raw.gains["camera"] == pytest.approx((2.0, 1.0, 1.6), rel=1e-5)
    answer = CAMERA_FROM_XYZ @ D65_XYZ
    assert raw.gains["daylight"] == pytest.approx(answer[1] / answer, rel=1e-3)
    assert raw.camera_from_xyz == pytest.approx(CAMERA_FROM_XYZ, abs=1e-5)


def test_white_balance_told_as_chromaticity():
    x, y = 0.3457, 0.3585
    _, raw = page(cfa_dng(samples(), white_xy=(x, y), matrix=CAMERA_FROM_XYZ))
    answer = CAMERA_FROM_XYZ @ np.array([x / y, 1, (1 - x - y) / y])
    assert raw.gains["camera"] == pytest.approx(answer[1] / answer, rel=1e-4)


def test_what_the_file_does_not_tell_is_missing_and_never_zero():
    _, raw = page(cfa_dng(samples(), neutral=None, matrix=CAMERA_FROM_XYZ))
    assert set(raw.gains) == {"daylight"}
    _, raw = page(cfa_dng(samples(), neutral=None, matrix=None))
    assert raw.gains == {}
    assert raw.camera_from_xyz is None


def colours_of(**given: object) -> SimpleNamespace:
    """What LibRaw tells of a camera it does not know, but for what is given."""
    nothing = {
        "color_matrix": np.zeros((3, 4)),
        "rgb_xyz_matrix": np.zeros((4, 3)),
        "daylight_whitebalance": [1.0, 1.0, 1.0, 0.0],
        "camera_whitebalance": [0.0, 1.0, 0.0, 0.0],
    }
    return SimpleNamespace(**(nothing | given))


def test_both_matrices_are_tried_and_bad_ones_refused():
    tags = raw_tags.RawTags()
    table = np.vstack([CAMERA_FROM_XYZ, np.zeros(3)])
    assert raw_colour.camera_matrix(colours_of(rgb_xyz_matrix=table), tags) == pytest.approx(CAMERA_FROM_XYZ)
    assert raw_colour.camera_matrix(colours_of(), tags) is None
    flat = np.ones((4, 3))  # does not tell colours apart
    assert raw_colour.camera_matrix(colours_of(rgb_xyz_matrix=flat), tags) is None
    with rawpy.imread(io.BytesIO(cfa_dng(samples(), matrix=CAMERA_FROM_XYZ))) as file:
        assert not np.any(file.rgb_xyz_matrix)
        found = raw_colour.camera_matrix(file, tags)  # from color_matrix alone
    assert found == pytest.approx(CAMERA_FROM_XYZ, abs=1e-4)


def test_a_matrix_that_is_applied_and_not_told_is_found():
    black = np.array([[500, 510], [505, 515]])
    mosaic = cfa.sample(SCENE, "GBRG")
    data = cfa_dng(
        stored(mosaic, black, 16383), "GBRG", white=16383, black=black.ravel(), matrix=CAMERA_FROM_XYZ
    )
    with rawpy.imread(io.BytesIO(data)) as file:
        found = raw_probe.srgb_from_camera(file)
    camera_from_srgb = CAMERA_FROM_XYZ @ np.linalg.inv(SRGB_FROM_XYZ)
    camera_from_srgb /= camera_from_srgb.sum(axis=1, keepdims=True)
    assert found == pytest.approx(np.linalg.inv(camera_from_srgb), abs=2e-3)
    assert found is not None
    matrix = raw_colour.from_balanced(found)
    assert matrix == pytest.approx(camera_from_srgb @ SRGB_FROM_XYZ, abs=2e-3)
    with rawpy.imread(io.BytesIO(cfa_dng(samples(), matrix=None))) as file:
        assert raw_probe.srgb_from_camera(file) is None


@pytest.mark.parametrize(
    ("stated", "gains"),
    [
        ([2.0, 1.0, 1.5, 0.0], (2.0, 1.0, 1.5)),
        ([1024.0, 500.0, 768.0, 524.0], (2.0, 1.0, 1.5)),
        ([0.0, 1.0, 0.0, 0.0], None),
        ([-1.0, 0.97, 1.0, 0.0], None),
        ([float("nan"), 1.0, 1.0, 0.0], None),
        ([0.0, 0.0, 0.0, 0.0], None),
    ],
)
def test_gains_are_divided_by_green_and_zeros_mean_unknown(stated, gains):
    found = raw_colour.white_balance(colours_of(camera_whitebalance=stated), raw_tags.RawTags(), None)
    assert found.get("camera") == (pytest.approx(gains) if gains else None)


def samples(height: int = 30, width: int = 40) -> np.ndarray:
    return RNG.integers(0, 65535, (height, width)).astype(np.uint16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_told_and_pixels_are_not_turned(orientation):
    mosaic = samples()
    data = cfa_dng(mosaic, orientation=orientation)
    photo, raw = page(data)
    assert raw.orientation == orientation
    assert photo.pixels.shape == (30, 40, 1)
    upright = (40, 30) if orientation < 5 else (30, 40)
    assert size(data) == photo.metadata.size == upright
    assert exif.orientation(photo.metadata.exif or b"") == 1


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (7, 9, 1, 2)])
def test_default_crop_is_told_where_it_fits(margins):
    data = cfa_dng(samples(), margins=margins, crop=(3, 5, 10, 12))
    photo, raw = page(data)
    assert raw.crop == (3, 5, 10, 12)
    assert photo.pixels.shape == (30, 40, 1)
    assert size(data) == (12, 10)
    for wrong in ((3, 5, 28, 12), (0, 0, 0, 0), (0, 30, 30, 11)):
        assert page(cfa_dng(samples(), margins=margins, crop=wrong))[1].crop == (0, 0, 30, 40)


@pytest.mark.parametrize(("aspect", "shown"), [((2, 1), (80, 30)), ((1, 2), (40, 60)), ((1.5, 1), (60, 30))])
def test_pixels_that_are_not_square(aspect, shown):
    data = cfa_dng(samples(), aspect=aspect)
    photo, raw = page(data)
    assert raw.pixel_aspect == pytest.approx(aspect[0] / aspect[1])
    assert photo.pixels.shape == (30, 40, 1)
    assert size(data) == shown


def test_8_bit_mosaics():
    mosaic = RNG.integers(0, 256, (30, 40)).astype(np.uint8)
    photo, _ = page(cfa_dng(mosaic))
    assert photo.pixels[:, :, 0] == pytest.approx(mosaic / 255, abs=1e-6)


def test_linear_16_bit_rgb_has_no_pattern():
    pixels = RNG.integers(100, 4095, (30, 40, 3)).astype(np.uint16)
    photo, raw = page(linear_dng(pixels, white=4095, black=(10, 20, 30), margins=(2, 4, 0, 0)))
    assert raw.pattern == ""
    assert not raw.balanced
    levels = np.array([10, 20, 30])
    assert photo.pixels == pytest.approx((pixels - levels) / (4095 - levels), abs=1e-6)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_every_colour_of_linear_rgb_has_its_own_white(kind: type) -> None:
    pixels = RNG.integers(100, 3000, (30, 40, 3)).astype(kind)
    whites = (4095, 3500, 3000)
    photo, _ = page(linear_dng(pixels, white=whites, black=(10, 20, 30)))
    levels = np.array([10, 20, 30])
    assert photo.pixels == pytest.approx((pixels - levels) / (whites - levels), abs=1e-6)


def test_float_rgb_keeps_its_precision_and_what_lies_beyond_white():
    pixels = RNG.uniform(-0.01, 3.0, (30, 40, 3)).astype(np.float32)
    photo, raw = page(linear_dng(pixels))
    assert raw.pattern == ""
    assert np.array_equal(photo.pixels, pixels)


def test_float_mosaics_keep_their_precision():
    mosaic = (RNG.uniform(0, 1, (30, 40)) ** 4).astype(np.float32)
    photo, raw = page(cfa_dng(mosaic, "GBRG", black=0.125, margins=(3, 5, 1, 1)))
    assert raw.pattern == "GBRG"
    assert photo.pixels[:, :, 0] == pytest.approx((mosaic - 0.125) / 0.875, abs=1e-6)


def test_samples_that_are_no_numbers_are_replaced():
    pixels = np.ones((30, 40, 3), np.float32) / 2
    pixels[3, 4] = np.nan
    photo, _ = page(linear_dng(pixels))
    assert np.isfinite(photo.pixels).all()
    assert any("not-a-number" in text for text in photo.warnings)


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (6, 6, 0, 0), (12, 28, 0, 2), (7, 3, 1, 0)])
def test_x_trans_is_read_as_the_mosaic_it_is(margins):
    colour = np.array([0.2, 0.5, 0.35])
    rows, columns = np.indices((60, 66))
    mosaic = colour[XTRANS[rows % 6, columns % 6]] + 0.001 * (rows % 7)
    black = np.full((1, 1), 1000)
    photo, raw = page(
        xtrans_dng(stored(mosaic, black, 65535), XTRANS, black=1000, margins=margins, neutral=(0.5, 1, 0.5))
    )
    assert raw.pattern == "".join("RGB"[code] for code in XTRANS.ravel())
    np.testing.assert_allclose(photo.pixels[:, :, 0], mosaic, atol=2e-5)
    assert raw.gains["camera"] == pytest.approx((2, 1, 2))
    assert photo.warnings == ()


def test_other_sensors_are_refused_by_name():
    quad = np.repeat(np.repeat([[0, 1], [1, 2]], 2, axis=0), 2, axis=1)
    with pytest.raises(UnsupportedError, match="quad Bayer"):
        read(xtrans_dng(samples(), quad))
    with pytest.raises(UnsupportedError, match="monochrome"):
        read(linear_dng(samples()))
    with pytest.raises(UnsupportedError, match="Foveon"):
        read(b"FOVb" + bytes(200))
    for colours in (b"GMCY", b"RGBE"):
        file = SimpleNamespace(num_colors=4, color_desc=colours)
        with pytest.raises(UnsupportedError, match=colours.decode()):
            raw_sensor.read(io.BytesIO(), file, raw_tags.RawTags(), "x")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (cfa_dng(np.zeros((30, 40), np.uint16)), "every sample is 0"),
        (cfa_dng(np.full((30, 40), 65535, np.uint16)), "every sample is 65535"),
        (
            cfa_dng(np.full((30, 40), 60000, np.uint16) - np.eye(30, 40, dtype=np.uint16), white=4095),
            "no picture",
        ),
        (cfa_dng(samples(), white=400, black=500), "black level"),
        (cfa_dng(samples())[:-50], "cut short"),
        (linear_dng(np.zeros((30, 40, 3), np.uint16)), "every sample is 0"),
    ],
    ids=["zero", "white", "beyond", "levels", "cut", "linear"],
)
def test_what_opens_but_holds_no_picture_is_not_believed(data, why):
    with pytest.raises(UnreadableError, match=why):
        read(data)


def test_lossless_jpeg_of_less_than_a_bit_per_sample_is_no_picture():
    data = cfa_dng(samples(200, 300))
    for tag, value in ((259, 7), (279, 22)):
        at = next(at for at in range(8, len(data)) if data[at : at + 2] == struct.pack("<H", tag))
        data = data[: at + 8] + struct.pack("<I", value) + data[at + 12 :]
    with pytest.raises(UnreadableError, match="22 bytes for 60000 samples"):
        read(data)


def test_damaged_directories_fail_with_an_error_of_ours_or_not_at_all():
    whole = [cfa_dng(samples(), crop=(1, 1, 20, 20)), cfa_dng(samples().astype(np.float32) / 65535)]
    rng = np.random.default_rng(1)
    refused = 0
    for turn in range(120):
        data = bytearray(whole[turn % 2])
        for _ in range(3):
            data[rng.integers(8, 700)] = rng.integers(0, 256)
        try:
            read(bytes(data))
        except PhotoError:
            refused += 1
    assert 0 < refused < 120


def test_a_uniform_picture_between_black_and_white_is_a_picture():
    photo, _ = page(cfa_dng(np.full((30, 40), 8000, np.uint16)))
    assert photo.pixels == pytest.approx(8000 / 65535)


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.dng", "a.nef", "a.tif", "a", "a.raw"])
def test_plain_gray_tiff_is_never_camera_raw(tmp_path, name):
    for array in (samples(), (samples() >> 8).astype(np.uint8)):
        path = tmp_path / name
        path.write_bytes(tiff(array, photometric="minisblack"))
        document = read(path)
        assert document.format == "tiff"
        assert document.pages[0].raw is None
        named_raw = path.suffix in (".dng", ".nef", ".raw")
        assert any("camera RAW" in text for text in document.warnings) == named_raw


@pytest.mark.parametrize("name", ["a.dng", "a.tif", "a.jpg", "a"])
def test_raw_is_known_by_its_content(tmp_path, name):
    mosaic = samples()
    path = tmp_path / name
    path.write_bytes(cfa_dng(mosaic))
    assert page(path)[1].pattern == "RGGB"
    assert read(path.read_bytes(), name="standard input").format == "raw"


def test_a_thumbnail_before_the_picture_is_a_cameras_way():
    buffer = io.BytesIO()
    small, whole = np.zeros((2, 30, 40, 3), np.uint8)
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(
            small, subfiletype=1, photometric="rgb", subifds=1, extratags=[(271, 2, 0, "Maker", True)]
        )
        writer.write(whole, subfiletype=0, photometric="rgb")
    with pytest.raises(PhotoError, match="camera RAW"):  # not a picture of 40×30 black pixels
        read(buffer.getvalue())


def test_exif_is_carried_without_what_tells_of_the_mosaic(tmp_path):
    photo, raw = page(cfa_dng(samples(), orientation=6, model="Camera 7", tags=[(315, 2, 0, "Ada", True)]))
    assert raw.camera == "Maker Camera 7"
    block = exif.Block(photo.metadata.exif or b"")
    assert {entry.tag for entry in block.entries(block.first)} == {271, 272, 274, 315}
    developed = Photo(np.repeat(photo.pixels, 3, axis=2), metadata=photo.metadata)
    write([developed], tmp_path / "a.tiff", format="tiff")
    assert read(tmp_path / "a.tiff").format == "tiff"
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        assert file.pages[0].tags[272].value == "Camera 7"


def test_files_are_told_apart_by_their_bytes():
    one, two = cfa_dng(samples()), cfa_dng(samples())
    assert read(one).fingerprint == read(one).fingerprint != read(two).fingerprint


def test_many_threads_read_the_same():
    data = [
        cfa_dng(cfa.sample(np.rint(SCENE * 60000).astype(np.uint16), pattern), pattern)
        for pattern in bayer.PATTERNS
    ]
    alone = [read(each).pages[0].pixels for each in data]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: read(each).pages[0].pixels, data * 5))
    assert all(np.array_equal(a, b) for a, b in zip(together, alone * 5, strict=True))


def test_libraw_is_not_loaded_for_other_files():
    code = "import sys, restorecli.photos.read, restorecli.photos.write; print('rawpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def rendered(photo: Photo, raw: Raw) -> np.ndarray:
    """Linear sRGB of what was read, by bilinear interpolation and plain formulas."""
    gains = np.array(raw.gains.get("camera") or raw.gains["daylight"])
    gains /= gains.min()
    colours = np.array(["RGB".index(letter) for letter in raw.pattern]).reshape(2, 2)
    rows, columns = np.indices(photo.pixels.shape[:2])
    mosaic = np.clip(photo.pixels[:, :, 0] * gains[colours[rows % 2, columns % 2]], 0, 1)
    balanced = bayer.bilinear(mosaic.astype(np.float32), raw.pattern)
    assert raw.camera_from_xyz is not None
    camera_from_srgb = raw.camera_from_xyz @ np.linalg.inv(SRGB_FROM_XYZ)
    camera_from_srgb /= camera_from_srgb.sum(axis=1, keepdims=True)
    return np.clip(balanced @ np.linalg.inv(camera_from_srgb).T, 0, 1)


def by_libraw(source: str | io.BytesIO, raw: Raw, **options: object) -> np.ndarray:
    gains = raw.gains.get("camera") or raw.gains["daylight"]
    with rawpy.imread(source) as file:
        return file.postprocess(**LINEAR, user_wb=[*gains, 1.0], **options) / 65535


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_colours_agree_with_librarys_linear_rendering(pattern):
    rows, columns = np.indices((64, 80))
    smooth = np.stack(
        [0.3 + 0.2 * np.sin(rows / 9 + phase) * np.cos(columns / 7) for phase in range(3)], axis=2
    )
    neutral = np.array([0.5, 1.0, 0.65])
    black = np.array([[500, 510], [505, 515]])
    data = cfa_dng(
        stored(cfa.sample(smooth * neutral, pattern), black, 16383),
        pattern,
        white=16383,
        black=black.ravel(),
        neutral=tuple(neutral),
        matrix=CAMERA_FROM_XYZ,
        margins=(2, 4, 0, 0),
    )
    photo, raw = page(data)
    ours, theirs = rendered(photo, raw), by_libraw(io.BytesIO(data), raw)
    inside = (slice(4, -4), slice(4, -4))
    assert np.abs(ours - theirs)[inside].max() < 0.01 * theirs.max()
    assert np.abs(ours - theirs)[inside].mean() < 2e-3


# file → pattern, pixels, crop (top, left, height, width), black, white, gains known, matrix known
VALID = {
    "adobe_sdk_05_linear_patch.dng": ("", (200, 200), (0, 0, 200, 200), 0, 65535, "camera daylight", True),
    "adobe_sdk_14_linear_ramp.dng": ("", (100, 1000), (0, 0, 100, 1000), 0, 1, "camera daylight", True),
    "blackmagic.dng": ("RGGB", (2176, 4128), (8, 16, 2160, 4096), 512, 65535, "camera daylight", True),
    "canon_d30_tree.crw": ("RGGB", (1448, 2176), (6, 8, 1440, 2160), 127, 4095, "daylight", True),
    "canon_eos_6d.dng": ("", (816, 1224), (0, 0, 816, 1224), 0, 65535, "camera daylight", True),
    "canon_g2_0304.crw": ("RGGB", (1720, 2312), (8, 20, 1704, 2272), 32, 1023, "camera daylight", True),
    "canon_s40_0113.crw": ("RGGB", (1720, 2312), (8, 20, 1704, 2272), 32, 1023, "camera daylight", True),
    "canon_s40_0119.crw": ("RGGB", (1720, 2312), (8, 20, 1704, 2272), 32, 1023, "camera daylight", True),
    "dsc8695_linear.dng": ("", (400, 600), (0, 0, 400, 600), 51, 65535, "camera daylight", True),
    "kodak_c330.raw": ("", (912, 1216), (0, 0, 912, 1216), 0, 65535, "", False),
    "kodak_dc120_compressed.kdc": ("GRBG", (976, 848), (0, 0, 976, 848), 0, 510, "daylight", True),
    "kodak_dc120_uncompressed.kdc": ("GRBG", (976, 848), (0, 0, 976, 848), 0, 255, "daylight", True),
    "kodak_dc50.kdc": ("GRBG", (512, 768), (0, 0, 512, 768), 0, 16383, "camera daylight", True),
    "nikon_uncompressed.nef": ("", (593, 869), (0, 0, 593, 869), 0, 65535, "", False),
}
BROKEN = {
    "canon_metadata_only.dng": "22 bytes for 8185248 samples",
    "canon_r6_pruned.cr3": "damaged or cut short",
    "fujifilm_metadata_only.raf": "damaged or cut short",
    "iphone_pixels_removed.dng": "cut short",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", VALID)
def test_real_files_as_libraw_sees_them(shared_data, name):
    path = shared_data / "raw" / "valid" / name
    pattern, shape, crop, black, white, gains, matrix = VALID[name]
    photo, raw = page(path)
    assert (raw.pattern, photo.pixels.shape[:2], raw.crop) == (pattern, shape, crop)
    assert (raw.black[0], raw.white[0]) == (black, white)
    assert " ".join(raw.gains) == gains
    assert (raw.camera_from_xyz is not None) == matrix
    assert raw.balanced == (name in ("kodak_c330.raw", "nikon_uncompressed.nef"))
    with rawpy.imread(str(path)) as file:
        stored = file.raw_image_visible.reshape(*shape, -1)[:, :, : 1 if pattern else 3].astype(float)
        if pattern:
            top, left = file.sizes.top_margin, file.sizes.left_margin
            levels = [
                file.black_level_per_channel[file.raw_color(top + y, left + x)]
                for y, x in product(range(2), range(2))
            ]
            black = np.tile(np.reshape(levels, (2, 2)), (shape[0] // 2, shape[1] // 2))[:, :, None]
        own_white = file.white_level if white > 1 else 16383
        wanted = (stored - black) / ((white if "nikon" in name else own_white) - black)
    assert np.abs(photo.pixels - wanted).max() < (1e-6 if white > 1 else 1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("name", [name for name, facts in VALID.items() if facts[0] and facts[6]])
def test_real_files_have_librarys_colours(shared_data, name):
    path = shared_data / "raw" / "valid" / name
    photo, raw = page(path)
    ours, theirs = rendered(photo, raw), by_libraw(str(path), raw)
    if raw.pixel_aspect != 1:  # LibRaw has made the pixels square
        assert ours.mean(axis=(0, 1)) == pytest.approx(theirs.mean(axis=(0, 1)), rel=0.005)
        return
    inside = (slice(4, -4), slice(4, -4))
    assert np.abs(ours - theirs)[inside].mean() < 0.01 * theirs.mean()
    assert np.quantile(np.abs(ours - theirs)[inside], 0.999) < 0.01


@pytest.mark.shared
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_with_the_reason(shared_data, name):
    with pytest.raises(UnreadableError, match=BROKEN[name]):
        read(shared_data / "raw" / "broken" / name)


@pytest.mark.shared
def test_a_jpeg_that_is_called_nef_is_read_as_what_it_is(shared_data):
    document = read(shared_data / "raw" / "broken" / "nikon_truncated.nef")
    assert document.format == "jpeg"
    assert any("camera RAW" in text for text in document.warnings)


@pytest.mark.shared
def test_cut_files_are_refused(shared_data):
    for path in sorted((shared_data / "raw" / "valid").iterdir()):
        data = path.read_bytes()
        for share in (0.95, 0.4):
            with pytest.raises(PhotoError):
                read(data[: int(len(data) * share)], name=path.name)
