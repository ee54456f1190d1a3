"""Rows of filtered samples as a zlib stream (RFC 1950), by the encoder that suits what they show.

Intel's ISA-L is two to three times as fast as libdeflate's quickest level, and on photos its streams are 1 to
3 percent longer. On smooth pictures they are 4 to 6 percent longer, and 14 to 38 on drawings and pages of
text, where libdeflate is fast as well.
"""

from __future__ import annotations

import zlib
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

try:
    from isal import isal_zlib
except ImportError:  # it is for Intel's and ARM's processors of 64 bits
    isal_zlib = None  # type: ignore[assignment]

Bytes = npt.NDArray[np.uint8]

_SAMPLED = 13  # every so many rows are looked at: a hundredth of the time that deflating takes
_SMOOTH = 0.6  # and more of the differences are near 0
_LEVEL = 2  # of ISA-L: 1 takes a tenth less time for 1 to 2 percent more
_TEXTURE_LEVEL = 3  # of ISA-L: 0.5 to 1 percent less in as much time; 1 to 4 percent more where smooth
_SLOWER_LEVEL = 1  # of libdeflate: the next one takes a third to a half longer for 1 to 3 percent or none
_EVEN_LEVEL = 4  # of libdeflate: in drawings as fast as the first, and up to 30 percent less


def drawing(rows: Bytes) -> bytes | bytearray:
    """Return C-contiguous rows×bytes of a drawing or of text as a zlib stream."""
    return _by_libdeflate(rows, _EVEN_LEVEL)


def photo(differences: Bytes, itemsize: int, *, patient: bool) -> bytes | bytearray:
    """Return the filtered rows of a photo as a zlib stream.

    Args:
        differences: rows×bytes, samples less what their neighbours say of them; C-contiguous.
        itemsize: bytes of a sample.
        patient: whether smooth pictures are worth libdeflate's time.
    """
    smooth = smoothness(differences) >= _SMOOTH
    if isal_zlib is None or (smooth and patient):
        return _by_libdeflate(differences, _SLOWER_LEVEL)
    textured = itemsize == 1 and not smooth  # in 16 bits the lower bytes match nothing
    return isal_zlib.compress(differences, _TEXTURE_LEVEL if textured else _LEVEL)


def _by_libdeflate(rows: Any, level: int) -> bytes | bytearray:
    return imagecodecs.deflate_encode(rows, level=level)


def machine(*, bare: bool = False) -> Any:
    """Return what deflates a stream part by part; `bare`: without its head and check sum."""
    window = -zlib.MAX_WBITS if bare else zlib.MAX_WBITS
    if isal_zlib is None:
        return zlib.compressobj(1, zlib.DEFLATED, window)
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, window)


def evenness(rows: Bytes, step: int) -> float:
    """Return the share of bytes that equal the one a pixel before: near 1 in drawings and pages of text."""
    seen = rows[::_SAMPLED]
    if seen.shape[1] <= step:
        return 0.0
    return float(np.count_nonzero(seen[:, step:] == seen[:, :-step])) / seen[:, step:].size


def smoothness(differences: Bytes) -> float:
    """Return the share of differences from -2 to 2, modulo 256: 0.6 and more in smooth photos."""
    seen = differences[::_SAMPLED] + np.uint8(2)
    return float(np.count_nonzero(seen < 5)) / seen.size
