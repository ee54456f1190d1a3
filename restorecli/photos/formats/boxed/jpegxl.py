"""JPEG XL files: pixels by libjxl (imagecodecs), EXIF and XMP from their boxes (ISO/IEC 18181-2)."""

from __future__ import annotations

import imagecodecs
import numpy as np

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photos.formats.boxed.boxes import boxes
from restorecli.photos.raster import DECODE_ERRORS, Raster, from_interleaved

_LONGEST = 64 << 20  # bytes of a compressed box; more is a bomb


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode a JPEG XL file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation.
    """
    try:
        # Kept as stored: a JPEG XL's orientation stands in its codestream, which libjxl applies by itself.
        samples = np.asarray(imagecodecs.jpegxl_decode(data))
        if samples.ndim > 3:
            raise UnsupportedError(
                f"{name}: a JPEG XL animation of {len(samples)} frames", "extract one first"
            )
        peak = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
        raster = from_interleaved(samples, peak)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged JPEG XL file: {error}") from error
    raster.orientation = 1
    raster.icc, asked = _profile(data)
    if not asked:
        raster.warnings.append(
            "the colour profile of a JPEG XL file is read only with the extra restorecli[jxl]: taken as sRGB"
        )
    for kind, body in _metadata(data):
        if kind == b"Exif" and len(body) > 8:
            raster.exif = body[4 + int.from_bytes(body[:4], "big") :].removeprefix(b"Exif\0\0")
        elif kind == b"xml ":
            raster.xmp = body
    return [raster]


def _metadata(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of the metadata boxes, unpacked."""
    if data[4:8] != b"JXL ":
        return []
    found = []
    for kind, at, stop in boxes(data):
        if kind in (b"Exif", b"xml "):
            found.append((kind, data[at:stop]))
        elif kind == b"brob" and data[at : at + 4] in (b"Exif", b"xml "):
            try:
                plain = imagecodecs.brotli_decode(data[at + 4 : stop], out=_LONGEST)
            except DECODE_ERRORS:
                continue
            found.append((data[at : at + 4], bytes(plain)))
    return found


def _profile(data: bytes) -> tuple[bytes | None, bool]:
    """The colour profile, and whether it could be asked for: that takes the extra `jxl`."""
    try:
        import pylibjxl
    except ImportError:
        return None, False
    try:
        _, metadata = pylibjxl.decode(data, metadata=True)
    except DECODE_ERRORS:
        return None, False
    return metadata.get("icc") or None, True
