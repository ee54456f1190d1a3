"""Take blur out of photos: what lies evenly over the whole photo is divided out, a network does the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from restorecli.imaging.blur.deconvolution import deconvolved
from restorecli.imaging.colour import linear_to_srgb, luma, srgb_to_linear
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import Job, Need
from restorecli.tasks.estimate.even_blur import even_blur
from restorecli.tasks.same_size import SameSize, picture_inputs, visible

_ROWS = 256
IN_PARTS = "too large to be held: even blur was not looked for, the network alone deblurred it"


@dataclass(frozen=True)
class Blurred(Need):
    """What a photo needs that is blurred evenly.

    Attributes:
        kernel: the blur, see `even_blur`.
    """

    kernel: FloatArray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Deblur(SameSize):
    """Divide an even blur out, and put the result through a network.

    Attributes:
        preparing: bytes a pixel that `prepare` takes at most beside the photo, its own result with it.
    """

    suffix: str = "deblur"
    preparing: ClassVar[int] = 32

    def examine(self, photo: Photo) -> Need:
        """Estimate the blur that lies evenly over the photo."""
        channels = 1 if photo.is_gray else 3
        kernel = even_blur(_light(visible(photo)))
        if kernel is None:
            return Blurred(channels, details={"even_blur": "none"})
        size = " × ".join(f"{pixels}" for pixels in extent(kernel))
        note = f"one blur of {size} pixels lies over the whole photo: divided out before the network"
        return Blurred(
            channels, notes=(note,), details={"even_blur": size.replace(" × ", "x")}, kernel=kernel
        )

    def examine_parts(self, sample: Photo) -> Need:
        """Leave it to the network: a blur cannot be divided out of a part without what lies around it."""
        channels = 1 if sample.is_gray else 3
        return Need(channels, notes=(IN_PARTS,), details={"even_blur": "not looked for"})

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Divide the blur out, and give the network the colours."""
        if not isinstance(need, Blurred) or need.kernel is None:
            return super().prepare(photo, need, network)
        sharper = linear_to_srgb(deconvolved(srgb_to_linear(visible(photo)), need.kernel))
        return Job(photo, picture_inputs(replace(photo, pixels=sharper), network))


def _light(pixels: FloatArray) -> FloatArray:
    """Return the luma of linear light, H×W, made of some rows after the other to take little memory."""
    light = np.empty(pixels.shape[:2], np.float32)
    for top in range(0, len(pixels), _ROWS):
        rows = srgb_to_linear(pixels[top : top + _ROWS])
        light[top : top + _ROWS] = (luma(rows) if rows.shape[2] == 3 else rows)[..., 0]
    return light


def extent(kernel: FloatArray) -> tuple[int, int]:
    """Return the width and the height of what a kernel covers, in pixels."""
    used = kernel > kernel.max() / 20
    sides = [np.flatnonzero(used.any(axis)) for axis in (0, 1)]
    return int(np.ptp(sides[0])) + 1, int(np.ptp(sides[1])) + 1
