"""Deblurring and enhancing: no formula makes their degraded images, so pairs only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from restorecli.errors import UsageError
from restorecli.photo import FloatArray
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.base import Method, Protocol
from restorecli.tasks.base import Task
from restorecli.tasks.same_size import SameSize


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
        """Refuse: there is no such formula.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"no formula makes images to {self.task} from clean ones", "give pairs: --pairs LQ HQ"
        )

    def undo(self) -> Task:
        """Restore at the same size."""
        return SameSize(self.task)

    def methods(self) -> Sequence[Method]:
        """The degraded image."""
        return [("degraded", to_bytes)]


class EnhanceProtocol(DeblurProtocol):
    """Dark or plain photos and what they should look like."""

    task: ClassVar[str] = "enhance"
