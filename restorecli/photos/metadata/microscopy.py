"""Measured pictures: TIFFs of ImageJ and OME, whose descriptions tell how large a pixel is.

Sources: ImageJ's TiffEncoder (calibration in XResolution and YResolution), the OME-XML schema (Pixels).
"""

from __future__ import annotations

import re

from restorecli.photos.metadata.exif import Block

_DESCRIPTION = 0x010E
_OME = re.compile(rb"\b(SizeX|SizeY|PhysicalSizeX|PhysicalSizeY)=\"([^\"]*)\"")


def is_measured(description: str) -> bool:
    """Whether a TIFF's resolution tags are pixels per unit of what is seen, by its description."""
    return description.startswith("ImageJ=") or "<OME " in description[:4096]


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
