"""A network that works on 2×2 pixels at a time: a quarter of the positions, four times the channels.

Source: the inverse of the pixel shuffle of Shi et al., CVPR 2016, before a restoration network as in FFDNet
(Zhang, Zuo, Zhang, IEEE TIP 2018, section III.B). Our light weights use it; no released weights do.
Shape: B×C×H×W → B×C×H×W; any H and W from 1.
Range: that of the network inside.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from restorecli.networks.layers import pad_to_multiple
from restorecli.networks.network import Network


class Packed(Network):
    """A same-size network on pixels packed ``packing``×``packing`` into channels.

    Args:
        inner: takes and gives C·packing² channels at the same size.
        packing: side of the square of pixels that becomes one position.
        demosaic_input: what the network takes where it demosaics; see `Network.demosaic_input`.
        extra_input: what the channels after the picture's hold; see `Network.extra_input`.
    """

    def __init__(
        self, inner: Network, *, packing: int, demosaic_input: str | None = None, extra_input: str = ""
    ) -> None:
        super().__init__()
        added = inner.in_channels - inner.out_channels
        if inner.scale != 1 or bool(added) != bool(extra_input) or inner.in_channels % packing**2:
            raise ValueError(f"{type(inner).__name__} with these settings cannot work on packed pixels")
        self.inner = inner
        self.packing = packing
        self.settings: dict[str, Any] = {**inner.settings, "packing": packing}
        if demosaic_input is not None:
            self.settings["demosaic_input"] = demosaic_input
            self.demosaic_input = demosaic_input
        if extra_input:
            self.settings["extra_input"] = extra_input
            self.extra_input = extra_input
        self.in_channels = inner.in_channels // packing**2
        self.out_channels = inner.out_channels // packing**2
        self.side_multiple = packing * inner.side_multiple  # type: ignore[misc]  # per network, not per class
        self.value_range = inner.value_range  # type: ignore[misc]
        self.half_unsafe = tuple(f"inner.{name}" for name in inner.half_unsafe)  # type: ignore[misc]
        self.channels_last = inner.channels_last  # type: ignore[misc]
        limit = inner.tile_limit
        self.tile_limit = None if limit is None else packing * limit  # type: ignore[misc]
        self.tile_overlap = packing * inner.tile_overlap

    def forward(self, x: Tensor) -> Tensor:
        """Restore B×C×H×W to the same shape."""
        height, width = x.shape[2:]
        packed = F.pixel_unshuffle(pad_to_multiple(x, self.packing), self.packing)
        restored: Tensor = F.pixel_shuffle(self.inner(packed), self.packing)
        return restored[:, :, :height, :width]

    def kept(self) -> object:
        """Return what a pass of the network inside reads beside the parameters."""
        return self.inner.kept()

    def reseed(self, seed: int) -> None:
        """Set the seed of anything random in the network inside."""
        self.inner.reseed(seed)
