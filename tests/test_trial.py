from __future__ import annotations

import numpy as np
import pytest

from restorecli import trial
from restorecli.photo import Photo
from restorecli.trial import FEW, SIDE, samples


def numbered(height: int, width: int) -> Photo:
    values = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    return Photo(values, alpha=values[:, :, 0])


def test_a_small_photo_is_tried_as_a_whole() -> None:
    photo = numbered(30, 40)
    assert samples(photo) == (photo,)


@pytest.mark.parametrize("size", [(2600, 1900), (60, 80_000), (90_000, 130)])
def test_parts_of_a_large_one_are_spread_over_it_and_few(size: tuple[int, int]) -> None:
    photo = numbered(*size)
    parts = samples(photo)
    assert 3 <= len(parts) <= 25
    assert sum(part.pixels.size for part in parts) <= 0.1 * photo.pixels.size
    tops, lefts = zip(*(divmod(int(part.pixels[0, 0, 0]), size[1]) for part in parts), strict=True)
    for starts, length in ((tops, size[0]), (lefts, size[1])):
        assert all(start % 8 == 0 for start in starts)
        assert length < 2 * SIDE or (min(starts) < 0.2 * length and max(starts) > 0.7 * length)
    for part in parts:
        assert part.alpha is not None
        np.testing.assert_array_equal(part.pixels[:, :, 0], part.alpha)
        assert max(part.pixels.shape[:2]) <= SIDE


def test_what_is_small_may_be_said() -> None:
    photo = numbered(800, 900)
    assert samples(photo) == (photo,)
    parts = samples(photo, FEW)
    assert len(parts) == 25 and sum(part.pixels.size for part in parts) <= FEW
    assert samples(numbered(600, 600), FEW)[0].pixels.shape == (600, 600, 1)


def test_the_parts_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SMALL", 10)
    first, second = (samples(numbered(300, 400)) for _ in range(2))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))
