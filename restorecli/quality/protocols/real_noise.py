"""Denoising what cameras make: a synthetic camera's noise, or pairs of a shot and the mean of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from restorecli.photo import FloatArray
from restorecli.quality import baselines
from restorecli.quality.camera_noise import draw_camera, shoot
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.quality.protocols.denoise import full_luma
from restorecli.tasks.base import Task
from restorecli.tasks.denoise import Denoise

ISOS = (1600, 3200, 6400)
SHOT_PER_ISO = 5e-7
"""Shot noise at full scale ÷ ISO, so that the mean PSNR of Kodak pictures is that of CC15 at the same ISO."""
STRENGTHS = (4, 8, 12)
"""Sigmas to try non-local means with, since no one number is right for this noise; the best one counts."""


class _RealNoise(Protocol):
    """What both have in common: the command as it decides by itself, beside non-local means."""

    task: ClassVar[str] = "denoise"

    def undo(self) -> Task:
        """Denoise as without options: photos whose noise is not seen are left alone."""
        return Denoise(noise="real")

    def methods(self) -> Sequence[Method]:
        """The noisy image, non-local means of several strengths."""
        means: list[Method] = [
            (f"non-local means, σ {sigma}", partial(baselines.plain_non_local_means, sigma=sigma))
            for sigma in STRENGTHS
        ]
        return [("noisy", to_bytes), *means]


@dataclass(frozen=True)
class CameraProtocol(_RealNoise):
    """The noise of a camera drawn for each image, of the shot noise of an ISO; see `quality.camera_noise`.

    Attributes:
        iso: sensitivity; shot noise grows with it.
        gray: colour images are measured on their luma.
    """

    iso: int
    gray: bool = False

    @property
    def name(self) -> str:
        """Short."""
        return f"denoise-iso{self.iso}{'-gray' * self.gray}"

    @property
    def title(self) -> str:
        """In a sentence."""
        of = "luma" if self.gray else "all channels"
        return f"noise of a synthetic camera at about ISO {self.iso}, 8 bit; PSNR and SSIM over {of}, 8 bit"

    def truth(self, image: Bytes) -> Bytes:
        """Take luma (0.299 R + 0.587 G + 0.114 B) where gray is measured."""
        return full_luma(image) if self.gray else image

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Shoot; gray images as equal channels, of which the luma is kept."""
        rng = np.random.default_rng((seed, self.iso))
        camera = draw_camera(rng, (SHOT_PER_ISO * self.iso,) * 2)
        if truth.shape[2] == 3:
            return as_float(shoot(truth, camera, rng))
        return as_float(full_luma(shoot(np.repeat(truth, 3, axis=2), camera, rng)))


@dataclass(frozen=True)
class RealPairs(_RealNoise):
    """Pictures that a camera took, and what they should be: such as the mean of many shots."""

    @property
    def name(self) -> str:
        """Short."""
        return "denoise-real"

    @property
    def title(self) -> str:
        """In a sentence."""
        return "noise as the camera made it, beside the set's clean pictures; PSNR and SSIM over all channels"

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Give the clean picture: a set of pairs brings its noisy ones."""
        return as_float(truth)
