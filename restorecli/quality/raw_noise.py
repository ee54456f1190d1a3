"""The noise of a camera's samples, added to clean pictures, for benchmarks and training.

A display picture becomes linear light, is divided by white balance gains, sampled by the mosaic, and gets
shot noise (Poisson) and read noise (Gaussian); then it is cut at the sensor's saturation and balanced again.
That is the order of T. Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 3,
without a camera matrix and a tone curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from restorecli.imaging import cfa
from restorecli.imaging.colour import srgb_to_linear
from restorecli.imaging.noise_table import FULL_WELL, READ_ELECTRONS
from restorecli.photo import FloatArray, RawNoise, Triple

GAINS: Triple = (2.0, 1.0, 1.6)
"""White balance in daylight, of R, G and B."""


@dataclass(frozen=True)
class Exposure:
    """How a picture is taken.

    Attributes:
        shot: variance of a sample at saturation by its shot noise; 1 ÷ electrons at saturation.
        read: variance of a sample by read noise.
        gains: white balance; the smallest is 1.
        light: what linear light is multiplied by.
    """

    shot: float
    read: float
    gains: Triple = GAINS
    light: float = 1.0

    @property
    def sensor(self) -> RawNoise:
        """The noise of the sensor's own samples."""
        return RawNoise((self.shot,) * 3, (self.read,) * 3, "the exposure")

    @property
    def noise(self) -> RawNoise:
        """The noise of the balanced mosaic."""
        return self.sensor.multiplied(self.gains)


def at_iso(iso: float) -> Exposure:
    """Return the exposure of a usual sensor at an ISO speed: half the electrons for twice the speed."""
    electrons = FULL_WELL * 100 / iso
    return Exposure(1 / electrons, (READ_ELECTRONS / electrons) ** 2)


def draw_exposure(rng: np.random.Generator, options: Mapping[str, Any]) -> Exposure:
    """Draw an exposure for training.

    Args:
        rng: what is drawn from.
        options: ``shot`` and ``read_electrons``, each a range drawn evenly in its logarithm; ``gain``, the
            range of the red and the blue gain; ``dark``, the share of pictures that get less light, down to a
            tenth.
    """
    shot, electrons = (
        float(np.exp(rng.uniform(*np.log(options[name])))) for name in ("shot", "read_electrons")
    )
    least, most = options["gain"]
    red, blue = (float(gain) for gain in rng.uniform(least, most, size=2))
    light = float(np.exp(rng.uniform(np.log(0.1), 0))) if rng.random() < options["dark"] else 1.0
    return Exposure(shot, (electrons * shot) ** 2, (red, 1.0, blue), light)


def expose(display: FloatArray, pattern: str, exposure: Exposure, rng: np.random.Generator) -> FloatArray:
    """Return the mosaic that a camera gives of a scene, white-balanced.

    Args:
        display: H×W×3 sRGB values, 1 is white.
        pattern: of the sensor.
        exposure: how it is taken.
        rng: of the noise.

    Returns:
        H×W float32, linear, black at 0 with the noise around it, cut at the sensor's saturation.
    """
    gains = np.array(exposure.gains, np.float32)[cfa.channels(display.shape[:2], pattern)]
    light = cfa.sample(srgb_to_linear(display), pattern) * np.float32(exposure.light) / gains
    electrons = rng.poisson(np.maximum(light, 0) / exposure.shot) * exposure.shot
    noisy = electrons + rng.standard_normal(light.shape) * exposure.read**0.5
    balanced: FloatArray = (np.minimum(noisy, 1) * gains).astype(np.float32)
    return balanced
