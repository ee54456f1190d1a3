"""What cannot be noise of a sigma that is known stays, and white noise of that sigma goes as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from restorecli.photo import FloatArray, Photo
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.not_noise import NEVER, put_back_what_is_not_noise
from tests.tasks.stubs import Stub, restored

ROWS, COLUMNS = np.mgrid[:40, :48]
STARS = np.zeros(ROWS.shape, bool)
STARS[5::11, 7::13] = True
PATTERNS = {
    "checkerboard": (ROWS + COLUMNS) % 2,
    "columns": COLUMNS % 2,
    "rows": ROWS % 2,
    "diagonals": (ROWS + COLUMNS) % 3 == 0,
    "stars": STARS,
}


def of(pattern: object, contrast: float, channels: int = 3) -> FloatArray:
    plane = 0.5 + contrast / 255 * (np.asarray(pattern, np.float32) - 0.5)
    return np.repeat(plane[:, :, None], channels, axis=2).astype(np.float32)


def noise(sigma: float, channels: int, seed: int = 0) -> FloatArray:
    drawn = np.random.default_rng(seed).normal(0, sigma / 255, (200, 300, channels))
    return drawn.astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_far_stronger_than_the_noise_stays(name: str, channels: int) -> None:
    seen = of(PATTERNS[name], 255, channels)
    flat = np.full_like(seen, np.median(seen))
    np.testing.assert_allclose(put_back_what_is_not_noise(seen, flat, 5), seen, atol=1e-6)


@pytest.mark.parametrize("sigma", [2, 15, 50])
def test_of_colour_white_noise_of_that_sigma_goes_bit_for_bit(sigma: float) -> None:
    clean = np.full((200, 300, 3), 0.5, np.float32)
    assert np.array_equal(put_back_what_is_not_noise(clean + noise(sigma, 3), clean.copy(), sigma), clean)


def test_of_gray_white_noise_next_to_none_stays() -> None:
    clean = np.full((200, 300, 1), 0.5, np.float32)
    left = put_back_what_is_not_noise(clean + noise(25, 1), clean.copy(), 25) - clean
    assert left.std() * 255 < 0.002 * 25


def test_noise_of_one_and_a_half_times_the_sigma_told_still_goes() -> None:
    clean = np.full((200, 300, 3), 0.5, np.float32)
    left = put_back_what_is_not_noise(clean + noise(15, 3), clean.copy(), 10) - clean
    assert left.std() * 255 < 0.1


def test_a_pattern_as_weak_as_the_noise_may_be_taken_for_it() -> None:
    seen = of(PATTERNS["checkerboard"], 2 * 5)  # of a root mean square of 5
    flat = np.full_like(seen, 0.5)
    assert np.array_equal(put_back_what_is_not_noise(seen, flat.copy(), 5), flat)


def test_the_result_lies_between_what_was_seen_and_what_the_network_made() -> None:
    seen = np.random.default_rng(1).random((50, 60, 3), dtype=np.float32)
    cleaned = np.random.default_rng(2).random((50, 60, 3), dtype=np.float32)
    made = put_back_what_is_not_noise(seen, cleaned.copy(), 40)
    low, high = np.minimum(seen, cleaned) - 1e-6, np.maximum(seen, cleaned) + 1e-6
    assert np.all((made >= low) & (made <= high))
    assert not np.array_equal(made, seen)
    assert not np.array_equal(made, cleaned)


def test_rows_do_not_depend_on_each_other() -> None:
    seen = np.random.default_rng(1).random((150, 60, 3), dtype=np.float32)
    cleaned = np.random.default_rng(2).random((150, 60, 3), dtype=np.float32)
    whole = put_back_what_is_not_noise(seen, cleaned.copy(), 40)
    for top, bottom in ((0, 16), (16, 129), (129, 150)):
        band = put_back_what_is_not_noise(seen[top:bottom], cleaned[top:bottom].copy(), 40)
        assert np.array_equal(band, whole[top:bottom])


def test_colours_that_transparency_hides_do_not_count() -> None:
    seen = np.full((8, 20, 3), 0.5, np.float32)
    seen[:, 10:] = 1
    hidden = seen[:, :, 0] == 1
    cleaned = np.full_like(seen, 0.5)
    cleaned[:, :10] += np.float32(1 / 255)
    made = put_back_what_is_not_noise(seen, cleaned.copy(), 1, hidden)
    assert np.array_equal(made[:, :10], cleaned[:, :10])


def test_without_noise_nothing_is_taken_out() -> None:
    seen = np.random.default_rng(1).random((9, 30, 3), dtype=np.float32)
    made = put_back_what_is_not_noise(seen, np.full_like(seen, 0.5), 0)
    np.testing.assert_allclose(made, seen, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "limited"),
    [
        (Denoise(1.0), True),
        (Denoise(1.0, strength=1.5), True),
        (Denoise(200.0), False),  # that much could be noise
        (Denoise(), False),
        (Denoise(noise="real"), False),
    ],
)
def test_only_a_sigma_that_is_known_limits_what_is_taken_out(task: Denoise, limited: bool) -> None:
    photo = Photo(of(PATTERNS["checkerboard"], 200)[:6, :9])
    made = restored(photo, task, Stub(lambda x: x * 0.5))
    np.testing.assert_allclose(made.pixels, photo.pixels * (1 if limited else 0.5), atol=1e-6)


def test_an_estimated_sigma_limits_weights_for_white_noise() -> None:
    photo = Photo(0.5 + noise(12, 3))
    network = Stub(lambda x: torch.zeros_like(x) + 1)
    task = Denoise(noise="gaussian")
    need = task.examine(photo)
    assert need.level == pytest.approx(12, rel=0.2)
    assert need.level is not None and need.level * NEVER < 100  # all that the network does is beyond
    np.testing.assert_allclose(restored(photo, task, network, need).pixels, photo.pixels, atol=1e-6)
