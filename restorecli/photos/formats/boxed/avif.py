"""AVIF files: pixels and code points by libavif (imagecodecs), what stands beside them by Pillow."""

from __future__ import annotations

import imagecodecs
import numpy as np

from restorecli.errors import UnreadableError
from restorecli.photos.formats import others
from restorecli.photos.formats.boxed import av1, boxes
from restorecli.photos.formats.boxed.boxes import colours, mastering, primary_item, primary_properties
from restorecli.photos.raster import DECODE_ERRORS, Raster, from_interleaved


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode an AVIF file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation.
    """
    meta = others.still_metadata(data, "avif", name)
    properties = primary_properties(data)
    try:
        samples = np.asarray(imagecodecs.avif_decode(data))
        bits = 8 if samples.dtype == np.uint8 else _bits(properties)
        raster = from_interleaved(samples, float(2**bits - 1))
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged AVIF file: {error}") from error
    others.take_metadata(raster, meta)
    # Where a file has both, the profile says more (ISO/IEC 23000-22, 7.3.6.4).
    cicp, profile = colours(properties)
    cicp = cicp or av1.colours_of(primary_item(data))
    if profile is None and raster.icc is None:
        raster.cicp = cicp._replace(full_range=True) if cicp is not None else None  # the decoder stretched it
    if not any(kind in (b"irot", b"imir") for kind, _ in properties):
        raster.orientation = 1  # what EXIF or XMP say does not count (ISO/IEC 23008-12, 6.5.10)
    raster.mastering = tuple(mastering(properties))
    if boxes.has_credentials(data):
        raster.warnings.append(boxes.CREDENTIALS_LEFT_OUT)
    return [raster]


def _bits(properties: list[tuple[bytes, bytes]]) -> int:
    """Bits of a sample of more than 8: by the codec's configuration, else by the pixel information, else 10.

    Source: AV1 Codec ISO Media File Format Binding, 2.3 (av1C); ISO/IEC 23008-12, 6.5.6 (pixi).
    """
    for kind, body in properties:
        if kind == b"av1C" and len(body) > 2:
            return 12 if body[2] & 0x20 else 10
    return next(
        (body[5] for kind, body in properties if kind == b"pixi" and len(body) > 5 and body[5] > 8), 10
    )
