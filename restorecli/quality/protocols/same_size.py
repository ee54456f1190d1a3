"""Deblurring and enhancing: blur and darkness that are drawn for each image, or pairs of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restorecli.errors import UsageError
from restorecli.photo import FloatArray
from restorecli.quality import baselines
from restorecli.quality.degradations.blur import LONGEST, RADII, blurred, draw_disc, draw_motion
from restorecli.quality.degradations.darkness import STOPS, draw_dark
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.tasks.base import Task
from restorecli.tasks.brighten import Brighten
from restorecli.tasks.deblur import Deblur
from restorecli.tasks.same_size import SameSize

BLURS = {"motion": draw_motion, "defocus": draw_disc}
"""What blurs → what draws its kernel."""
NOISE = (0.5, 2.5)
"""Standard deviations of the noise of blurred pictures, on the 0–255 scale."""


class DeblurProtocol(Protocol):
    """Blurred photos and sharp ones of the same moment."""

    task: ClassVar[str] = "deblur"

    @property
    def name(self) -> str:
        """The task."""
        return self.task

    @property
    def title(self) -> str:
        """In a sentence."""
        return "PSNR and SSIM over all channels, 8 bit"

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Refuse: the pairs bring their own.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"pairs to {self.task} bring their degraded images", "give pairs: --pairs LQ HQ")

    def undo(self) -> Task:
        """Restore at the same size."""
        return SameSize(self.task)

    def methods(self) -> Sequence[Method]:
        """The degraded image."""
        return [("degraded", to_bytes)]


class EnhanceProtocol(DeblurProtocol):
    """Dark or plain photos and what they should look like."""

    task: ClassVar[str] = "enhance"


@dataclass(frozen=True)
class BlurProtocol(DeblurProtocol):
    """A blur and a little noise, drawn for each image.

    Attributes:
        kind: one of `BLURS`.
    """

    kind: str

    @property
    def name(self) -> str:
        """The task and the blur."""
        return f"{self.task}-{self.kind}"

    @property
    def title(self) -> str:
        """In a sentence."""
        size = (
            f"3 to {LONGEST:g} pixels long"
            if self.kind == "motion"
            else f"of radius {RADII[0]:g} to {RADII[1]:g}"
        )
        what = f"a shaken camera's, {size}" if self.kind == "motion" else f"missed focus, a disc {size}"
        noise = f"white noise of σ {NOISE[0]:g} to {NOISE[1]:g}"
        return (
            f"blur in linear light ({what}), {noise}, 8 bit; where it can be told it is divided out "
            "before the network; PSNR and SSIM over all channels"
        )

    @property
    def degradation(self) -> str:
        """The blur."""
        return self.kind

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Blur, add noise, round."""
        rng = np.random.default_rng((seed, list(BLURS).index(self.kind)))
        degraded = blurred(truth, BLURS[self.kind](rng))
        noise = rng.standard_normal(truth.shape, dtype=np.float32) * np.float32(rng.uniform(*NOISE) / 255)
        return as_float(to_bytes(degraded + noise))

    def undo(self) -> Task:
        """Divide the blur out as far as it can be told, then the network."""
        return Deblur(self.task)

    def methods(self) -> Sequence[Method]:
        """The blurred image, an unsharp mask."""
        return [
            ("blurred", to_bytes),
            ("unsharp mask", lambda given: baselines.unsharp_mask(to_bytes(given))),
        ]


@dataclass(frozen=True)
class DarkProtocol(EnhanceProtocol):
    """Too little light and the noise it brings, drawn for each image."""

    @property
    def name(self) -> str:
        """The task and what is wrong."""
        return "enhance-dark"

    @property
    def title(self) -> str:
        """In a sentence."""
        return (
            f"{STOPS[0]:g} to {STOPS[1]:g} stops too little light, a synthetic camera's noise, 8 bit; "
            "PSNR and SSIM over all channels"
        )

    @property
    def degradation(self) -> str:
        """What weights are for that are given brightened photos."""
        return "light"

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Expose too little; gray images as equal channels, of which one is kept."""
        rng = np.random.default_rng((seed, len(BLURS)))
        dark = draw_dark(np.repeat(truth, 3, axis=2) if truth.shape[2] == 1 else truth, rng)
        return as_float(dark[:, :, : truth.shape[2]])

    def undo(self) -> Task:
        """Brighten, and denoise."""
        return Brighten()

    def methods(self) -> Sequence[Method]:
        """The dark image, a curve that brings its mean to that of usual photos."""
        return [("dark", to_bytes), ("curve", baselines.brightening_curve)]
