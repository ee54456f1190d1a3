"""What the rest of the tool needs to know about a network."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

EXTRA_INPUTS = ("", "noise map", "quality map", "second view")
"""What `Network.extra_input` may be."""


class Network(nn.Module):
    """Base of the five networks: a module and the facts an engine needs to run it.

    Attributes:
        value_range: the largest value of the input and output range (1 or 255).
        scale: output side ÷ input side.
        in_channels: channels of the input.
        out_channels: channels of the output.
        side_multiple: sides are padded inside the network to this multiple; tiles of it waste nothing.
        tile_overlap: pixels by which neighbouring tiles should overlap (input pixels).
        settings: the constructor's arguments, enough to build the same network again.
        half_unsafe: names of submodules that stay in float32 when the rest runs in half precision.
        channels_last: whether convolution weights in channels-last memory make it faster on CPUs.
        demosaic_input: what a network that demosaics takes: "zeros-GRBG" (three channels, the colours a pixel
            lacks are zero) or "malvar-RGGB" (a Malvar–He–Cutler interpolation), for that phase of the mosaic.
        tile_limit: the largest side the engine should choose for a tile by itself, where time per pixel grows
            with the tile; None where it does not.
        luma: what one-channel weights against JPEG artifacts were trained to see of a colour photo: "studio"
            (Y of ITU-R BT.601 in 16–235) or "full" (JPEG's own Y in 0–255).
        extra_input: what the input holds after the picture's channels: "noise map" (sigma ÷ 255 everywhere),
            "quality map" (1 − JPEG quality ÷ 100 everywhere), "second view", or nothing.
        border: pixels by which the engine continues a picture beyond its edges, by reflection, and then cuts
            off: the zeros that convolutions pad with show in the corners of light networks.
        prefers_whole: whether tiles are to be avoided where memory allows, since they change the result.
    """

    value_range: ClassVar[float] = 1.0
    side_multiple: ClassVar[int] = 1
    half_unsafe: ClassVar[tuple[str, ...]] = ()
    channels_last: ClassVar[bool] = True
    tile_limit: ClassVar[int | None] = None
    luma: ClassVar[str] = "full"

    scale: int = 1
    in_channels: int = 3
    out_channels: int = 3
    tile_overlap: int = 16
    demosaic_input: str = "zeros-GRBG"
    extra_input: str = ""
    border: int = 0
    prefers_whole: bool = False
    settings: dict[str, Any]

    def kept(self) -> object:
        """Return what a pass reads beside the parameters and might be let go: a recorded pass keeps it."""
        return ()

    def reseed(self, seed: int) -> None:
        """Set the seed of anything random in the network; nothing is, unless a network says so."""
