from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from restorecli.photo import Photo
from restorecli.tasks.estimate.taken_out import taken_out


def noisy(height: int = 64, width: int = 80, level: float = 0.5) -> Photo:
    grain = np.random.default_rng(3).normal(0, 0.02, (height, width, 3))
    return Photo((level + grain).astype(np.float32))


def smooth(photo: Photo, level: float = 0.5) -> Photo:
    return replace(photo, pixels=np.full_like(photo.pixels, level))


def test_it_is_the_root_mean_square_of_what_changed() -> None:
    photo = noisy()
    expected = 255 * np.sqrt(np.mean((photo.pixels - 0.5) ** 2, dtype=np.float64))
    assert taken_out([(photo, smooth(photo))]) == pytest.approx(expected, rel=1e-5)
    assert taken_out([(photo, photo)]) == 0


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_bars_make_no_difference(level: float) -> None:
    photo = noisy()
    framed = np.full((64 + 48, 80, 3), level, np.float32)
    framed[24:-24] = photo.pixels
    after = framed.copy()
    after[24:-24] = 0.5
    with_bars = taken_out([(Photo(framed), Photo(after))])
    assert with_bars == pytest.approx(taken_out([(photo, smooth(photo))]), rel=1e-5)


def test_what_is_hidden_does_not_count() -> None:
    photo = noisy()
    alpha = np.ones((64, 80), np.float32)
    alpha[:, 40:] = 0
    half = noisy()
    half.pixels[:, 40:] *= 2
    seen = taken_out([(replace(half, alpha=alpha), smooth(half))])
    alone = Photo(photo.pixels[:, :40])
    assert seen == pytest.approx(taken_out([(alone, smooth(alone))]), rel=1e-5)


def test_nothing_is_taken_out_of_a_flat_picture_and_tiny_ones_are_measured() -> None:
    flat = Photo(np.full((40, 40, 3), 0.3, np.float32))
    assert taken_out([(flat, smooth(flat, 0.31))]) == 0
    tiny = noisy(5, 3)
    assert taken_out([(tiny, smooth(tiny))]) > 2


def test_several_parts_count_by_their_size() -> None:
    parts = [noisy(64, 64), noisy(32, 64)]
    one, other = (taken_out([(part, smooth(part))]) for part in parts)
    together = taken_out([(part, smooth(part)) for part in parts])
    assert together == pytest.approx(np.sqrt((2 * one**2 + other**2) / 3), rel=1e-5)
