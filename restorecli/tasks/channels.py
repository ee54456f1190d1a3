"""Between a photo's channels and a network's: gray, colour, transparency, values beyond 0–1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from restorecli.errors import WeightsError
from restorecli.imaging.colour import luma
from restorecli.networks.network import Network
from restorecli.photo import FloatArray
from restorecli.tasks.base import to_pixels, to_tensor

_AT_ONCE = 64  # rows that are filled: their places take several times the bytes of their pixels


def fit(pixels: FloatArray, network: Network, maps: Mapping[str, float] | None = None) -> tuple[Tensor, ...]:
    """Turn pixels into inputs of a network, whatever its channels.

    Gray goes to a colour network as equal channels; colour goes to a gray network channel by channel.

    Args:
        pixels: H×W×1 or H×W×3, 0–1.
        network: only its channels matter.
        maps: the values of constant channels the network may take beside the picture, such as "noise map".

    Returns:
        One tensor 1×C×H×W, or three where colour meets a gray network.

    Raises:
        WeightsError: the network takes something else than a picture and one of these maps.
    """
    tensor = to_tensor(pixels)
    own, extra = network.out_channels, network.extra_input
    if own not in (1, 3) or network.in_channels != own + bool(extra):
        raise WeightsError(
            f"the weights turn {network.in_channels} channels into {own}, which is no picture for this task",
            "choose another --model or --weights",
        )
    if extra and extra not in (maps or {}):
        raise WeightsError(
            f"the weights need a {extra} as an extra input", "choose another --model or --weights"
        )
    if pixels.shape[2] == own:
        pictures = [tensor]
    elif own == 3:
        pictures = [tensor.expand(-1, 3, -1, -1)]
    else:
        pictures = [tensor[:, [channel]] for channel in range(pixels.shape[2])]
    if not maps or not extra:
        return tuple(pictures)
    plane = torch.full((1, 1, *tensor.shape[2:]), maps[extra], dtype=torch.float32)
    return tuple(torch.cat([picture, plane], dim=1) for picture in pictures)


def merge(outputs: Sequence[Tensor], gray: bool) -> FloatArray:
    """Turn a network's outputs for `fit`'s inputs back into pixels.

    Args:
        outputs: 1×C×H×W each; they are clipped to 0–1 in place.
        gray: whether the photo is gray; three channels then become their luma.

    Returns:
        H×W×1 for gray, else H×W×3; 0–1.
    """
    with torch.inference_mode():
        pixels = [to_pixels(output.clamp_(0, 1)) for output in outputs]
    whole = pixels[0] if len(pixels) == 1 else np.concatenate(pixels, axis=2)
    return luma(whole) if gray and whole.shape[2] == 3 else whole


def is_beyond(pixels: FloatArray) -> bool:
    """Whether some values lie outside 0–1."""
    return bool(pixels.min() < 0 or pixels.max() > 1)


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
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = pixels.copy()
    for top in range(0, len(pixels), _AT_ONCE):
        rows = slice(top, top + _AT_ONCE)
        down, across = nearest[:, rows][:, hidden[rows]]
        filled[rows][hidden[rows]] = pixels[down, across]
    return filled
