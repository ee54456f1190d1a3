from __future__ import annotations

import numpy as np
import pytest

from restorecli.imaging.blur.deconvolution import deconvolved, deconvolved_plane, endless, transfer
from restorecli.quality.degradations.blur import convolved, motion_kernel
from tests.tasks.estimate.test_even_blur import scene


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.mark.parametrize("seed", range(3))
def test_a_known_blur_is_undone_but_for_two_fifths_of_the_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, kernel = scene(seed), motion_kernel(rng, 15)
    seen = convolved(truth, kernel) + rng.normal(0, 0.002, truth.shape).astype(np.float32)
    made = deconvolved(seen, kernel)
    assert made.dtype == np.float32 and made.min() >= 0 and made.max() <= 1
    assert error(made, truth) < 0.4 * error(seen, truth)


def test_where_nothing_blurred_next_to_nothing_changes() -> None:
    truth = scene(4)
    assert error(deconvolved(truth, np.ones((1, 1), np.float32)), truth) < 0.004


def test_blocks_show_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    kernel = motion_kernel(rng, 9)
    seen = convolved(scene(5), kernel)
    whole = deconvolved(seen, kernel)
    monkeypatch.setattr("restorecli.imaging.blur.deconvolution._BLOCK", 100)
    apart = deconvolved(seen, kernel) - whole
    for place in (100, 200):
        for axis in (0, 1):
            seam = np.take(apart, place, axis) - np.take(apart, place - 1, axis)
            assert np.abs(seam).max() < 0.01


def test_the_transfer_function_is_that_of_convolution() -> None:
    rng = np.random.default_rng(6)
    kernel, plane = motion_kernel(rng, 7), rng.random((40, 51), np.float32)
    reach = kernel.shape[0] // 2
    ours = np.fft.irfft2(np.fft.rfft2(plane) * transfer(kernel, *plane.shape), s=plane.shape)
    usual = convolved(np.pad(plane, reach, mode="wrap")[..., None], kernel)[..., 0]
    assert np.allclose(ours, usual[reach:-reach, reach:-reach], atol=1e-5)


def test_a_plane_is_continued_without_an_edge() -> None:
    rng = np.random.default_rng(7)
    kernel = motion_kernel(rng, 9)
    plane = convolved(scene(7), kernel)[..., 0]
    wide, top, left = endless(plane, kernel)
    inside = wide[top : top + plane.shape[0], left : left + plane.shape[1]]
    assert np.allclose(inside, plane, atol=1e-6)
    steps = [np.abs(np.diff(wide, axis=axis)).max() for axis in (0, 1)]
    around = [np.abs(wide.take(0, axis) - wide.take(-1, axis)).max() for axis in (0, 1)]
    assert all(seam <= 1.2 * step for seam, step in zip(around, steps, strict=True))
    assert deconvolved_plane(plane, kernel).shape == plane.shape
