"""Small layers that two or more networks share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from restorecli.networks import fused_convolution
from restorecli.networks.derived import Derived
from restorecli.networks.fused_convolution import Kernel

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean RGB of the DIV2K training images, for a value range of 1."""


def conv3(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a 3×3 convolution with padding 1."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def conv1(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    """Return a 1×1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def channel_means(x: Tensor) -> Tensor:
    """Map B×C×H×W to the means of the channels, B×C×1×1, the same for any number of threads."""
    if x.device.type != "cpu":
        return x.mean((2, 3), keepdim=True)
    # torch.mean gives each thread a part of the picture, and so rounds by their number; a row is not divided.
    rows = x.sum(3, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    return (rows.sum(2, keepdim=True) / (x.shape[2] * x.shape[3])).to(x.dtype)


class ResBlock(nn.Module):
    """conv3 → activation → conv3, times ``res_scale``, plus the input (EDSR, Lim et al. 2017, fig. 2c).

    ``activation`` is one module, so several blocks may share its parameter.
    """

    def __init__(self, features: int, activation: nn.Module, res_scale: float = 1.0) -> None:
        super().__init__()
        self.conv_in = conv3(features, features)
        self.activation = activation
        self.conv_out = conv3(features, features)
        self.res_scale = res_scale
        self._fused: Derived[tuple[Kernel, Kernel]] = Derived()

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×C×H×W."""
        first, second = self.conv_in, self.conv_out
        fits = isinstance(self.activation, nn.ReLU)
        if fits and fused_convolution.is_available(x, first.weight, second.weight):
            weights = [*first.parameters(), *second.parameters()]
            fused = self._fused.get(weights, lambda: fused_convolution.widened(first, second))
            return torch.add(x, fused_convolution.residual(x, *fused), alpha=self.res_scale)
        residual: Tensor = self.conv_out(self.activation(self.conv_in(x)))
        return torch.add(x, residual, alpha=self.res_scale)


class Upsampler(nn.Sequential):
    """Sub-pixel convolution (Shi et al. 2016): conv3 and pixel shuffle, ×2 as often as needed, or ×3.

    Children 0, 2, … are the convolutions, 1, 3, … the shuffles.
    """

    def __init__(self, features: int, scale: int) -> None:
        factors = {1: [], 2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}
        if scale not in factors:
            raise ValueError(f"no upsampler for scale {scale}")
        stages: list[nn.Module] = []
        for factor in factors[scale]:
            stages += [conv3(features, factor**2 * features), nn.PixelShuffle(factor)]
        super().__init__(*stages)


class MeanShift(nn.Module):
    """The DIV2K mean times a value range, to subtract before a network and add after it."""

    mean: Tensor

    def __init__(self, value_range: float = 1.0) -> None:
        super().__init__()
        # In float32, as the released code does; by NumPy, since torch on "meta" would load its compiler.
        mean = np.array(DIV2K_MEAN, np.float32) * np.float32(value_range)
        self.register_buffer("mean", torch.tensor(mean.tolist()).view(1, 3, 1, 1), persistent=False)

    def subtract(self, x: Tensor) -> Tensor:
        """Return ``x`` (B×3×H×W) minus the mean."""
        return x - self.mean

    def add(self, x: Tensor) -> Tensor:
        """Return ``x`` (B×3×H×W) plus the mean."""
        return x + self.mean


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Return ``x`` (B×C×H×W) padded below and to the right until both sides are multiples of ``multiple``.

    The padding reflects without repeating the edge, back and forth where a side is shorter than what it
    lacks; a side of one pixel is repeated.
    """
    for axis in (2, 3):
        side = x.shape[axis]
        wanted = -(-side // multiple) * multiple
        if wanted > side:
            period = max(2 * (side - 1), 1)
            steps = torch.arange(wanted, device=x.device) % period
            x = x.index_select(axis, torch.minimum(steps, period - steps))
    return x


def fast_layout(x: Tensor) -> Tensor:
    """Return ``x`` (B×C×H×W) in channels-last memory where convolutions are faster in it, else as it is.

    They are on CPUs, and on CUDA in half precision, where tensor cores read it.
    """
    half = x.dtype in (torch.float16, torch.bfloat16)
    if x.device.type == "cpu" or (x.device.type == "cuda" and half):
        return x.contiguous(memory_format=torch.channels_last)
    return x


def upsampler_scale(state: dict[str, Any] | Any, prefix: str) -> int:
    """Infer an `Upsampler`'s scale from the shapes of its weights (``{prefix}0.weight``, …).

    Args:
        state: our state dict.
        prefix: the upsampler's own prefix, with the final dot.
    """
    scale = 1
    for key, tensor in state.items():
        if key.startswith(prefix) and key.endswith(".weight"):
            scale *= round((tensor.shape[0] / tensor.shape[1]) ** 0.5)
    return scale
