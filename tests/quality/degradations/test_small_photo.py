"""How photos become small: what is drawn, and that places stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from restorecli.quality.degradations.small_photo import FILTERS, STEPS, Past, draw_past, made_small

NOTHING = Past(STEPS, None, (1.0, "area"), None, None, "area", None, "4:4:4")


def waves(side: int = 96) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    planes = [np.sin(x / (9 + c)) + np.cos(y / (11 - c)) for c in range(3)]
    return np.rint(127 + 60 * np.stack(planes, axis=2)).astype(np.uint8)


def test_all_that_happens_is_drawn_in_every_order() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_past(rng, 4) for _ in range(600)]
    assert Counter(past.order[0] for past in drawn).keys() == set(STEPS)
    assert len({past.order for past in drawn}) == 24
    assert {past.last_filter for past in drawn} == {past.resize[1] for past in drawn} == set(FILTERS)
    shares = [np.mean([getattr(past, name) is not None for past in drawn]) for name in ("blur", "camera")]
    assert shares == [pytest.approx(0.8, abs=0.06)] * 2
    assert np.mean([past.last_quality is not None for past in drawn]) == pytest.approx(0.75, abs=0.06)
    round_ones = np.mean([past.blur[0] == past.blur[1] for past in drawn if past.blur])
    assert round_ones == pytest.approx(0.5, abs=0.08)  # the others are longer one way
    assert np.mean([past.resize[0] > 1 for past in drawn]) == pytest.approx(0.2, abs=0.06)


def test_the_same_seed_gives_the_same_photo() -> None:
    def made(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return made_small(waves(), 2, draw_past(rng, 2), rng)

    assert np.array_equal(made(3), made(3))
    assert not np.array_equal(made(3), made(4))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_places_stay_and_so_does_the_brightness(scale: int) -> None:
    clean = waves()
    wanted = np.asarray(Image.fromarray(clean).resize((96 // scale,) * 2, Image.Resampling.BOX), np.float32)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        small = made_small(clean, scale, draw_past(rng, scale), rng).astype(np.float32)
        assert small.shape == wanted.shape
        assert abs(small.mean() - wanted.mean()) < 3
        moved = [np.abs(np.roll(small, step, (0, 1)) - wanted)[3:-3, 3:-3].mean() for step in (-1, 0, 1)]
        assert moved[1] == min(moved)


def test_without_a_past_a_photo_is_only_shrunk_and_each_step_adds_to_it() -> None:
    clean, rng = waves(), np.random.default_rng(0)
    plain = made_small(clean, 2, NOTHING, rng)
    assert np.array_equal(plain, np.asarray(Image.fromarray(clean).resize((48, 48), Image.Resampling.BOX)))
    for change in (
        {"blur": (0.8, 0.2, 1.0)},
        {"resize": (0.4, "bilinear")},
        {"camera": draw_past(np.random.default_rng(1), 2).camera},
        {"quality": 50},
        {"last_quality": 40},
    ):
        assert not np.array_equal(made_small(clean, 2, replace(NOTHING, **change), rng), plain), change
