"""The linear end of a super-resolution network, run as one convolution.

EDSR's end is conv3 → pixel shuffle (once or twice) → conv3 with no activation between: one linear map from
features to image. For inference it is composed into a single 5×5 convolution of C → 3·s² channels and one
pixel shuffle: for C = 256 and s = 4 that is a fortieth of the multiplications and of the memory. Zero
padding between the stages makes the outermost ring of pixels different; it alone goes through the stages.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.derived import Derived

RADIUS = 2  # a 3×3 kernel, and 3×3 kernels on finer grids that reach at most one more coarse pixel
STRIP = RADIUS + 1  # coarse rows that the outermost one depends on
SIDE = 2 * STRIP + 1  # of a picture that has a pixel whose surroundings are far enough from every border
MIDDLE, LAST = SIDE // 2, SIDE - 1
AT_ONCE = 4  # kernels composed at a time: all of them would take hundreds of megabytes on the way
Kernel = tuple[Tensor, Tensor]
"""Weights and bias."""


@dataclass(frozen=True)
class Kernels:
    """The composed convolution, and on GPUs those of the picture's outermost pixels, each in groups.

    Attributes:
        inner: (3·s²)×C×5×5.
        rows: of the first and of the last row, C×3×5 each.
        columns: of the first and of the last column, C×5×3 each.
        corners: of the four corners, row by row, C×3×3 each.
    """

    inner: Kernel
    rows: Kernel | None = None
    columns: Kernel | None = None
    corners: Kernel | None = None


class FusedTail:
    """An upsampler and the convolution to the image, as one convolution where no gradient is wanted.

    Not a module: it owns no parameters, and follows those of the two modules it is given.

    Args:
        upsampler: convolutions and pixel shuffles, alternating, without activations.
        to_image: the last convolution.
        scale: output side ÷ input side.

    Attributes:
        untraced: as of `derived.Derived`.
    """

    untraced = ("_composed",)

    def __init__(self, upsampler: nn.Sequential, to_image: nn.Conv2d, scale: int) -> None:
        self.upsampler = upsampler
        self.to_image = to_image
        self.scale = scale
        self._kernels: Derived[Kernels] = Derived()

    def __call__(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×3×sH×sW; in half precision the result is float32."""
        if torch.is_grad_enabled() or min(x.shape[2:]) <= 2 * STRIP or x.device.type == "meta":
            return self._stages(x)
        kernels = self._composed(x)
        kernel, bias = kernels.inner
        with torch.autocast(x.device.type, enabled=False):
            exact = x.to(kernel.dtype)
            coarse = F.conv2d(exact, kernel, bias, padding=RADIUS)
            if x.device.type != "cpu":
                _put_ring(coarse, exact, kernels)
                image = F.pixel_shuffle(coarse, self.scale)
                return image.to(torch.promote_types(image.dtype, torch.float32))
            image = F.pixel_shuffle(coarse, self.scale)
        ring = self.scale
        image[:, :, :ring] = self._stages(x[:, :, :STRIP])[:, :, :ring]
        image[:, :, -ring:] = self._stages(x[:, :, -STRIP:])[:, :, -ring:]
        image[:, :, :, :ring] = self._stages(x[:, :, :, :STRIP])[:, :, :, :ring]
        image[:, :, :, -ring:] = self._stages(x[:, :, :, -STRIP:])[:, :, :, -ring:]
        return image

    def _stages(self, x: Tensor) -> Tensor:
        image: Tensor = self.to_image(self.upsampler(x))
        return image

    def _composed(self, x: Tensor) -> Kernels:
        """Return the kernels for ``x``: float32 where the weights are bfloat16, whose 8 bits would show.

        Float16 has 11 bits, which do not show, and tensor cores take a tenth of the time; CPUs gain nothing.
        """
        weights = [*self.upsampler.parameters(), *self.to_image.parameters()]
        return self._kernels.get(weights, lambda: self._compose(weights, x))

    def _compose(self, weights: list[nn.Parameter], x: Tensor) -> Kernels:
        double = any(w.dtype == torch.float64 for w in weights)
        dtype = torch.float64 if double else torch.float32
        half = x.dtype == torch.float16 and x.device.type != "cpu"

        def composed(*places: tuple[int, int]) -> Kernel:
            parts = [compose(self.upsampler, self.to_image, self.scale, dtype, place) for place in places]
            kernel, bias = (torch.cat(of) for of in zip(*parts, strict=True))
            if half:
                kernel, bias = kernel.contiguous(memory_format=torch.channels_last).half(), bias.half()
            return kernel, bias

        inner = composed((MIDDLE, MIDDLE))
        if x.device.type == "cpu":
            return Kernels(inner)
        rows, columns = composed((0, MIDDLE), (LAST, MIDDLE)), composed((MIDDLE, 0), (MIDDLE, LAST))
        return Kernels(inner, rows, columns, composed((0, 0), (0, LAST), (LAST, 0), (LAST, LAST)))


def _put_ring(coarse: Tensor, x: Tensor, kernels: Kernels) -> None:
    """Put the outermost ring of ``coarse`` (B×3s²×H×W) right, opposite sides at once."""
    assert kernels.rows is not None and kernels.columns is not None and kernels.corners is not None
    count, outputs, height, width = coarse.shape
    down, across = height - 1, width - 1  # as a step: the first and the last
    strips = torch.cat([x[:, :, :STRIP], x[:, :, -STRIP:]], 1)
    found = F.conv2d(strips, *kernels.rows, padding=(0, RADIUS), groups=2)
    coarse[:, :, ::down].copy_(found.view(count, 2, outputs, width).transpose(1, 2))
    strips = torch.cat([x[..., :STRIP], x[..., -STRIP:]], 1)
    found = F.conv2d(strips, *kernels.columns, padding=(RADIUS, 0), groups=2)
    coarse[..., ::across].copy_(found.view(count, 2, outputs, height).permute(0, 2, 3, 1))
    ends = slice(None, STRIP), slice(-STRIP, None)
    patches = torch.cat([x[:, :, rows, columns] for rows in ends for columns in ends], 1)
    found = F.conv2d(patches, *kernels.corners, groups=4)
    coarse[:, :, ::down, ::across].copy_(found.view(count, 2, 2, outputs).permute(0, 3, 1, 2))


def compose(
    upsampler: nn.Sequential,
    to_image: nn.Conv2d,
    scale: int,
    dtype: torch.dtype,
    place: tuple[int, int] = (MIDDLE, MIDDLE),
) -> Kernel:
    """Return the kernel (3·s²)×C×h×w and bias (3·s²) of the stages as one convolution before a pixel shuffle.

    The kernel is the stages' adjoint applied to one impulse per output of a coarse pixel: transposed
    convolutions and pixel unshuffles, last stage first. The bias is what the stages make of zeros. The
    pixel is that at ``place``, row and column, of a picture of `SIDE`: by default one far from every border,
    with a kernel of 5×5; at the border the kernel is what is left of it, 3 wide, with other numbers.
    """
    row, column = place
    outputs = to_image.out_channels * scale**2
    stages: list[nn.Module] = [*upsampler, to_image]
    impulses = torch.zeros(outputs, outputs, SIDE, SIDE, dtype=dtype, device=to_image.weight.device)
    impulses[range(outputs), range(outputs), row, column] = 1
    zeros = torch.zeros(1, to_image.in_channels, SIDE, SIDE, dtype=dtype, device=to_image.weight.device)
    down, across = (slice(max(0, at - RADIUS), at + RADIUS + 1) for at in place)
    with torch.autocast(to_image.weight.device.type, enabled=False):
        kernels = [
            _adjoint(stages, F.pixel_shuffle(few, scale))[:, :, down, across]
            for few in torch.split(impulses, AT_ONCE)
        ]
        for stage in stages:
            if isinstance(stage, nn.Conv2d):
                bias = None if stage.bias is None else stage.bias.to(dtype)
                zeros = F.conv2d(zeros, stage.weight.to(dtype), bias, padding=1)
            else:
                zeros = stage(zeros)
    constant = F.pixel_unshuffle(zeros, scale)[0, :, row, column]
    return torch.cat(kernels), constant.contiguous()


def _adjoint(stages: list[nn.Module], image: Tensor) -> Tensor:
    """Take impulses in the image back to the features: every stage transposed, the last one first."""
    for stage in reversed(stages):
        if isinstance(stage, nn.Conv2d):
            image = F.conv_transpose2d(image, stage.weight.to(image.dtype), padding=1)
        elif isinstance(stage, nn.PixelShuffle):
            image = F.pixel_unshuffle(image, stage.upscale_factor)
    return image
