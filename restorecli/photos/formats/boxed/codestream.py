"""What a JPEG 2000 codestream says of its components, and those of different depths brought to one.

Source: ISO/IEC 15444-1, A.5.1 (SIZ), A.6.1 (COD), E.1 (steps of quantisation), G.1 (the shift of the level).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from restorecli.photos.raster import Samples

SIZ = b"\xff\x4f\xff\x51"
_COD = b"\xff\x52"
_FIRST, _STEP = 42, 3  # bytes from the mark to the first component, and to the next one
_TRANSFORM = 13  # bytes from the mark of COD to the wavelet: 1 is the reversible one


@dataclass(frozen=True)
class Component:
    """One component: bits of a sample, whether they lie around zero, and pixels per sample."""

    bits: int
    signed: bool
    across: int
    down: int


def components(data: bytes, at: int) -> tuple[Component, ...]:
    """The components that the SIZ marker at `at` tells of, as far as they are there."""
    (count,) = struct.unpack_from(">H", data, at + 40)
    cells = (data[place : place + _STEP] for place in range(at + _FIRST, at + _FIRST + _STEP * count, _STEP))
    return tuple(Component((c[0] & 0x7F) + 1, bool(c[0] >> 7), c[1], c[2]) for c in cells if len(c) == _STEP)


def is_odd(found: tuple[Component, ...]) -> bool:
    """Whether components are subsampled in a way that OpenJPEG does not undo."""
    sizes = [(each.across, each.down) for each in found]
    chroma = sizes[1:3]
    as_usual = (
        len(sizes) >= 3 and chroma in ([(2, 1)] * 2, [(2, 2)] * 2) and {sizes[0], *sizes[3:]} == {(1, 1)}
    )
    return len(set(sizes)) > 1 and not as_usual


def with_one_depth(data: bytes, at: int, found: tuple[Component, ...]) -> bytes:
    """The file with all components said to be unsigned and as deep as the deepest; see `scaled`."""
    deepest = max(each.bits for each in found)
    patched = bytearray(data)
    for index in range(len(found)):
        patched[at + _FIRST + _STEP * index] = deepest - 1
    return bytes(patched)


def scaled(samples: Samples, data: bytes, at: int, found: tuple[Component, ...]) -> Samples:
    """H×W×C samples of `with_one_depth` as what the components mean, over the whole of 8 or 16 bits.

    The decoder has shifted all levels by half the range of the deepest; where the wavelet is not reversible,
    steps grow with the depth too.
    """
    deepest = max(each.bits for each in found)
    place = data.find(_COD, at)
    reversible = place < 0 or data[place + _TRANSFORM] == 1
    result = samples.astype(np.float32)
    for index, each in enumerate(found):
        plane = result[:, :, index] - 2 ** (deepest - 1)
        plane = plane / (1 if reversible else 2 ** (deepest - each.bits)) + 2 ** (each.bits - 1)
        result[:, :, index] = plane / (2**each.bits - 1)
    kind = np.uint8 if deepest <= 8 else np.uint16
    scaled: Samples = np.rint(np.clip(result, 0, 1) * np.float64(np.iinfo(kind).max)).astype(kind)
    return scaled
