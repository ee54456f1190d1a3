"""A residual block in three kernels, where a GPU's library adds bias and ReLU while it convolves.

Launched one by one a block takes seven: two convolutions, two biases, a ReLU, and the sum. cuDNN has
a convolution that ends with bias and ReLU; torch takes it for frozen graphs and gives it a name. The second
convolution's bias needs no kernel either: the first one gives further channels, one of which is 1 everywhere
(no weights, a bias of 1), and the second weighs it, in the middle of its kernel, by its own bias. That holds
up to the border, as a bias does. Sums are rounded once less on the way.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.fused import ALIGNED

WIDEST = 64 - ALIGNED
"""Up to so many features a channel of ones costs little: matrix units take 64 outputs at a time."""
Kernel = tuple[Tensor, Tensor | None]
"""Weights and bias."""


def is_available(x: Tensor, *weights: Tensor) -> bool:
    """Tell whether `residual` works on features like ``x`` with ``weights``; it gives no gradients."""
    if x.device.type != "cuda" or torch.version.hip is not None or torch.is_grad_enabled():
        return False
    half = x.dtype in (torch.float16, torch.bfloat16)
    if not half or any(w.dtype != x.dtype for w in weights) or torch.compiler.is_compiling():
        return False  # a compiler fuses what it can see
    return _works(x.device, x.dtype)


def residual(x: Tensor, first: Kernel, second: Kernel) -> Tensor:
    """Return conv(relu(conv(``x``))), B×C×H×W; ``first`` and ``second`` are from `widened`."""
    return F.conv2d(convolved_relu(x, *first), second[0], second[1], padding=1)


def convolved_relu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return relu(conv3(x) + bias), B×C'×H×W; NaN may become 0, as the library likes."""
    ones = (1, 1)
    found: Tensor = torch.ops.aten.cudnn_convolution_relu(x, weight, bias, ones, ones, ones, 1)
    return found


def widened(first: nn.Conv2d, second: nn.Conv2d) -> tuple[Kernel, Kernel]:
    """Return kernels and biases of two convolutions, the second's bias in its kernel where that is free."""
    kernel, shift = first.weight, first.bias
    last, bias = second.weight, second.bias
    assert shift is not None and bias is not None
    if kernel.shape[0] > WIDEST:
        return (kernel, shift), (last, bias)
    with torch.no_grad():
        kernel = F.pad(kernel, (0, 0, 0, 0, 0, 0, 0, ALIGNED))
        shift = F.pad(shift, (0, ALIGNED))
        shift[first.out_channels] = 1
        last = F.pad(last, (0, 0, 0, 0, 0, ALIGNED))
        last[:, second.in_channels, 1, 1] = bias
    layout = torch.channels_last
    return (kernel.contiguous(memory_format=layout), shift), (last.contiguous(memory_format=layout), None)


@functools.cache
def _works(device: torch.device, dtype: torch.dtype) -> bool:
    """Try it once, small: a build of torch without it, or one that reads what it should not, is left alone.

    The library is handed its own output, not yet written, times 0; so the memory it gets holds NaN before.
    """
    channels, side = 2 * ALIGNED, 24
    with torch.inference_mode():
        numbers = torch.linspace(-1, 1, channels * side * side, device=device).view(1, channels, side, side)
        x = numbers.to(dtype).contiguous(memory_format=torch.channels_last)
        weight = numbers.flatten()[: 9 * channels**2].view(channels, channels, 3, 3).to(dtype)
        weight = weight.contiguous(memory_format=torch.channels_last)
        bias = numbers[0, :, 0, 0].to(dtype)
        try:
            stale = torch.full_like(x, torch.nan)
            del stale
            found = convolved_relu(x, weight, bias)
            wanted = F.conv2d(x, weight, bias, padding=1).relu()
        except (RuntimeError, NotImplementedError, AttributeError, TypeError):
            return False
        return torch.allclose(found.float(), wanted.float(), rtol=0.02, atol=0.05)
