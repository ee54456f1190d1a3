from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging.colour import srgb_to_linear
from restorecli.quality.degradations.darkness import SHOT, darkened, draw_dark


def slopes() -> np.ndarray:
    rows, columns = np.mgrid[:96, :96] / 96
    return np.rint(255 * (0.2 + 0.7 * np.stack([rows, columns, (rows + columns) / 2], axis=2))).astype(
        np.uint8
    )


@pytest.mark.parametrize("stops", [1.0, 3.0])
def test_light_is_halved_by_every_stop_in_all_channels(stops: float) -> None:
    clean = slopes()
    dark = darkened(clean, stops, (1e-7, 1e-7), np.random.default_rng(0))
    light, left = (srgb_to_linear(image.astype(np.float32) / 255) for image in (clean, dark))
    ratios = left.mean((0, 1)) / light.mean((0, 1))
    assert ratios == pytest.approx(2.0**-stops, rel=0.05)


def test_noise_grows_with_the_shot_noise_and_follows_from_the_seed() -> None:
    clean = slopes()

    def residual(shot: float) -> float:
        pair = [
            darkened(clean, 2, (shot, shot), np.random.default_rng(seed)).astype(float) for seed in (1, 2)
        ]
        return float(np.std(pair[0] - pair[1]))

    assert residual(SHOT[0]) < residual(SHOT[1]) < residual(1e-2)
    first, again = (draw_dark(clean, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.mean() < clean.mean() / 1.4
