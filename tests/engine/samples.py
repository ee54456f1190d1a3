"""Small networks whose right answer is known."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Identity(nn.Module):
    """Gives the input back, each pixel `scale`×`scale` times."""

    tile_overlap = 8

    def __init__(
        self, scale: int = 1, channels: int = 3, side_multiple: int = 1, value_range: float = 1.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.in_channels = self.out_channels = channels
        self.side_multiple = side_multiple
        self.value_range = value_range
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(tuple(x.shape))
        return x.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)


class Convs(nn.Module):
    """`depth` 3×3 convolutions: a receptive radius of `depth` pixels, then ×2 pixel shuffle."""

    scale = 2
    in_channels = out_channels = 3

    def __init__(self, depth: int = 3, width: int = 8) -> None:
        super().__init__()
        self.tile_overlap = 4 * depth
        channels = [3, *[width] * (depth - 1), 12]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(channels))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return F.pixel_shuffle(self.layers[-1](x), 2)


class Greedy(Identity):
    """Runs out of memory above `most` input pixels per pass, as a GPU does."""

    def __init__(self, most: int, **kwargs: int) -> None:
        super().__init__(**kwargs)
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        # The probes of the planner are photo-like and square; images in these tests are told by their size.
        if x.shape[0] * x.shape[2] * x.shape[3] > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(x)


class Overflowing(nn.Module):
    """A 1×1 convolution that multiplies by 1: bright pixels become infinite in a given precision."""

    in_channels = out_channels = 3

    def __init__(self, dtypes: tuple[torch.dtype, ...], above: float = 0.9) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.conv.weight)
        self.dtypes = dtypes
        self.above = above
        self.calls: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        self.calls.append(y.dtype)
        if y.dtype in self.dtypes:
            y = torch.where(x.amax() > self.above, torch.full_like(y, torch.inf), y)
        return y
