"""Photos taken with too little light: darkened in linear light, with the noise that a camera then has."""

from __future__ import annotations

import numpy as np

from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.degrade import Bytes, to_bytes

STOPS = (1.5, 4.0)
"""Stops by which pictures are darkened that are drawn."""
SHOT = (3e-5, 6e-4)
"""Shot noise at full scale that is drawn; in the dark it is seen once the picture is made brighter."""


def darkened(clean: Bytes, stops: float, shot: tuple[float, float], rng: np.random.Generator) -> Bytes:
    """Expose a picture ``stops`` less, as a camera drawn from ``rng`` does.

    Args:
        clean: H×W×3 sRGB, uint8.
        stops: halvings of the light.
        shot: range of the shot noise; see `camera_noise.draw_camera`.
        rng: of camera and noise.

    Returns:
        H×W×3 uint8.
    """
    light = srgb_to_linear(clean.astype(np.float32) / np.float32(255)) * np.float32(2.0**-stops)
    return shoot(to_bytes(linear_to_srgb(light)), draw_camera(rng, shot), rng)


def draw_dark(clean: Bytes, rng: np.random.Generator) -> Bytes:
    """Darken a picture by `STOPS`, with noise of `SHOT`, both drawn."""
    return darkened(clean, float(rng.uniform(*STOPS)), SHOT, rng)
