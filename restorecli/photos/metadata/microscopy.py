"""Measured pictures: TIFFs of ImageJ and OME, whose descriptions tell how large a pixel is.

Sources: ImageJ's TiffEncoder (calibration in XResolution and YResolution), the OME-XML schema (Pixels).
"""

from __future__ import annotations

import math
import re

from restorecli.photos.metadata.exif import Block

_DESCRIPTION = 0x010E
_IMAGES = re.compile(r"^images=(\d{1,9})$", re.MULTILINE)
_SHAPE = re.compile(r'\{"shape": \[([\d, ]{1,200})\]')
_OME = re.compile(rb"\b(SizeX|SizeY|PhysicalSizeX|PhysicalSizeY)=\"([^\"]*)\"")


def is_measured(description: str) -> bool:
    """Whether a TIFF's resolution tags are pixels per unit of what is seen, by its description."""
    return description.startswith("ImageJ=") or "<OME " in description[:4096]


def pictures_in(description: str, samples: int) -> int:
    """How many pictures of so many samples a TIFF of ImageJ or tifffile says to hold; 1 without a word of it.

    Both write one directory for a whole stack where it would not fit into 4 GiB otherwise, or where asked to.
    """
    if description.startswith("ImageJ="):
        found = _IMAGES.search(description)
        return int(found[1]) if found else 1
    shape = _SHAPE.match(description) if '"truncated": true' in description else None
    return math.prod(int(side) for side in shape[1].split(",")) // max(1, samples) if shape else 1


def rescaled(exif: bytes, size: tuple[int, int], across: float, down: float) -> bytes:
    """The block with OME's sizes true for a picture enlarged by two factors; `ValueError`: it is broken."""
    block = Block(exif)
    entry = block.find(block.first, _DESCRIPTION)
    if entry is None:
        return exif
    text = bytes(block.data[entry.value_at : entry.value_at + entry.size])
    if b"<OME " not in text[:4096]:
        return exif

    def changed(match: re.Match[bytes]) -> bytes:
        value: float = {b"SizeX": size[0], b"SizeY": size[1]}.get(match[1], 0)
        if not value:
            value = float(match[2]) / (across if match[1].endswith(b"X") else down)
        return match[1] + b'="' + format(value, ".12g").encode() + b'"'

    text = _OME.sub(changed, text)
    block.rewrite_first({_DESCRIPTION: (2, len(text), text)})
    return bytes(block.data)
