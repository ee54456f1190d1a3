"""What the engine reads off a network; any module with an attribute missing gets the usual value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from torch import nn

HALF_FLAGS = {"fp16": "supports_half", "bf16": "supports_bfloat16"}


@dataclass(frozen=True)
class Facts:
    """A network's facts (see `networks.network.Network` for their meaning).

    Attributes:
        identity: short digest of class, settings and size, for caches of measurements.
        half_right: the half precisions its authors know to be right; "fp16", "bf16" or both.
        channels_last: whether it is fast in channels-last memory.
        tile_limit: the largest tile worth choosing by itself, for networks whose time per pixel grows with
            the tile; None where it does not.
        prefers_whole: whether the automatic tile is the whole image.
    """

    identity: str
    value_range: float
    scale: int
    in_channels: int
    out_channels: int
    side_multiple: int
    tile_overlap: int
    half_unsafe: tuple[str, ...]
    half_right: tuple[str, ...]
    channels_last: bool
    tile_limit: int | None
    prefers_whole: bool
    border: int


def read_facts(network: nn.Module) -> Facts:
    """Return the facts of ``network``."""
    in_channels = int(getattr(network, "in_channels", 3))
    described = [
        type(network).__name__,
        getattr(network, "settings", {}),
        sum(parameter.numel() for parameter in network.parameters()),
        in_channels,
    ]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()
    return Facts(
        identity=f"{type(network).__name__.lower()}-{digest[:12]}",
        value_range=float(getattr(network, "value_range", 1.0)),
        scale=int(getattr(network, "scale", 1)),
        in_channels=in_channels,
        out_channels=int(getattr(network, "out_channels", 3)),
        side_multiple=int(getattr(network, "side_multiple", 1)),
        tile_overlap=int(getattr(network, "tile_overlap", 16)),
        half_unsafe=tuple(getattr(network, "half_unsafe", ())),
        half_right=tuple(name for name, attribute in HALF_FLAGS.items() if getattr(network, attribute, True)),
        channels_last=bool(getattr(network, "channels_last", True)),
        tile_limit=getattr(network, "tile_limit", None),
        prefers_whole=bool(getattr(network, "prefers_whole", False)),
        border=int(getattr(network, "border", 0)),
    )
