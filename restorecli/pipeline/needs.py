"""What memory a photo takes on its way, foretold by its header (measured in `docs/reliability.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from restorecli.engine.memory import release
from restorecli.host import available_bytes
from restorecli.photos.formats.extent import Extent
from restorecli.photos.limits import reading_bytes
from restorecli.stages import Stage

_FLOAT = 4  # bytes of a sample while it is worked on
_FIXED = 64 << 20  # a tile on its way, a row of tiles, buffers of encoders


def free_bytes() -> int:
    """Return the bytes that can be taken now, after what is no longer used is given back."""
    release(torch.device("cpu"))
    return available_bytes()


def needed_bytes(extents: Sequence[Extent], length: int, stages: Sequence[Stage]) -> int:
    """Return the most bytes that a photo takes at a time.

    Args:
        extents: of its pages.
        length: of its file, in bytes.
        stages: what it goes through.
    """
    floats = sum(page.float_bytes for page in extents)
    grown = growth(stages)
    kept = int(sum(page.pixels * min(page.channels, 4) * page.sample_bytes for page in extents) * grown)
    # The picture in float32 beside its result in the file's own samples; then these beside the coded file.
    restoring, writing = floats + kept, 2 * kept
    if len(stages) > 1:  # between stages the picture stays in float32
        restoring += int(floats * grown)
    return max(reading_bytes(extents, length), restoring, writing) + _FIXED


def growth(stages: Sequence[Stage]) -> Fraction:
    """Return the pixels that come out of ``stages`` for each that goes in."""
    grown = Fraction(1)
    for stage in stages:
        grown *= (getattr(stage.task, "scale", 1) * getattr(stage.task, "then", Fraction(1))) ** 2
    return grown
