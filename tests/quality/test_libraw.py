"""LibRaw's demosaicing as it stands beside the networks: the same as of a file that another program wrote."""

from __future__ import annotations

import io

import numpy as np
import pytest
import rawpy

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.quality import libraw
from tests.dng_maker import cfa_dng

GAINS = (2.0, 1.0, 1.5)
BLACK, WHITE = 4096, 61440


def ramps(height: int, width: int) -> np.ndarray:
    """Light that is a plane in every colour, and far from white."""
    y, x = np.mgrid[:height, :width] / 520
    return np.stack([0.1 + 0.2 * x, 0.3 + 0.3 * y, 0.4 - 0.2 * x], axis=2).astype(np.float32)


def by_a_file(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """What LibRaw makes of a DNG with these samples, by AHD or Markesteijn's method."""
    samples = np.rint(mosaic * (WHITE - BLACK) + BLACK).astype(np.uint16)
    data = cfa_dng(samples, pattern, black=BLACK, white=WHITE, matrix=np.eye(3))
    with rawpy.imread(io.BytesIO(data)) as opened:
        return opened.postprocess(  # type: ignore[no-any-return]
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            user_wb=[2.0, 1.0, 1.5, 1.0],
            output_color=rawpy.ColorSpace.raw,
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0,
            output_bps=16,
        ) / np.float32(65535)


@pytest.mark.parametrize("pattern", [*bayer.PATTERNS, xtrans.PATTERNS[4]], ids=len)
def test_it_is_what_libraw_makes_of_a_file_with_that_mosaic(pattern: str) -> None:
    mosaic = np.random.default_rng(3).random((516, 520), np.float32) * np.float32(0.9)
    found = libraw.demosaiced(mosaic, pattern, GAINS)
    np.testing.assert_allclose(found, by_a_file(mosaic, pattern), atol=1e-4)


@pytest.mark.parametrize("pattern", [*bayer.PATTERNS, *xtrans.PATTERNS[::4]], ids=lambda name: name[:8])
@pytest.mark.parametrize("size", [(515, 520), (61, 45)], ids=str)
def test_smooth_light_comes_back_balanced_at_any_size(pattern: str, size: tuple[int, int]) -> None:
    light = ramps(*size)
    found = libraw.demosaiced(cfa.sample(light, pattern), pattern, GAINS)
    assert found.shape == light.shape and found.dtype == np.float32
    np.testing.assert_allclose(found[8:-8, 8:-8], (light * GAINS)[8:-8, 8:-8], atol=3e-3)


def test_values_beyond_black_and_white_are_cut_and_do_not_wrap_around() -> None:
    for value, expected in ((-0.05, 0.0), (0.0, 0.0), (1.05, 1.0), (1.2, 1.0)):
        found = libraw.demosaiced(np.full((40, 40), value, np.float32), "RGGB")
        np.testing.assert_allclose(found, expected, atol=1e-4)
