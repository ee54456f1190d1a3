"""Removing JPEG artifacts: libjpeg's compression, scores over all channels, PSNR-B beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restorecli.photo import FloatArray
from restorecli.quality import baselines
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.quality.scores import luma, psnr_b
from restorecli.tasks.base import Task
from restorecli.tasks.dejpeg import Dejpeg


@dataclass(frozen=True)
class DejpegProtocol(Protocol):
    """libjpeg's compression; scores over all channels, PSNR-B beside them.

    Attributes:
        quality: libjpeg's; None only for pairs, where it is estimated.
        gray: colour images are measured on their luma.
    """

    quality: int | None
    gray: bool = False
    task: ClassVar[str] = "dejpeg"

    @property
    def level(self) -> float | None:
        """The quality."""
        return self.quality

    @property
    def name(self) -> str:
        """Short."""
        return f"dejpeg-q{self.quality or 'auto'}{'-gray' * self.gray}"

    @property
    def title(self) -> str:
        """In a sentence."""
        what = (
            "BT.601 luma (16–235, 8 bit) as a gray image"
            if self.gray
            else "4:2:0 chroma where there is colour"
        )
        quality = self.quality or "unknown"
        return f"JPEG quality {quality}, {what}; PSNR, SSIM and PSNR-B over all channels, 8 bit"

    def truth(self, image: Bytes) -> Bytes:
        """Take luma where gray is measured; gray files are luma already."""
        if not self.gray or image.shape[2] == 1:
            return image
        return np.rint(luma(image)).astype(np.uint8)[:, :, None]

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Compress."""
        assert self.quality is not None
        return as_float(baselines.compressed(truth, self.quality))

    def undo(self) -> Task:
        """Take the artifacts out."""
        return Dejpeg(self.quality)

    def methods(self) -> Sequence[Method]:
        """The JPEG, and the average over shifted JPEGs."""
        methods: list[Method] = [("JPEG", to_bytes)]
        quality = self.quality
        if quality is not None:
            methods.append(("shifted JPEG", lambda image: baselines.shifted_jpeg(to_bytes(image), quality)))
        return methods

    def scores(self, result: Bytes, truth: Bytes) -> dict[str, float]:
        """Over all channels."""
        return {**super().scores(result, truth), "psnr_b": psnr_b(result, truth)}
