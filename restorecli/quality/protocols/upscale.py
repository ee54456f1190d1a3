"""Upscaling: MATLAB's bicubic shrinking, scores on luma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restorecli.photo import FloatArray
from restorecli.quality import baselines
from restorecli.quality.degradations.small_photo import draw_past, made_small
from restorecli.quality.degrade import Bytes, crop_to_multiple, imresize, shrink, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.quality.scores import luma, psnr, ssim
from restorecli.tasks.base import Task
from restorecli.tasks.upscale import Upscale


@dataclass(frozen=True)
class UpscaleProtocol(Protocol):
    """MATLAB's bicubic shrinking; scores on luma."""

    scale: int
    task: ClassVar[str] = "upscale"

    @property
    def factor(self) -> int:
        """The scale."""
        return self.scale

    @property
    def name(self) -> str:
        """Short."""
        return f"upscale-x{self.scale}"

    @property
    def title(self) -> str:
        """In a sentence."""
        return (
            f"×{self.scale}: cropped to a multiple of {self.scale}, shrunk by MATLAB's bicubic to 8 bit; "
            f"PSNR and SSIM on BT.601 luma (16–235) of the 8-bit result, {self.scale} pixels cut all round"
        )

    def truth(self, image: Bytes) -> Bytes:
        """Crop; gray becomes three equal channels, as the papers' files are."""
        cropped = crop_to_multiple(image, self.scale)
        return cropped if cropped.shape[2] == 3 else np.repeat(cropped, 3, axis=2)

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Shrink."""
        return as_float(shrink(truth, self.scale))

    def undo(self) -> Task:
        """Enlarge."""
        return Upscale(self.scale)

    def methods(self) -> Sequence[Method]:
        """Bicubic, Lanczos."""
        return [
            ("bicubic", lambda small: self._bicubic(to_bytes(small))),
            ("Lanczos", lambda small: baselines.lanczos(to_bytes(small), self.scale)),
        ]

    def scores(self, result: Bytes, truth: Bytes) -> dict[str, float]:
        """On luma."""
        found, clean = luma(result), luma(truth)
        return {
            "psnr": psnr(found, clean, border=self.scale),
            "ssim": ssim(found, clean, border=self.scale),
        }

    def _bicubic(self, small: Bytes) -> Bytes:
        height, width = (side * self.scale for side in small.shape[:2])
        return imresize(small, height, width, self.scale)


class RealUpscaleProtocol(UpscaleProtocol):
    """A past drawn for each image: blur, resizing, a camera's noise, JPEG; see `degradations.small_photo`."""

    @property
    def name(self) -> str:
        """Short."""
        return f"upscale-real-x{self.scale}"

    @property
    def title(self) -> str:
        """In a sentence."""
        return (
            f"×{self.scale}: cropped to a multiple of {self.scale}, blurred, resized, noisy, compressed as "
            "real photos are; PSNR and SSIM on BT.601 luma (16–235) of the 8-bit result, "
            f"{self.scale} pixels cut all round"
        )

    @property
    def degradation(self) -> str:
        """Real photos."""
        return "real"

    @property
    def rivals(self) -> Sequence[str]:
        """Weights for photos that were shrunk with care."""
        return ("bicubic",)

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Draw what happened, and let it."""
        rng = np.random.default_rng((seed, self.scale))
        return as_float(made_small(truth, self.scale, draw_past(rng, self.scale), rng))
