"""Enlarge: colour through the network, gray as three equal channels, alpha beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from torch import Tensor

from restorecli.imaging.resample import resize
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import Job, Need, one_of_rows
from restorecli.tasks.channels import bleed_colour, fit, is_beyond, merge

BEYOND = "values outside 0–1 were enlarged by bicubic interpolation, the rest by the network"


@dataclass(frozen=True)
class Upscale:
    """Enlarge by ``scale``, then resize by ``then``.

    Attributes:
        scale: output side ÷ input side of the network's work; one that keeps the size is fed the bicubic
            enlargement.
        then: a bicubic resize after the network, for factors no network has.
    """

    scale: int
    then: Fraction = Fraction(1)

    @property
    def suffix(self) -> str:
        """What output names end in."""
        return f"upscale-x{float(self.scale * self.then):g}"

    def examine(self, photo: Photo) -> Need:
        """Ask for nothing special; no network has gray weights of its own."""
        return Need(channels=1 if photo.is_gray else 3)

    def row_jobs(self, job: Job) -> tuple[Job, ...]:
        """Rows are finished apart where nothing is beyond 0–1 or resized later; alpha after colours."""
        photo, alpha = job.photo, job.photo.alpha
        if self.then != 1 or is_beyond(photo.pixels):
            return ()
        if alpha is None or _is_constant(alpha):
            return one_of_rows(job)
        if len(job.inputs) != 2:
            return ()
        seen = replace(photo, pixels=alpha[:, :, None], alpha=None)
        return Job(replace(photo, alpha=None), job.inputs[:1]), Job(seen, job.inputs[1:])

    def only_clips(self, job: Job) -> bool:
        """Whether the network's output is the result, as it is wherever rows are finished apart."""
        return True

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give the network the colours, equal channels of gray, and alpha where it varies.

        Colour under full transparency is unknown; it is filled from the nearest visible pixel, so that no
        fringe of a hidden colour grows into what is visible.
        """
        before = self.scale // network.scale
        pixels = photo.pixels
        if photo.alpha is not None:
            pixels = bleed_colour(pixels, photo.alpha)
        inputs = [*fit(_enlarged(pixels, before), network)]
        if photo.alpha is not None and not _is_constant(photo.alpha):
            inputs += fit(_enlarged(photo.alpha[:, :, None], before), network)
        return Job(photo, tuple(inputs))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put gray, alpha and what lay beyond 0–1 back. A constant alpha is kept exactly."""
        photo, alpha = job.photo, job.photo.alpha
        varies = alpha is not None and not _is_constant(alpha)
        pixels = self._resized(merge(outputs[: len(outputs) - varies], photo.is_gray))
        height, width = pixels.shape[:2]
        warnings = photo.warnings
        if is_beyond(photo.pixels):
            beyond = photo.pixels - np.clip(photo.pixels, 0, 1)
            pixels = pixels + resize(beyond, height, width, float(self.scale * self.then))
            warnings = (*warnings, BEYOND)
        if varies:
            alpha = self._resized(merge(outputs[-1:], True))[:, :, 0]
        elif alpha is not None:
            alpha = np.full((height, width), alpha.flat[0], dtype=np.float32)
        return replace(photo, pixels=pixels, alpha=alpha, warnings=warnings)

    def _resized(self, pixels: FloatArray) -> FloatArray:
        if self.then == 1:
            return pixels
        height, width = (round_half_up(side * self.then) for side in pixels.shape[:2])
        return np.clip(resize(pixels, height, width, float(self.then)), 0, 1)


def round_half_up(value: Fraction) -> int:
    """Return the nearest whole number, the greater one of two, and 1 at least."""
    return max(1, (2 * value + 1) // 2)


def _enlarged(pixels: FloatArray, factor: int) -> FloatArray:
    if is_beyond(pixels):
        pixels = np.clip(pixels, 0, 1)
    if factor == 1:
        return pixels
    height, width = (factor * side for side in pixels.shape[:2])
    return np.clip(resize(pixels, height, width, float(factor)), 0, 1)


def _is_constant(alpha: FloatArray) -> bool:
    return bool(alpha.min() == alpha.max())
