"""Mosaics of batches: sampled, and interpolated as linear methods do it for one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from restorecli.imaging import cfa

Float = NDArray[np.float32]
Method = Callable[[Float, str], Float]
"""Takes an H×W mosaic and a name of its own (a pattern, a form); returns H×W×3, linear in the mosaic."""

REACH = 2  # pixels around a sample that every method looks at


@cache
def held_channels(height: int, width: int, pattern: str, device: torch.device) -> Tensor:
    """Return which channel (R 0, G 1, B 2) each pixel of a mosaic holds, 1×1×H×W."""
    return torch.from_numpy(cfa.channels((height, width), pattern))[None, None].to(device)


def sampled(images: Tensor, pattern: str) -> Tensor:
    """Return the mosaics, B×1×H×W, of B×3×H×W."""
    held = held_channels(images.shape[2], images.shape[3], pattern, images.device)
    return images.gather(1, held.expand(len(images), -1, -1, -1))


def interpolated(mosaic: Tensor, method: Method, name: str, period: int) -> Tensor:
    """Interpolate B×1×H×W to B×3×H×W; beyond its borders a mosaic is mirrored about the outermost pixels.

    Args:
        mosaic: from the first pixel of the pattern on.
        method: what would do it for one, on the host; it must be a function of a module.
        name: what the method is called with.
        period: pixels after which the pattern, and so what the method does, repeats.
    """
    height, width = mosaic.shape[2:]
    down, right = -height % period, -width % period
    around = F.pad(mosaic, (REACH, REACH + right, REACH, REACH + down), mode="reflect")
    # a product of matrices: convolutions round to 10 bits on a GPU where nobody forbade it
    columns = F.unfold(around, period + 2 * REACH, stride=period)
    sites = _weights(method, name, period, mosaic.device) @ columns
    blocks = sites.view(*sites.shape[:2], (height + down) // period, -1)
    return F.pixel_shuffle(blocks, period)[:, :, :height, :width]


@cache
def _weights(method: Method, name: str, period: int, device: torch.device) -> Tensor:
    """Return what a method makes of the samples around one period: 3·period²×(period + 2·`REACH`)².

    It is linear, so its answers to single samples tell.
    """
    side = period + 2 * REACH
    first = period * -(-2 * REACH // period)  # so far from the borders that they do not matter
    answers = []
    for place in range(side**2):
        mosaic = np.zeros((2 * first + period,) * 2, np.float32)
        mosaic[first - REACH + place // side, first - REACH + place % side] = 1
        block = method(mosaic, name)[first : first + period, first : first + period]
        answers.append(block.transpose(2, 0, 1).ravel())
    return torch.from_numpy(np.stack(answers, axis=1)).to(device)
