"""PBM, PGM, PPM, PAM and PFM files by netpbmfile (netpbm's pbm(5) to pam(5), pfm(5))."""

from __future__ import annotations

import io
import re

import numpy as np
from netpbmfile import NetpbmFile

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photos.formats.extent import Extent
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples, from_interleaved

_BLACK_IS_1 = ("P1", "P4")
_SPACE = b" \t\n\r\f\v"
_COMMENT = re.compile(rb"#[^\n\r]*")
_PLAIN_PBM = re.compile(rb"\s*P1\s+(\d+)\s+(\d+)\s+([01\s]+)")


def _opened(data: bytes, name: str) -> NetpbmFile:
    try:
        file = NetpbmFile(io.BytesIO(data))
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged Netpbm file: its header is wrong") from error
    if file.width <= 0 or file.height <= 0 or not 1 <= file.depth <= 4:
        raise UnsupportedError(f"{name}: a Netpbm file of {file.width}×{file.height}×{file.depth} samples")
    return file


def extent(data: bytes, name: str) -> tuple[Extent, None]:
    """The size, from the header.

    Raises:
        UnreadableError: the header is damaged.
        UnsupportedError: samples of a kind that makes no picture.
    """
    file = _opened(data, name)
    return Extent(file.width, file.height, 1, file.depth, file.dtype.itemsize), None


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode a Netpbm file; of several pictures in a row the first.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: samples of a kind that makes no picture.
    """
    file = _opened(data, name)
    try:
        samples = _ascii_bits(data) if file.magicnumber == "P1" else file.asarray()
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged Netpbm file: cut short, or wrong samples") from error
    samples = samples.reshape(-1, file.height, file.width, file.depth)[0]
    if samples.dtype.kind == "f":
        # Rows run upwards. The format says nothing of the values' meaning: they stay as they are.
        return [from_interleaved(samples[::-1].astype(np.float32), 1.0)]
    if samples.dtype == np.bool_:
        samples = (samples != (file.magicnumber in _BLACK_IS_1)).astype(np.uint8)
        return [from_interleaved(samples, 1.0)]
    peak = max(1, int(file.maxval))
    native = samples.astype(samples.dtype.newbyteorder("="))
    return [from_interleaved(np.minimum(native, peak), float(peak))]


def _ascii_bits(data: bytes) -> Samples:
    """The pixels of a plain PBM, H×W of bool; pbm(5) lets its digits stand with or without space between."""
    found = _PLAIN_PBM.match(_COMMENT.sub(b"", data))
    if found is None:
        raise ValueError("no samples")
    width, height = int(found[1]), int(found[2])
    digits = found[3].translate(None, _SPACE)[: width * height]
    bits: Samples = np.frombuffer(digits, np.uint8) == ord("1")
    return bits.reshape(height, width)
