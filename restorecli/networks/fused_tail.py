"""The linear end of a super-resolution network, run as one convolution.

EDSR's end is conv3 → pixel shuffle (once or twice) → conv3 with no activation between: one linear map from
features to image. For inference it is composed into a single 5×5 convolution of C → 3·s² channels and one
pixel shuffle: for C = 256 and s = 4 that is a fortieth of the multiplications and of the memory. Zero
padding between the stages makes the outermost ring of pixels different; it alone goes through the stages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RADIUS = 2  # a 3×3 kernel, and 3×3 kernels on finer grids that reach at most one more coarse pixel
STRIP = 3  # coarse rows that the outermost one depends on
AT_ONCE = 4  # kernels composed at a time: all of them would take hundreds of megabytes on the way


class FusedTail:
    """An upsampler and the convolution to the image, as one convolution where no gradient is wanted.

    Not a module: it owns no parameters, and follows those of the two modules it is given.

    Args:
        upsampler: convolutions and pixel shuffles, alternating, without activations.
        to_image: the last convolution.
        scale: output side ÷ input side.

    Attributes:
        untraced: names of methods that a compiler must call as they are: data pointers cannot be traced. (A
            decorator would say so too, but load torch's whole compiler for everybody.)
    """

    untraced = ("_composed",)

    def __init__(self, upsampler: nn.Sequential, to_image: nn.Conv2d, scale: int) -> None:
        self.upsampler = upsampler
        self.to_image = to_image
        self.scale = scale
        self._made_from: tuple[object, ...] = ()
        self._kernel: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×3×sH×sW; in half precision the result is float32."""
        if torch.is_grad_enabled() or min(x.shape[2:]) <= 2 * STRIP or x.device.type == "meta":
            return self._stages(x)
        kernel, bias = self._composed(x)
        with torch.autocast(x.device.type, enabled=False):
            image = F.pixel_shuffle(F.conv2d(x.to(kernel.dtype), kernel, bias, padding=RADIUS), self.scale)
        if x.device.type != "cpu":
            return self._with_ring(x, image.to(torch.promote_types(image.dtype, torch.float32)))
        ring = self.scale
        image[:, :, :ring] = self._stages(x[:, :, :STRIP])[:, :, :ring]
        image[:, :, -ring:] = self._stages(x[:, :, -STRIP:])[:, :, -ring:]
        image[:, :, :, :ring] = self._stages(x[:, :, :, :STRIP])[:, :, :, :ring]
        image[:, :, :, -ring:] = self._stages(x[:, :, :, -STRIP:])[:, :, :, -ring:]
        return image

    def _with_ring(self, x: Tensor, image: Tensor) -> Tensor:
        """Put the outermost ring right, opposite sides in one batch: on GPUs a strip costs its launches."""
        ring, count = self.scale, len(x)
        rows = self._stages(torch.cat([x[:, :, :STRIP], x[:, :, -STRIP:]]))
        image[:, :, :ring], image[:, :, -ring:] = rows[:count, :, :ring], rows[count:, :, -ring:]
        columns = self._stages(torch.cat([x[..., :STRIP], x[..., -STRIP:]]))
        image[..., :ring], image[..., -ring:] = columns[:count, ..., :ring], columns[count:, ..., -ring:]
        return image

    def _stages(self, x: Tensor) -> Tensor:
        image: Tensor = self.to_image(self.upsampler(x))
        return image

    def _composed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return kernel and bias for ``x``: float32 where the weights are bfloat16, whose 8 bits would show.

        Float16 has 11 bits, which do not show, and tensor cores take a tenth of the time; CPUs gain nothing.
        """
        weights = [*self.upsampler.parameters(), *self.to_image.parameters()]
        made_from = tuple((w.data_ptr(), _version(w), w.device, w.dtype) for w in weights)
        if self._kernel is None or made_from != self._made_from:
            double = any(w.dtype == torch.float64 for w in weights)
            dtype = torch.float64 if double else torch.float32
            kernel, bias = compose(self.upsampler, self.to_image, self.scale, dtype)
            if x.dtype == torch.float16 and x.device.type != "cpu":
                kernel, bias = kernel.contiguous(memory_format=torch.channels_last).half(), bias.half()
            self._kernel = kernel, bias
            self._made_from = made_from
        return self._kernel


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version  # inference tensors do not count changes


def compose(
    upsampler: nn.Sequential, to_image: nn.Conv2d, scale: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the kernel (3·s²)×C×5×5 and bias (3·s²) of the stages as one convolution before a pixel shuffle.

    The kernel is the stages' adjoint applied to one impulse per output of a coarse pixel: transposed
    convolutions and pixel unshuffles, last stage first. The bias is what the stages make of zeros.
    """
    side = 2 * (RADIUS + 1) + 1
    middle = side // 2
    outputs = to_image.out_channels * scale**2
    stages: list[nn.Module] = [*upsampler, to_image]
    impulses = torch.zeros(outputs, outputs, side, side, dtype=dtype, device=to_image.weight.device)
    impulses[range(outputs), range(outputs), middle, middle] = 1
    zeros = torch.zeros(1, to_image.in_channels, side, side, dtype=dtype, device=to_image.weight.device)
    reach = slice(middle - RADIUS, middle + RADIUS + 1)
    with torch.autocast(to_image.weight.device.type, enabled=False):
        kernels = [
            _adjoint(stages, F.pixel_shuffle(few, scale))[:, :, reach, reach]
            for few in torch.split(impulses, AT_ONCE)
        ]
        for stage in stages:
            if isinstance(stage, nn.Conv2d):
                bias = None if stage.bias is None else stage.bias.to(dtype)
                zeros = F.conv2d(zeros, stage.weight.to(dtype), bias, padding=1)
            else:
                zeros = stage(zeros)
    constant = F.pixel_unshuffle(zeros, scale)[0, :, middle, middle]
    return torch.cat(kernels), constant.contiguous()


def _adjoint(stages: list[nn.Module], image: Tensor) -> Tensor:
    """Take impulses in the image back to the features: every stage transposed, the last one first."""
    for stage in reversed(stages):
        if isinstance(stage, nn.Conv2d):
            image = F.conv_transpose2d(image, stage.weight.to(image.dtype), padding=1)
        elif isinstance(stage, nn.PixelShuffle):
            image = F.pixel_unshuffle(image, stage.upscale_factor)
    return image
