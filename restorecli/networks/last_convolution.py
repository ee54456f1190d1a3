"""The convolution whose result is added to the picture, in half precision where that does not show."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.networks.derived import Derived


class LastConvolution:
    """A convolution that stays in float32 when its network does not, but for float16 on a GPU.

    Float16's 11 bits do not show, as in `FusedTail`, and for float32 cuDNN may take Fourier transforms.
    Not a module: it owns no parameters, and follows those of the one that it is given.

    Args:
        to_image: with a bias, 3×3 and padded by 1.

    Attributes:
        untraced: as of `derived.Derived`.
    """

    untraced = ("_halved",)

    def __init__(self, to_image: nn.Conv2d) -> None:
        self.to_image = to_image
        self._kernel: Derived[tuple[Tensor, Tensor]] = Derived()

    def __call__(self, features: Tensor) -> Tensor:
        """Map B×C×H×W to B×C'×H×W of the same type."""
        if features.dtype != torch.float16 or features.device.type != "cuda" or torch.is_grad_enabled():
            image: Tensor = self.to_image(features)
            return image
        with torch.autocast("cuda", enabled=False):
            return F.conv2d(features, *self._halved(), padding=1)

    def _halved(self) -> tuple[Tensor, Tensor]:
        weight, bias = self.to_image.weight, self.to_image.bias
        assert bias is not None

        def make() -> tuple[Tensor, Tensor]:
            return weight.half().contiguous(memory_format=torch.channels_last), bias.half()

        return self._kernel.get([weight, bias], make)
