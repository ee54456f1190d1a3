from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorecli.comparison import difference
from restorecli.comparison.difference import Box, Pair, differ
from restorecli.comparison.display import Shown, show
from restorecli.errors import UnsupportedError
from restorecli.imaging.resample import resize
from tests.comparison.scenes import Bytes, noisy, scene


def pair(before: Bytes, after: Bytes) -> Pair:
    return Pair(Shown(before, ""), Shown(after, ""))


def test_the_mean_is_that_of_all_samples() -> None:
    before, after = noisy(scene(75, 101)), scene(75, 101)
    expected = np.abs(before.astype(int) - after).mean()
    found = differ(pair(before, after))
    assert found.mean == pytest.approx(expected, rel=1e-6)
    assert found.change.shape == (5, 7)
    assert found.change[0, 0] == pytest.approx(
        np.abs(before[:16, :16].astype(int) - after[:16, :16]).mean(axis=2).sum(), rel=1e-5
    )


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    both = pair(noisy(scene(75, 101)), scene(75, 101))
    whole = differ(both)
    monkeypatch.setattr(difference, "_BAND", 1)
    banded = differ(both)
    assert banded.mean == pytest.approx(whole.mean)
    assert banded.change == pytest.approx(whole.change)


def test_a_smaller_photo_is_enlarged_bicubically_and_the_result_stays_as_it_is() -> None:
    small, large = scene(30, 40), scene(120, 160)
    both = pair(small, large)
    expected = np.rint(np.clip(resize(small.astype(np.float32), 120, 160, 4.0), 0, 255))
    assert (both.before_in(Box(0, 0, 120, 160)) == expected).all()
    assert (both.after_in(Box(0, 0, 120, 160)) == large).all()
    assert both.fitted == "enlarged ×4, bicubic"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_box_is_cut_out_of_the_whole(data: st.DataObject) -> None:
    both = pair(scene(30, 40), scene(90, 120))
    whole = both.before_in(Box(0, 0, 90, 120))
    top, left = data.draw(st.integers(0, 89)), data.draw(st.integers(0, 119))
    height, width = data.draw(st.integers(1, 90 - top)), data.draw(st.integers(1, 120 - left))
    part = both.before_in(Box(top, left, height, width))
    assert (part == whole[top : top + height, left : left + width]).all()


@pytest.mark.parametrize("size", [(120, 161), (121, 160), (119, 159)])
def test_sides_may_be_rounded(size: tuple[int, int]) -> None:
    assert pair(scene(120, 160), scene(*size)).before_in(Box(0, 0, *size)).shape == (*size, 3)


def test_pictures_of_other_proportions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="160×120 and 120×160 pixels"):
        pair(scene(120, 160), scene(160, 120))


def test_what_is_transparent_is_the_same_at_every_size() -> None:
    small, large = (np.dstack([scene(30 * k, 40 * k), np.zeros((30 * k, 40 * k), np.uint8)]) for k in (1, 3))
    assert differ(Pair(*(show(imagecodecs.png_encode(one), "a.png") for one in (small, large)))).mean == 0
