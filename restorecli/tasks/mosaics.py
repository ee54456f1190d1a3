"""Mosaics on their way to a network: those stored as pictures, and any in the phase and form it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from restorecli.errors import UnsupportedError, WeightsError
from restorecli.imaging import bayer, cfa, network_view, xtrans
from restorecli.imaging.choices import XTRANS
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import to_pixels, to_tensor

NOISE_MAP = "raw noise map"
"""What networks call the channel that tells how uncertain every sample is."""


@dataclass(frozen=True)
class Shown:
    """What a network is shown of a mosaic.

    Attributes:
        tensor: 1×C×H'×W' float32.
        start: rows and columns that were put before the mosaic.
        form: the network's name for its input.
    """

    tensor: Tensor
    start: tuple[int, int]
    form: str

    def colours(self, output: Tensor, height: int, width: int) -> FloatArray:
        """Return H×W×3 of a network's output for `tensor`."""
        top, left = self.start
        image = network_view.restored(to_pixels(output), self.form)
        return image[top : top + height, left : left + width]


def takes_noise(network: Network) -> bool:
    """Whether a network takes noise out of mosaics, being told how much there is."""
    return network.extra_input == NOISE_MAP


def show(mosaic: FloatArray, pattern: str, network: Network, uncertain: FloatArray | None = None) -> Shown:
    """Return what ``network`` takes of an H×W mosaic in display values.

    Bayer mosaics are extended to even sides, so that symmetries which keep the phase exist.

    Args:
        mosaic: H×W.
        pattern: of the mosaic.
        network: whose input is wanted.
        uncertain: H×W noise map for networks that take one; None for no noise.

    Raises:
        WeightsError: the network enlarges or takes no colour.
        UnsupportedError: it takes mosaics of another kind.
    """
    with_map = takes_noise(network)
    if (network.scale, network.in_channels, network.out_channels) != (1, 3 + with_map, 3):
        raise WeightsError(
            "the weights do not take a mosaic of three channels and keep its size",
            "choose another --model or --weights",
        )
    form = network.demosaic_input
    wanted = network_view.FORMS[form]
    if cfa.period(wanted) != cfa.period(pattern):
        kinds = {2: "Bayer", 6: "X-Trans"}
        raise UnsupportedError(
            f"the weights take {kinds[cfa.period(wanted)]} mosaics, and this is "
            f"{'an X-Trans' if cfa.period(pattern) == 6 else 'a Bayer'} one",
            "leave out --model and --weights",
        )
    planes = [mosaic] if uncertain is None or not with_map else [mosaic, uncertain]
    stack, start = to_phase(np.stack(planes, axis=2), pattern, wanted)
    colours = network_view.colours(np.ascontiguousarray(stack[..., 0]), form)
    if with_map:
        told = stack[..., 1:] if stack.shape[2] > 1 else np.zeros_like(stack)
        colours = np.concatenate([colours, told], axis=2)
    return Shown(to_tensor(np.ascontiguousarray(colours)), start, form)


def to_phase(planes: FloatArray, pattern: str, wanted: str) -> tuple[FloatArray, tuple[int, int]]:
    """Return H×W×C that begins with the pattern ``wanted``, and how much was put before it."""
    if cfa.period(wanted) == 6:
        return xtrans.to_phase(planes, pattern, wanted)
    planes, start = bayer.to_phase(planes, pattern, wanted)
    return np.pad(planes, [*((0, side % 2) for side in planes.shape[:2]), (0, 0)], mode="reflect"), start


def picture_mosaic(photo: Photo, pattern: str) -> tuple[str, FloatArray]:
    """Return the pattern and the H×W mosaic of an ordinary picture; its values are display values already.

    Args:
        photo: of one channel, of three equal ones, or of three where those a pixel does not hold are zero.
        pattern: one of `bayer.PATTERNS`, "XTRANS" for one that starts as `xtrans.PATTERN` does, or "auto".

    Raises:
        UnsupportedError: it holds no such mosaic.
    """
    pixels = photo.pixels
    if min(pixels.shape[:2]) < 2:
        raise UnsupportedError("a picture of fewer than 2×2 pixels is no Bayer mosaic")
    pattern = xtrans.PATTERN if pattern == XTRANS else pattern
    found = cfa.recognise_zeros(pixels, bayer.PATTERNS) or cfa.recognise_zeros(pixels, xtrans.PATTERNS)
    if found is not None and pattern in ("auto", found):
        return found, cfa.sample(pixels, found)
    if found is not None:
        raise UnsupportedError(f"the mosaic is {found}, not {pattern}", f"leave out --pattern {pattern}")
    single = photo.is_gray or bool((pixels == pixels[:, :, :1]).all())
    if pattern != "auto" and single and min(pixels.shape[:2]) < cfa.period(pattern):
        raise UnsupportedError(f"a picture of {photo.width}×{photo.height} pixels is no X-Trans mosaic")
    if pattern != "auto" and single:
        return pattern, pixels[:, :, 0]
    if single:
        raise UnsupportedError(
            "a gray picture does not say whether it is a mosaic, and which",
            "if it is one, name the colours of its top left 2×2 pixels: --pattern RGGB",
        )
    raise UnsupportedError(
        "the picture has its colours already: neither camera RAW nor a mosaic",
        "a mosaic has one channel, or three where the colours that a pixel does not hold are zero",
    )
