"""Colour profiles: what does not depend on the file they come from."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from restorecli.imaging import icc
from restorecli.photo import Metadata
from restorecli.photos.metadata import profiles

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
    np.testing.assert_array_equal(profiles.to_srgb(pixels, metadata), given, strict=True)
