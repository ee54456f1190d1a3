"""A linear DNG opens as the RAW that it was made of, also here."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.photo import Photo
from restorecli.photos.read import read
from restorecli.photos.write import write
from restorecli.tasks.demosaic import Demosaic
from tests.dng_maker import cfa_dng, linear_dng
from tests.tasks.stubs import Stub, restored

CAMERA_FROM_XYZ = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
GAINS = np.array([1.9, 1.0, 1.3])
BLACK, WHITE = (500, 540, 520, 600), 60000
AsDng = Callable[..., Photo]


def network(pattern: str) -> Stub:
    """One that gives back the plain interpolation that it is shown."""
    stub = Stub()
    stub.demosaic_input = "cells-XTRANS" if len(pattern) == 36 else "malvar-RGGB"
    return stub


def seen(height: int = 42, width: int = 54) -> np.ndarray:
    """What the camera sees of a smooth scene."""
    y, x = np.mgrid[:height, :width] / 50
    return np.stack([0.1 + 0.5 * x, 0.6 - 0.3 * y, 0.2 + 0.2 * x + 0.2 * y], axis=2) / GAINS * 0.6


def file_of(pattern: str, samples: np.ndarray | None = None, **facts: object) -> bytes:
    samples = seen() if samples is None else samples
    known: dict[str, object] = {"white": WHITE, "neutral": tuple(1 / GAINS), "matrix": CAMERA_FROM_XYZ}
    if not pattern:
        return linear_dng(np.rint(samples * WHITE).astype(np.uint16), **{**known, **facts})
    rows, columns = np.indices(samples.shape[:2])
    black = np.array(BLACK).reshape(2, 2)[rows % 2, columns % 2]
    mosaic = np.rint(black + cfa.sample(samples, pattern) * (WHITE - black)).astype(np.uint16)
    return cfa_dng(mosaic, pattern, **{**known, "black": BLACK, **facts})


def undone(task: Demosaic) -> Demosaic:
    """The same without what would judge noise, which the DNG has no more."""
    return replace(task, denoise=0.0, hot_pixels=False)


@pytest.fixture
def as_dng(tmp_path: Path) -> AsDng:
    """Open the linear DNG of a photo."""

    def made(photo: Photo, **options: object) -> Photo:
        assert photo.raw is not None
        task = undone(Demosaic(camera_rgb=True, **options))  # type: ignore[arg-type]
        write([restored(photo, task, network(photo.raw.pattern))], tmp_path / "a.dng", format="dng")
        return read(tmp_path / "a.dng").pages[0]

    return made


def opened(photo: Photo, **options: object) -> np.ndarray:
    assert photo.raw is not None
    return restored(photo, undone(Demosaic(**options)), network(photo.raw.pattern)).pixels  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "pattern", ["", "RGGB", "GBRG", xtrans.PATTERNS[4]], ids=["", "RGGB", "GBRG", "X-Trans"]
)
def test_the_picture_is_the_same_cropped_and_upright(as_dng: AsDng, pattern: str, orientation: int) -> None:
    facts = {"orientation": orientation, "crop": (5, 7, 30, 40), "aspect": (1.25, 1), "margins": (4, 6, 2, 2)}
    (photo,) = read(file_of(pattern, **facts)).pages
    dng, expected = as_dng(photo), opened(photo)
    assert dng.raw is not None and dng.raw.orientation == orientation
    assert expected.shape == ((30, 50, 3) if orientation < 5 else (50, 30, 3))
    np.testing.assert_allclose(opened(dng), expected, atol=3e-3)
    assert np.abs(opened(dng) - expected).mean() < 3e-4


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("white_balance", ["camera", "daylight", "auto", "none"])
def test_the_white_balance_asked_for_is_that_of_the_dng(
    as_dng: AsDng, pattern: str, white_balance: str
) -> None:
    (photo,) = read(file_of(pattern)).pages
    dng = as_dng(photo, white_balance=white_balance)
    expected = opened(photo, white_balance=white_balance)
    np.testing.assert_allclose(opened(dng)[2:-2, 2:-2], expected[2:-2, 2:-2], atol=2e-3)


@pytest.mark.parametrize("matrix", [CAMERA_FROM_XYZ, None], ids=["matrix", "no matrix"])
@pytest.mark.parametrize("neutral", [tuple(1 / GAINS), None], ids=["balance", "no balance"])
def test_what_is_not_known_is_taken_for_the_same(
    as_dng: AsDng, matrix: np.ndarray | None, neutral: tuple[float, ...] | None
) -> None:
    (photo,) = read(file_of("RGGB", matrix=matrix, neutral=neutral)).pages
    np.testing.assert_allclose(opened(as_dng(photo))[2:-2, 2:-2], opened(photo)[2:-2, 2:-2], atol=2e-3)


def test_colours_that_clip_at_different_levels_stay_white_where_they_clip(as_dng: AsDng) -> None:
    scene = seen()
    scene[:20] = (0.8, 0.9, 1.0)  # all three clip
    (photo,) = read(file_of("RGGB", scene)).pages
    assert photo.raw is not None
    noise = photo.raw.noise
    photo = replace(photo, raw=replace(photo.raw, saturation=(0.8, 0.9, 1.0), noise=noise))
    expected, dng = opened(photo), as_dng(photo)
    np.testing.assert_allclose(expected[4:16, 4:-4], 1, atol=1e-3)
    np.testing.assert_allclose(opened(dng)[4:16, 4:-4], expected[4:16, 4:-4], atol=1e-3)
    np.testing.assert_allclose(opened(dng)[24:-2, 2:-2], expected[24:-2, 2:-2], atol=2e-3)
    np.testing.assert_allclose(
        opened(dng, white_balance="daylight")[24:-2, 2:-2],
        opened(photo, white_balance="daylight")[24:-2, 2:-2],
        atol=2e-3,
    )


def test_noise_below_black_keeps_the_mean_of_shadows(as_dng: AsDng) -> None:
    random = np.random.default_rng(5)
    dark = 0.001 / GAINS + random.normal(0, 0.0018, (120, 120, 3))
    (photo,) = read(file_of("RGGB", dark)).pages
    assert photo.pixels.min() < -0.004
    dng = as_dng(photo)
    assert dng.pixels.min() < -0.004
    cells = [photo.pixels[row::2, column::2].mean() for row, column in ((0, 0), (0, 1), (1, 1))]
    for channel, mean in enumerate(cells):
        assert dng.pixels[..., channel].mean() == pytest.approx(mean, abs=1e-4)


def test_the_third_list_of_opcodes_speaks_of_the_cameras_own_values(as_dng: AsDng) -> None:
    area = struct.pack(">8I", 0, 0, 42, 54, 0, 3, 1, 1)
    parameters = area + struct.pack(">I3d", 2, 0.02, 0.9, 0.2)
    block = struct.pack(">5I", 1, 8, 0x01030000, 1, len(parameters)) + parameters
    plain = read(file_of("")).pages[0]
    (photo,) = read(file_of("", tags=[(51022, 7, len(block), block, True)])).pages
    scene = plain.pixels.astype(np.float64)
    wanted = 0.02 + 0.9 * scene + 0.2 * scene**2
    linear = opened(photo, color_space="camera")
    np.testing.assert_allclose(linear, np.minimum(wanted * GAINS / GAINS.min(), 1), atol=1e-5)
    np.testing.assert_allclose(opened(as_dng(photo), color_space="camera"), linear, atol=5e-5)


def test_a_dngs_own_colour_profile_is_passed_on(as_dng: AsDng, tmp_path: Path) -> None:
    warm = tuple(int(value) for value in np.rint(CAMERA_FROM_XYZ * 9000).ravel())
    curve = (0.0, 0.0, 0.5, 0.6, 1.0, 1.0)
    tags = [
        (50722, 10, 9, tuple(part for value in warm for part in (value, 10000)), True),
        (50779, 3, 1, 17, True),
        (50936, 2, 0, "Plain", True),
        (50942, 2, 0, "© Ada".encode(), True),
        (50940, 11, len(curve), curve, True),
        (50941, 4, 1, 3, True),
    ]
    (photo,) = read(file_of("RGGB", tags=tags)).pages
    dng = as_dng(photo)
    assert photo.raw is not None and dng.raw is not None
    assert {tag.code for tag in photo.raw.profile} == {
        50708,
        50721,
        50722,
        50778,
        50779,
        50936,
        50940,
        50941,
        50942,
    }
    assert dng.raw.profile == photo.raw.profile
    assert dng.raw.camera_from_xyz == pytest.approx(photo.raw.camera_from_xyz)
    np.testing.assert_allclose(opened(dng)[2:-2, 2:-2], opened(photo)[2:-2, 2:-2], atol=2e-3)


def test_a_damaged_profile_costs_nothing_else() -> None:
    data = bytearray(file_of("RGGB", tags=[(50940, 11, 6, (0.0, 0.0, 0.5, 0.5, 1.0, 1.0), True)]))
    entry = data.index(struct.pack("<HHI", 50940, 11, 6))
    data[entry + 8 : entry + 12] = struct.pack("<I", 0x7FFFFFF0)  # far behind the file's end
    (photo,) = read(bytes(data)).pages
    assert photo.raw is not None and 50940 not in {tag.code for tag in photo.raw.profile}
    assert photo.raw.camera_from_xyz == pytest.approx(CAMERA_FROM_XYZ, abs=1e-5)
    assert photo.raw.gains["camera"] == pytest.approx(tuple(GAINS), rel=1e-5)


def test_a_profile_for_a_light_described_elsewhere_is_not_passed_on(as_dng: AsDng) -> None:
    (photo,) = read(file_of("RGGB", tags=[(50779, 3, 1, 255, True)])).pages
    dng = as_dng(photo)
    assert photo.raw is not None and photo.raw.profile == ()
    assert dng.raw is not None and dng.raw.camera_from_xyz == pytest.approx(CAMERA_FROM_XYZ, abs=1e-5)
