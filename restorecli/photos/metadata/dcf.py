"""Cameras' JPEGs in Adobe RGB, which say so in EXIF alone.

Source: DCF 2.0 (CIPA DC-009), 3.2.3: the optional colour space has the interoperability index "R03"; some
cameras state the EXIF colour space 2 instead.
"""

from __future__ import annotations

import functools

from restorecli.imaging import icc
from restorecli.photos.metadata.exif import Block

_EXIF_IFD, _INTEROPERABILITY_IFD = 0x8769, 0xA005
_COLOUR_SPACE, _INDEX = 0xA001, 0x0001
_SRGB, _ADOBE_RGB = 1, 2
_ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)  # Adobe RGB (1998) Color Image Encoding, 4.3.1


def is_adobe_rgb(exif: bytes) -> bool:
    """Whether an EXIF block says that a picture without a profile is in Adobe RGB."""
    try:
        block = Block(exif)
        inner = block.find(block.first, _EXIF_IFD)
        if inner is None:
            return False
        directory = block.integer(inner)
        colour = block.find(directory, _COLOUR_SPACE)
        stated = block.integer(colour) if colour else 0
        pointer = block.find(directory, _INTEROPERABILITY_IFD)
        index = block.find(block.integer(pointer), _INDEX) if pointer else None
    except ValueError:
        return False
    named = index is not None and bytes(block.data[index.value_at : index.value_at + 3]) == b"R03"
    return stated == _ADOBE_RGB or (named and stated != _SRGB)


@functools.cache
def adobe_rgb() -> bytes:
    """A profile of that space: gamma 563/256, white D65."""
    return icc.rgb_profile(_ADOBE, icc.gamma_curve(563 / 256), "Compatible with Adobe RGB (1998)")
