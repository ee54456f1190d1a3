"""Faulty pixels: those that no light explains are found and replaced, points of light are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from restorecli.imaging import cfa, xtrans
from restorecli.imaging.hot_pixels import find
from restorecli.photo import RawNoise

NOISE = RawNoise((1e-3,) * 3, (1e-5,) * 3)
PATTERNS = pytest.mark.parametrize("pattern", ["RGGB", "GBRG", xtrans.PATTERN], ids=len)


def scene(side: int = 96, seed: int = 0) -> np.ndarray:
    """A smooth picture in light, H×W×3."""
    rng = np.random.default_rng(seed)
    planes = [gaussian_filter(rng.random((side, side)), 6) for _ in range(3)]
    return np.stack([0.1 + 0.5 * (p - p.min()) / np.ptp(p) for p in planes], axis=2).astype(np.float32)


def noisy(mosaic: np.ndarray, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    deviation = np.sqrt(NOISE.shot[0] * mosaic + NOISE.read[0])
    return (mosaic + deviation * rng.standard_normal(mosaic.shape)).astype(np.float32)


@PATTERNS
def test_hot_and_dead_pixels_are_found_even_at_the_border_and_nothing_else(pattern: str) -> None:
    clean = cfa.sample(scene(), pattern) + np.float32(0.2)
    mosaic = noisy(clean)
    hot = [(0, 0), (5, 95), (30, 31), (31, 40), (95, 60)]
    dead = [(50, 50), (71, 22)]
    for place in hot:
        mosaic[place] = 2.0
    for place in dead:
        mosaic[place] = 0.0
    faults = find(mosaic, pattern, NOISE)
    assert set(zip(faults.rows.tolist(), faults.columns.tolist(), strict=True)) == {*hot, *dead}
    assert faults.hot == len(hot)
    mended = faults.replaced(mosaic[..., None])[..., 0]
    assert np.abs(mended - clean)[faults.rows, faults.columns].max() < 0.1
    assert (mended != mosaic).sum() == faults.count


@PATTERNS
def test_stars_and_edges_are_no_faults(pattern: str) -> None:
    picture = scene()
    picture[:, 40:43] = 0.9  # a thin line
    rng = np.random.default_rng(3)
    stars = np.zeros(picture.shape[:2])
    stars[rng.integers(4, 92, 12), rng.integers(4, 92, 12)] = 5
    picture = np.minimum(picture + gaussian_filter(stars, 0.7)[..., None].astype(np.float32), 1)
    assert find(noisy(cfa.sample(picture, pattern)), pattern, NOISE).count == 0


@PATTERNS
def test_noise_alone_is_no_fault(pattern: str) -> None:
    rng = np.random.default_rng(4)
    shot = 5e-3  # few electrons: far from normal
    mosaic = (rng.poisson(0.05 / shot, (200, 200)) * shot).astype(np.float32)
    assert find(mosaic, pattern, RawNoise((shot,) * 3, (0.0,) * 3)).count == 0


def test_tiny_mosaics_are_left_alone() -> None:
    mosaic = np.zeros((4, 4), np.float32)
    mosaic[1, 1] = 1
    faults = find(mosaic, "RGGB", None)
    assert faults.count == 0
