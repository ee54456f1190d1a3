"""Enlarge: colour through the network, gray as three equal channels, alpha beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from restorecli.colour import luma
from restorecli.photo import FloatArray, Photo
from restorecli.resample import resize
from restorecli.tasks.base import Job, to_pixels, to_tensor

BEYOND = "values beyond 0–1 were enlarged by bicubic interpolation, the rest by the network"


@dataclass(frozen=True)
class Upscale:
    """Enlarge by ``scale``.

    Attributes:
        scale: output side ÷ input side.
        enlarge_first: the network keeps the size, so its input is enlarged bicubically before it.
    """

    scale: int
    enlarge_first: bool = False

    @property
    def suffix(self) -> str:
        """What output names end in."""
        return f"upscale-x{self.scale}"

    def prepare(self, photo: Photo) -> Job:
        """Give the network the colours, three equal channels of gray, and alpha where it varies.

        Colour under full transparency is unknown; it is filled from the nearest visible pixel, so that no
        fringe of a hidden colour grows into what is visible.
        """
        pixels = photo.pixels
        if photo.alpha is not None:
            pixels = bleed_colour(pixels, photo.alpha)
        inputs = [self._input(pixels)]
        if photo.alpha is not None and not _is_constant(photo.alpha):
            inputs.append(self._input(photo.alpha[:, :, None]))
        return Job(photo, tuple(inputs))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put gray, alpha and what lay beyond 0–1 back. A constant alpha is kept exactly."""
        photo = job.photo
        pixels = _result(outputs[0], photo.is_gray)
        beyond = photo.pixels - np.clip(photo.pixels, 0, 1) if _is_beyond(photo.pixels) else None
        warnings = photo.warnings
        if beyond is not None:
            height, width = pixels.shape[:2]
            pixels = pixels + resize(beyond, height, width, float(self.scale))
            warnings = (*warnings, BEYOND)
        alpha = photo.alpha
        if alpha is not None:
            constant = np.full(pixels.shape[:2], alpha.flat[0], dtype=np.float32)
            alpha = _result(outputs[1], True)[:, :, 0] if len(outputs) > 1 else constant
        return replace(photo, pixels=pixels, alpha=alpha, warnings=warnings)

    def _input(self, pixels: FloatArray) -> Tensor:
        if _is_beyond(pixels):
            pixels = np.clip(pixels, 0, 1)
        if self.enlarge_first:
            height, width = (self.scale * side for side in pixels.shape[:2])
            pixels = np.clip(resize(pixels, height, width, float(self.scale)), 0, 1)
        tensor = to_tensor(pixels)
        return tensor.expand(-1, 3, -1, -1) if pixels.shape[2] == 1 else tensor


def bleed_colour(pixels: FloatArray, alpha: FloatArray) -> FloatArray:
    """Fill the colour of fully transparent pixels from the nearest pixel that is not.

    Args:
        pixels: H×W×C.
        alpha: H×W, 0 is transparent.

    Returns:
        H×W×C; the input itself where nothing, or everything, is transparent.
    """
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = pixels.copy()
    filled[hidden] = pixels[rows[hidden], columns[hidden]]
    return filled


def _result(output: Tensor, gray: bool) -> FloatArray:
    with torch.inference_mode():
        pixels = to_pixels(output.clamp_(0, 1))
    return luma(pixels) if gray else pixels


def _is_constant(alpha: FloatArray) -> bool:
    return bool(alpha.min() == alpha.max())


def _is_beyond(pixels: FloatArray) -> bool:
    return bool(pixels.min() < 0 or pixels.max() > 1)
