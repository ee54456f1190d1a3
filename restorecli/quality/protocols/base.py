"""What a protocol is: how images are degraded, which task undoes it, and what is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from restorecli.loading import Fixed
from restorecli.photo import FloatArray, Photo
from restorecli.quality.degrade import Bytes
from restorecli.quality.scores import psnr, ssim
from restorecli.tasks.base import Task

Method = tuple[str, Callable[[FloatArray], Bytes]]
"""A name, and what it makes of a degraded image."""


class Protocol(ABC):
    """How one task is measured. Images are H×W×C uint8, C = 1 (gray) or 3, if not said otherwise.

    Attributes:
        task: one of `models.registry.TASKS`.
    """

    task: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """Short, for file names and rows: "upscale-x4"."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is done, in a sentence."""

    @property
    def factor(self) -> int | None:
        """Of upscaling; None for other tasks."""
        return None

    @property
    def level(self) -> float | None:
        """Noise sigma or JPEG quality; None where the task has none."""
        return None

    @property
    def degradation(self) -> str | None:
        """Which of the task's weights are meant; None for those of its usual degradation."""
        return None

    @property
    def rivals(self) -> Sequence[str]:
        """Other degradations, whose light weights are set beside where no model is named."""
        return ()

    @property
    def run(self) -> Fixed:
        """How the engine is to run the network; see `stages.Stage.run`."""
        return {}

    def truth(self, image: Bytes) -> Bytes:
        """Return the clean image as it is compared with: cropped, or its luma."""
        return image

    @abstractmethod
    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Return what a network is to restore, float32, 0–1 (noise may go beyond)."""

    def photo(self, degraded: FloatArray) -> Photo:
        """Return the photo that a user would have: the degraded pixels, and what its file tells of them."""
        return Photo(degraded)

    def two_steps(self) -> tuple[Task, Task] | None:
        """Return the tasks of the usual way, by which the protocol's own is to be judged; None for none."""
        return None

    @abstractmethod
    def undo(self) -> Task:
        """Return the task that restores it."""

    @abstractmethod
    def methods(self) -> Sequence[Method]:
        """Return what results are set beside: the degraded image itself first, then classical methods."""

    def scores(self, result: Bytes, truth: Bytes) -> dict[str, float]:
        """Return PSNR in dB and SSIM over the whole image, and what else the papers of the task report."""
        return {"psnr": psnr(result, truth, border=0), "ssim": ssim(result, truth, border=0)}


def as_float(image: Bytes) -> FloatArray:
    """Return an 8-bit image in 0–1."""
    return image.astype(np.float32) / np.float32(255)
