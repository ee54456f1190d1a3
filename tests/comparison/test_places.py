from __future__ import annotations

import numpy as np
import pytest

from restorecli.comparison import pictures
from restorecli.comparison.difference import BLOCK, Box, Pair, differ
from restorecli.comparison.display import Shown
from restorecli.comparison.places import choose
from tests.comparison.scenes import Bytes, noisy, scene


def with_noise_at(top: int, left: int, side: int) -> tuple[Bytes, Bytes]:
    after = scene(600, 900)
    before = after.copy()
    part = (slice(top, top + side), slice(left, left + side))
    before[part] = noisy(after[part], 30)
    return before, after


def pair(before: Bytes, after: Bytes) -> Pair:
    return Pair(Shown(before, ""), Shown(after, ""))


@pytest.mark.parametrize(("top", "left"), [(0, 0), (300, 700), (440, 740), (37, 411)])
def test_the_first_place_is_where_most_has_changed(top: int, left: int) -> None:
    both = pair(*with_noise_at(top, left, 160))
    box = choose(differ(both), 600, 900, 200, 1)[0].box
    assert box.top <= top and top + 160 <= box.top + 200 + BLOCK
    assert box.left <= left and left + 160 <= box.left + 200 + BLOCK
    assert box.top + box.height <= 600 and box.left + box.width <= 900


def test_the_second_place_has_the_finest_detail() -> None:
    before, after = with_noise_at(0, 0, 160)
    after[400:480, 600:680] = noisy(after[400:480, 600:680], 60)
    before[400:480, 600:680] = after[400:480, 600:680]
    place = choose(differ(pair(before, after)), 600, 900, 96, 2)[1]
    assert place.why == "finest detail"
    assert abs(place.box.top - 392) <= 24 and abs(place.box.left - 592) <= 24


def test_places_overlap_little_and_there_are_fewer_where_there_is_no_room() -> None:
    both = pair(noisy(scene(200, 220)), scene(200, 220))
    boxes = [place.box for place in choose(differ(both), 200, 220, 180, 4)]
    assert len(boxes) == 1
    boxes = [place.box for place in choose(differ(both), 200, 220, 64, 4)]
    assert len(boxes) == 4
    covered = np.zeros((200, 220), int)
    for box in boxes:
        covered[box.top : box.top + box.height, box.left : box.left + box.width] += 1
    assert (covered > 1).sum() <= 0.25 * 3 * 64 * 64


def test_a_photo_that_fits_is_there_as_a_whole_at_full_size() -> None:
    both = pair(noisy(scene(200, 300)), scene(200, 300))
    made = pictures.make(both, differ(both), 2_000_000)
    assert [place.box for place in made.places] == [Box(0, 0, 200, 300)]


@pytest.mark.parametrize("most", [40_000, 80_000, 300_000, 1_000_000])
@pytest.mark.parametrize("sigma", [2, 12, 40])
def test_pictures_take_about_the_bytes_that_are_given(most: int, sigma: int) -> None:
    picture = scene(900, 1200)
    both = pair(noisy(picture, sigma), picture)
    made = pictures.make(both, differ(both), most)
    taken = made.view.bytes + sum(place.bytes for place in made.places)
    assert taken <= 1.1 * most
    assert made.places[0].box.width >= 128 and len(made.thumbnail) < 5000


def test_one_row_of_pixels_has_pictures_too() -> None:
    both = pair(noisy(scene(1, 700)), scene(1, 700))
    assert pictures.make(both, differ(both), 100_000).size == (700, 1)
