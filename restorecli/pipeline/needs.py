"""What memory a photo takes on its way, foretold by its header (measured in `docs/reliability.md`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from restorecli.engine.memory import release
from restorecli.host import available_bytes
from restorecli.photo import Depth
from restorecli.photos.formats.extent import Extent
from restorecli.photos.formats.table import FORMATS, kept_format
from restorecli.photos.limits import reading_bytes
from restorecli.stages import Stage
from restorecli.tasks.upscale import Upscale
from restorecli.trial import SMALL

_FLOAT = 4  # bytes of a sample while it is worked on
_FIXED = 64 << 20  # a tile on its way, buffers of codecs
_ROWS = 3 * 256 // 2  # of a row of tiles, whose results are added up, and of what is finished of it
_EXAMINING = 8  # bytes a pixel: luma and what is measured in it
_BLEEDING = 20  # bytes a pixel: colours put where nothing is seen, and from where they come
_DEVELOPING = 32  # bytes a pixel of camera RAW
_BYTES = {Depth.UINT8: 1, Depth.UINT16: 2, Depth.FLOAT32: _FLOAT}
_ENCODERS = {"avif": 50, "bmp": 5, "exr": 20, "jp2": 42, "jpg": 5, "qoi": 9, "webp": 45}
"""Bytes a pixel that encoders were seen to take beside the samples."""
_MOST_FOR_PNG = 2 * 192 << 20  # of more samples only a few rows are held besides


@dataclass(frozen=True)
class Going:
    """Where a photo goes.

    Attributes:
        stages: what it goes through.
        kind: of its file, by content.
        format: of its result's file, "keep" for that of its own.
        depth: of the result's samples; None for that of its own.
        streamed: the result goes to a stream or a store, not into a file.
    """

    stages: Sequence[Stage]
    kind: str = ""
    format: str = "keep"
    depth: Depth | None = None
    streamed: bool = False


def free_bytes() -> int:
    """Return the bytes that can be taken now, after what is no longer used is given back."""
    release(torch.device("cpu"))
    return available_bytes()


def needed_bytes(extents: Sequence[Extent], length: int, going: Going) -> int:
    """Return the most bytes that a photo takes at a time.

    Args:
        extents: of its pages.
        length: of its file, in bytes.
        going: where it goes.
    """
    stages = [stage for stage in going.stages if going.kind == "raw" or not stage.only_raw]
    grown = growth(stages)
    held = sum(page.float_bytes for page in extents)
    kept = sum(int(page.pixels * grown) * _result_bytes(page, going) for page in extents)
    beside = max((_beside(page, stages, going.kind) for page in extents), default=0)
    judged = any(getattr(stage.task, "judges", False) for stage in stages)
    examining = max((_examining(page) for page in extents), default=0) if judged else 0
    restoring = held + max(kept + beside, examining)
    writing = kept + _encoding(sum(page.pixels for page in extents), kept, going, grown)
    return max(reading_bytes(extents, length), restoring, writing) + _FIXED


def growth(stages: Sequence[Stage]) -> Fraction:
    """Return the pixels that come out of ``stages`` for each that goes in."""
    grown = Fraction(1)
    for stage in stages:
        grown *= (getattr(stage.task, "scale", 1) * getattr(stage.task, "then", Fraction(1))) ** 2
    return grown


def _format(going: Going) -> str:
    if going.format != "keep":
        return going.format
    return kept_format(going.kind, going.depth or Depth.UINT8) if going.kind else "png"


def _result_bytes(page: Extent, going: Going) -> int:
    """Return the bytes of a pixel of the result, in the samples of its file."""
    deepest = max(_BYTES[depth] for depth in FORMATS[_format(going)].depths)
    wanted = min(page.sample_bytes, _FLOAT) if going.depth is None else _BYTES[going.depth]
    return min(page.channels, 4) * (wanted if going.format == "keep" else min(wanted, deepest))


def _beside(page: Extent, stages: Sequence[Stage], kind: str) -> int:
    """Return what a page takes on its way beside itself and the samples of its result."""
    most, before = 0, Fraction(0)
    at = Fraction(1)  # pixels that a stage gets for each of the page
    for index, stage in enumerate(stages):
        after = at * growth([stage])
        last = index == len(stages) - 1
        made = Fraction(0) if last and _by_rows(stage) else after * page.float_bytes
        if isinstance(stage.task, Upscale) and stage.task.then != 1:
            # What the network made, resized along one axis, then along the other by two copies more.
            then = stage.task.then
            made = at * stage.task.scale**2 * page.float_bytes * (1 + then + 3 * then**2)
        elif page.channels in (2, 4) and not last:
            made *= 2  # its alpha goes through the network as colours
        made += at * page.pixels * getattr(stage.task, "preparing", 0)
        if page.channels in (2, 4):
            made += at * page.pixels * _BLEEDING
        scale = getattr(stage.task, "scale", 1)
        rows = _ROWS * scale * int(page.width * math.sqrt(after)) * 3 * _FLOAT
        most = max(most, int(before + made) + rows)
        before, at = after * page.float_bytes, after
    return most + (page.pixels * _DEVELOPING if kind == "raw" else 0)


def _examining(page: Extent) -> int:
    """Return what it takes to judge a page; a small one is tried as a whole."""
    return 2 * page.float_bytes if page.pixels <= SMALL else page.pixels * _EXAMINING


def _by_rows(stage: Stage) -> bool:
    """Whether the results of a stage are rounded as they are made; one that is run twice holds the first."""
    again = getattr(stage.task, "strength", 1.0) > 1
    return not again and getattr(stage.task, "then", 1) == 1


def _encoding(pixels: int, kept: int, going: Going, grown: Fraction) -> int:
    name = _format(going)
    if name == "png":
        beside = min(2 * kept, _MOST_FOR_PNG)
    elif name == "ppm":
        beside = kept
    else:
        beside = int(pixels * grown) * _ENCODERS.get(name, 0)
    return beside + (2 * kept if going.streamed else 0)
