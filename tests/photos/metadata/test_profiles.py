"""Colour profiles: what does not depend on the file they come from."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from restorecli.imaging import icc
from restorecli.photo import Metadata
from restorecli.photos.metadata import profiles
from restorecli.photos.raster import Raster

ADOBE = icc.rgb_profile(
    (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), icc.gamma_curve(563 / 256), "wide"
)
RNG = np.random.default_rng(11)


def test_colours_are_converted_where_the_system_gives_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = RNG.random((40, 30, 3), dtype=np.float32)
    metadata = Metadata(profile=ADOBE, working=profiles.NATIVE)
    monkeypatch.setattr(profiles, "_PIXELS_AT_ONCE", 90)
    given = profiles.to_srgb(pixels, metadata)
    assert np.abs(given - pixels).max() > 0.01

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    over = pixels.copy()
    profiles._transform(over, ADOBE, icc.working_profile("srgb"), "rgb", over=over)
    np.testing.assert_array_equal(np.clip(over, 0, 1), given, strict=True)
    np.testing.assert_array_equal(profiles.to_srgb(pixels, metadata), given, strict=True)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_profile_is_applied_without_a_second_picture_in_memory(depth: type) -> None:
    side, peak = 1500, np.iinfo(depth).max
    samples = (RNG.random((side, side, 3)) * peak).astype(depth)
    raster = Raster(samples, "rgb", float(peak), icc=ADOBE)
    profiles.to_working(replace(raster, samples=samples[:8, :8]))  # what is made once
    tracemalloc.start()
    pixels, _, working = profiles.to_working(raster)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert working != "srgb" and pixels.dtype == np.float32
    assert most < 1.5 * pixels.nbytes
