from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from restorecli.tasks.estimate.sharpness import SIDE, sharpness

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"


def luma(name: str) -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / name).convert("L"), np.float32) / 255


@pytest.mark.parametrize("name", ["parrots.png", "motocross.png"])
def test_blur_makes_a_photo_less_sharp(name: str) -> None:
    plane = luma(name)
    found = [sharpness(gaussian_filter(plane, sigma)) for sigma in (0, 0.7, 1.5, 3)]
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    assert len(set(found)) == 4
    assert all(value is not None and 0 <= value <= 1 for value in found)


@pytest.mark.parametrize("shape", [(8, 100), (100, 100), (1, 1)])
def test_a_flat_or_tiny_picture_has_no_sharpness(shape: tuple[int, int]) -> None:
    assert sharpness(np.full(shape, 0.5, np.float32)) is None


def test_of_a_large_picture_the_middle_counts() -> None:
    middle = np.random.default_rng(0).random((SIDE, 64), dtype=np.float32)
    padded = np.pad(middle, ((100, 100), (0, 0)))
    assert sharpness(padded) == sharpness(middle)
