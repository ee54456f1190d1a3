"""The means of regions, shadows above all, are those of the samples, whatever a network made of them."""

from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging import cfa, xtrans
from restorecli.imaging.mean_kept import mean_kept
from restorecli.photo import RawNoise

NOISE = RawNoise((4e-3, 2e-3, 3e-3), (4e-4, 1e-4, 2e-4))


@pytest.mark.parametrize("pattern", ["GRBG", xtrans.PATTERN], ids=len)
@pytest.mark.parametrize("bias", [0.8, 1.15])
def test_shadows_that_came_out_too_dark_or_bright_get_their_mean_back(pattern: str, bias: float) -> None:
    truth = np.full((600, 604, 3), (0.03, 0.02, 0.025), np.float32)
    truth[:, 300:] *= 2
    rng = np.random.default_rng(0)
    held = cfa.channels(truth.shape[:2], pattern)
    clean = cfa.sample(truth, pattern)
    deviation = np.sqrt(np.array(NOISE.shot)[held] * clean + np.array(NOISE.read)[held])
    mosaic = (clean + deviation * rng.standard_normal(clean.shape)).astype(np.float32)
    assert mosaic.min() < 0
    result = truth * np.float32(bias)
    mean_kept(result, mosaic, pattern, NOISE)
    for part in (slice(0, 240), slice(360, 604)):
        found, wanted = result[:, part].mean((0, 1)), truth[:, part].mean((0, 1))
        np.testing.assert_allclose(found, wanted, rtol=0.012)
    assert result[:, :200].std((0, 1)).max() < 0.002


def test_a_result_that_is_right_stays_and_burnt_out_parts_are_not_darkened() -> None:
    rows, columns = np.mgrid[:100, :130]
    truth = np.stack([0.2 + rows / 1000, 0.3 + columns / 1000, 0.1 + rows / 2000], 2).astype(np.float32)
    mosaic = cfa.sample(truth, "RGGB")
    result = truth.copy()
    mean_kept(result, mosaic, "RGGB", NOISE)
    np.testing.assert_allclose(result, truth, atol=1e-6)
    white = np.ones((60, 60, 3), np.float32)
    cut = np.full((60, 60), 0.95, np.float32)  # noise above white is cut off
    mean_kept(white, cut, "RGGB", NOISE)
    np.testing.assert_allclose(white, 1)
