"""Demosaicing: a Bayer mosaic without noise, scores over RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restorecli.imaging import bayer
from restorecli.loading import Fixed
from restorecli.photo import FloatArray
from restorecli.quality import baselines
from restorecli.quality.degrade import Bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.tasks.base import Task
from restorecli.tasks.demosaic import Demosaic, mosaic_run


@dataclass(frozen=True)
class DemosaicProtocol(Protocol):
    """A Bayer mosaic without noise; scores over RGB, the whole image."""

    pattern: str = "RGGB"
    task: ClassVar[str] = "demosaic"

    @property
    def run(self) -> Fixed:
        """Keep the mosaic's phase."""
        return mosaic_run

    @property
    def name(self) -> str:
        """Short."""
        return f"demosaic-{self.pattern.lower()}"

    @property
    def title(self) -> str:
        """In a sentence."""
        return f"{self.pattern} mosaic without noise; PSNR (CPSNR) and SSIM over RGB, the whole image, 8 bit"

    def truth(self, image: Bytes) -> Bytes:
        """Gray becomes three equal channels."""
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Sample."""
        return as_float(bayer.sample(truth, self.pattern))[:, :, None]

    def undo(self) -> Task:
        """Demosaic a mosaic stored as a picture."""
        return Demosaic(self.pattern)

    def methods(self) -> Sequence[Method]:
        """Bilinear, Malvar's filters, Menon."""
        methods: list[Method] = [
            ("bilinear", lambda mosaic: baselines.bilinear(mosaic[:, :, 0], self.pattern)),
            ("Malvar", lambda mosaic: baselines.malvar(mosaic[:, :, 0], self.pattern)),
        ]
        if baselines.has_menon():
            methods.append(("Menon", lambda mosaic: baselines.menon(mosaic[:, :, 0], self.pattern)))
        return methods
