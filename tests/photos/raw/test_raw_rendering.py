"""From the bytes of a RAW file to a picture: against the truth of synthetic files, and against LibRaw."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rawpy
from scipy.interpolate import LinearNDInterpolator
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photos.read import read
from restorecli.tasks.base import to_pixels, to_tensor
from restorecli.tasks.demosaic import Demosaic
from tests.dng_maker import cfa_dng, linear_dng
from tests.tasks.stubs import Stub, restored

CAMERA_FROM_XYZ = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
XYZ_FROM_SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
CAMERA_FROM_SRGB = CAMERA_FROM_XYZ @ XYZ_FROM_SRGB
NEUTRAL_FROM_SRGB = CAMERA_FROM_SRGB / CAMERA_FROM_SRGB.sum(axis=1, keepdims=True)
GAINS = np.array([1.9, 1.0, 1.3])
BLACK, WHITE = (500, 540, 520, 600), 60000
MARGINS = [(0, 0, 0, 0), (3, 5, 2, 1), (8, 7, 0, 0)]


def stand_in(form: str = "malvar-RGGB", light: bool = False) -> Stub:
    """A network that interpolates linearly what it sees, or the light that it stands for."""
    pattern = form.split("-")[1]

    def answer(x: Tensor) -> Tensor:
        mosaic = cfa.sample(to_pixels(x), pattern)
        if light:
            return to_tensor(linear_to_srgb(bayer.bilinear(srgb_to_linear(mosaic), pattern)))
        return to_tensor(bayer.bilinear(mosaic, pattern))

    stub = Stub(answer)
    stub.demosaic_input = form
    return stub


def x_trans_stand_in() -> Stub:
    """A network that interpolates linearly, over triangles, the samples of the cells it is shown."""

    def answer(x: Tensor) -> Tensor:
        image = xtrans.exchange(to_pixels(x))
        held = cfa.channels(image.shape[:2], xtrans.PATTERN)
        everywhere = np.argwhere(np.ones_like(held))
        colours = np.empty_like(image)
        for channel in range(3):
            places = np.argwhere(held == channel)
            found = LinearNDInterpolator(places, image[..., channel][held == channel])(everywhere)
            colours[..., channel] = found.reshape(held.shape)
        return to_tensor(np.ascontiguousarray(xtrans.exchange(np.nan_to_num(colours))))

    stub = Stub(answer)
    stub.demosaic_input = "cells-XTRANS"
    return stub


def balanced_scene(height: int = 32, width: int = 40) -> np.ndarray:
    """Balanced camera RGB whose values under sRGB's curve are ramps: linear interpolation is exact on it."""
    y, x = np.mgrid[:height, :width] / 40
    ramps = np.stack([0.25 + 0.4 * x, 0.6 - 0.3 * y + 0.1 * x, 0.3 + 0.3 * y], axis=2)
    return srgb_to_linear(ramps.astype(np.float32)).astype(np.float64)


def stored(balanced: np.ndarray, pattern: str) -> np.ndarray:
    """The file's samples: balance and scale undone, black per place added, rounded to 16 bits."""
    mosaic = cfa.sample(balanced / GAINS * GAINS.min(), pattern)
    black = np.tile(np.reshape(BLACK, (2, 2)), (mosaic.shape[0] // 2 + 1, mosaic.shape[1] // 2 + 1))
    black = black[: mosaic.shape[0], : mosaic.shape[1]]
    return np.rint(black + mosaic * (WHITE - black)).astype(np.uint16)


def raw_file(mosaic: np.ndarray, pattern: str, **facts: object) -> bytes:
    known = {"white": WHITE, "black": BLACK, "neutral": tuple(1 / GAINS), "matrix": CAMERA_FROM_XYZ}
    return cfa_dng(mosaic, pattern, **{**known, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["malvar-RGGB", "zeros-GRBG"])
@pytest.mark.parametrize("margins", MARGINS, ids=str)
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_synthetic_scene_comes_back_in_every_phase(
    pattern: str, margins: tuple[int, int, int, int], form: str
) -> None:
    balanced = balanced_scene(31, 37)
    data = raw_file(stored(balanced, pattern), pattern, margins=margins, crop=(3, 2, 25, 30))
    result = restored(read(data).pages[0], Demosaic(color_space="linear"), stand_in(form))
    truth = (balanced @ np.linalg.inv(NEUTRAL_FROM_SRGB).T)[3:28, 2:32]
    assert result.pixels.shape == truth.shape
    np.testing.assert_allclose(result.pixels, truth, atol=6e-4)


@pytest.mark.parametrize("margins", MARGINS, ids=str)
@pytest.mark.parametrize("pattern", xtrans.PATTERNS, ids=lambda pattern: f"{pattern[:6]}-{pattern[6:12]}")
def test_a_synthetic_scene_comes_back_in_every_phase_of_x_trans(
    pattern: str, margins: tuple[int, int, int, int]
) -> None:
    balanced = balanced_scene(31, 37)
    samples = np.rint(500 + cfa.sample(balanced / GAINS, pattern) * (WHITE - 500)).astype(np.uint16)
    data = raw_file(samples, pattern, margins=margins, crop=(3, 2, 25, 30), black=500, orientation=6)
    result = restored(read(data).pages[0], Demosaic(color_space="linear"), x_trans_stand_in())
    truth = np.rot90((balanced @ np.linalg.inv(NEUTRAL_FROM_SRGB).T)[3:28, 2:32], -1)
    assert result.pixels.shape == truth.shape
    np.testing.assert_allclose(result.pixels, truth, atol=6e-4)


@pytest.mark.parametrize(("orientation", "turned"), [(3, 2), (6, -1), (8, 1)])
def test_a_synthetic_scene_comes_back_upright(orientation: int, turned: int) -> None:
    balanced = balanced_scene()
    data = raw_file(stored(balanced, "GBRG"), "GBRG", orientation=orientation, crop=(1, 2, 24, 35))
    result = restored(read(data).pages[0], Demosaic(color_space="linear"), stand_in())
    truth = (balanced @ np.linalg.inv(NEUTRAL_FROM_SRGB).T)[1:25, 2:37]
    np.testing.assert_allclose(result.pixels, np.rot90(truth, turned), atol=6e-4)


def test_a_linear_dng_is_developed_without_a_network() -> None:
    balanced = balanced_scene()
    pixels = np.rint(balanced / GAINS * GAINS.min() * 65535).astype(np.uint16)
    data = linear_dng(pixels, neutral=tuple(1 / GAINS), matrix=CAMERA_FROM_XYZ)
    photo = read(data).pages[0]
    assert not Demosaic().examine(photo).network
    result = restored(photo, Demosaic(color_space="linear"), stand_in())
    np.testing.assert_allclose(result.pixels, balanced @ np.linalg.inv(NEUTRAL_FROM_SRGB).T, atol=2e-4)


def libraw(source: bytes | Path, gains: np.ndarray | None = None, **more: object) -> np.ndarray:
    """What LibRaw makes of a file: linear sRGB in 0–1 by bilinear interpolation, brightness left alone."""
    options: dict[str, object] = {
        "demosaic_algorithm": rawpy.DemosaicAlgorithm.LINEAR,
        "no_auto_bright": True,
        "adjust_maximum_thr": 0,
        "output_bps": 16,
        "gamma": (1, 1),
    }
    options |= (
        {"use_camera_wb": True} if gains is None else {"user_wb": [*map(float, gains), float(gains[1])]}
    )
    with rawpy.imread(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as opened:
        return opened.postprocess(**options, **more) / np.float32(65535)  # type: ignore[no-any-return]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_with_linear_interpolation_of_light_it_is_what_libraw_makes(pattern: str, orientation: int) -> None:
    texture = np.random.default_rng(1).random((40, 52, 3)) * 0.9 + 0.05
    data = raw_file(stored(texture, pattern), pattern, orientation=orientation)
    ours = restored(read(data).pages[0], Demosaic(color_space="linear"), stand_in(light=True)).pixels
    theirs = libraw(data)
    assert ours.shape == theirs.shape
    inside = (slice(2, -2), slice(2, -2))
    apart = np.abs(np.clip(ours, 0, 1) - theirs)[inside]
    assert apart.max() < 0.01
    assert apart.mean() < 0.002
    assert theirs.std() > 0.1


def test_highlights_are_clipped_as_libraw_clips_them() -> None:
    texture = np.random.default_rng(2).random((40, 52, 3)) * 1.6
    mosaic = np.minimum(stored(texture, "RGGB"), WHITE)
    ours = restored(
        read(raw_file(mosaic, "RGGB")).pages[0], Demosaic(color_space="linear"), stand_in(light=True)
    ).pixels
    inside = (slice(2, -2), slice(2, -2))
    apart = np.abs(np.clip(ours, 0, 1) - libraw(raw_file(mosaic, "RGGB")))[inside]
    assert (ours[inside] > 0.999).mean() > 0.1
    assert apart.max() < 0.01


# Mean ΔE00 to LibRaw's rendering with the same gains. Cameras LibRaw has a matrix for that it does not hand
# out (Kodak DC50, DC120) and a scanner whose white level it does not know are left out.
@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "canon_s40_0119.crw",
        "canon_s40_0113.crw",
        "canon_g2_0304.crw",
        "canon_d30_tree.crw",
        "blackmagic.dng",
        "kodak_c330.raw",
        "canon_eos_6d.dng",
        "dsc8695_linear.dng",
        "adobe_sdk_05_linear_patch.dng",
        "adobe_sdk_14_linear_ramp.dng",
    ],
)
def test_real_raw_has_the_colours_that_libraw_gives_it(shared_data: Path, name: str) -> None:
    file = shared_data / "raw" / "valid" / name
    photo = read(file).pages[0]
    assert photo.raw is not None
    gains = np.array(str(Demosaic().examine(photo).details["gains"]).split(), float)
    ours = restored(photo, Demosaic(color_space="linear"), stand_in(light=True)).pixels
    top, left, height, width = photo.raw.crop
    theirs = libraw(file, gains, user_flip=0)[top : top + height, left : left + width]
    assert photo.raw.orientation == 1
    assert ours.shape == theirs.shape
    # Every third pixel both ways, which come from all places of a mosaic.
    lab = [rgb2lab(np.clip(linear_to_srgb(image[::3, ::3]), 0, 1)) for image in (ours, theirs)]
    apart = deltaE_ciede2000(*lab)
    assert apart.mean() < 0.05, f"99 % below {np.percentile(apart, 99):.2f}"
