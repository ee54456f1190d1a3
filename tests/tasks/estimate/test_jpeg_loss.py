"""What compression is said to have lost, against what it did lose of the sample photos."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from restorecli.photos.read import read
from restorecli.tasks.estimate.jpeg_loss import likely_loss

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
PHOTOS = ("motocross.png", "parrots.png", "coast/lighthouse.png")
Bytes = npt.NDArray[np.uint8]


def sample(name: str, mode: str = "RGB") -> Image.Image:
    with Image.open(SAMPLES / name) as opened:
        return opened.convert(mode)


def told_and_true(picture: Image.Image, quality: int, chroma: str = "4:4:4") -> tuple[float, float]:
    """What is likely to have been lost, and what was, both where the photo is not flat."""
    packed = io.BytesIO()
    kept = {} if picture.mode == "L" else {"subsampling": chroma}
    picture.save(packed, "jpeg", quality=quality, **kept)
    photo = read(packed.getvalue()).pages[0]
    assert photo.quantisation is not None
    before = np.asarray(picture, np.float64).reshape(photo.pixels.shape)
    errors, detailed = (before - 255.0 * photo.pixels) ** 2, np.zeros(before.shape[:2], bool)
    for top, left in product(range(0, before.shape[0] - 7, 8), range(0, before.shape[1] - 7, 8)):
        block = np.s_[top : top + 8, left : left + 8]
        detailed[block] = (255 * photo.pixels[block]).std(axis=(0, 1)).max() >= 0.5
    true = float(np.sqrt(errors[detailed].mean()))
    return likely_loss(photo.pixels, [table.astype(int) for table in photo.quantisation.tables]), true


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("quality", "at_most"), [(85, 1.7), (90, 1.5), (95, 1.3), (97, 1.2)])
def test_it_is_what_was_lost_or_somewhat_more(name: str, mode: str, quality: int, at_most: float) -> None:
    told, true = told_and_true(sample(name, mode), quality)
    assert 0.95 * true < told < at_most * true  # more where a photo is calm but in some places


@pytest.mark.parametrize("name", PHOTOS)
def test_what_halved_chroma_lost_more_is_not_counted(name: str) -> None:
    picture = sample(name)
    told, true = told_and_true(picture, 95, "4:2:0")
    assert told < 1.05 * true
    assert told == pytest.approx(told_and_true(picture, 95)[0], rel=0.25)


def test_coarser_steps_lose_more() -> None:
    picture = sample("parrots.png")
    losses = [told_and_true(picture, quality)[0] for quality in (97, 95, 90, 85, 75)]
    assert losses == sorted(losses)


def test_a_frame_without_detail_makes_no_difference() -> None:
    pixels = np.asarray(sample("parrots.png"), np.float32)[:160, :160] / 255
    framed = np.zeros((480, 480, 3), np.float32)
    framed[160:320, 160:320] = pixels
    steps = [np.full((8, 8), 4)]
    assert likely_loss(framed, steps) == pytest.approx(likely_loss(pixels, steps), rel=1e-5)


def test_where_nothing_counts_nothing_was_lost() -> None:
    steps = [np.full((8, 8), 4)]
    assert likely_loss(np.full((64, 64, 3), 0.3, np.float32), steps) == 0
    assert likely_loss(np.zeros((5, 7, 1), np.float32), steps) == 0


def test_the_first_whole_block_may_lie_anywhere() -> None:
    packed = io.BytesIO()
    sample("parrots.png", "L").save(packed, "jpeg", quality=95)
    photo = read(packed.getvalue()).pages[0]
    assert photo.quantisation is not None
    tables = [table.astype(int) for table in photo.quantisation.tables]
    cropped = likely_loss(photo.pixels[3:, 5:], tables, (5, 3))
    assert cropped == pytest.approx(likely_loss(photo.pixels[8:, 8:], tables), rel=1e-6)


def test_a_large_photo_is_judged_by_blocks_spread_over_it() -> None:
    rng = np.random.default_rng(1)
    whole = rng.random((1600, 2000, 1), np.float32)
    steps = [np.full((8, 8), 4)]
    assert likely_loss(whole, steps) == pytest.approx((4**2 / 12) ** 0.5, rel=0.02)
