"""ICO files whose 32-bit pictures have no alpha, so that the mask counts, as in Windows and browsers."""

from __future__ import annotations

import struct

import numpy as np

from restorecli.photos.raster import Raster

_ENTRY = 16  # bytes of a directory entry
_INFO_HEADER = 40


def apply_mask(raster: Raster, data: bytes) -> None:
    """Take alpha from the mask, of one bit for each pixel, where all of the picture would be transparent."""
    if raster.alpha is None or raster.alpha.any():
        return
    height, width = raster.alpha.shape
    (count,) = struct.unpack_from("<H", data, 4)
    for at in range(6, min(6 + count * _ENTRY, len(data) - _ENTRY + 1), _ENTRY):
        start = struct.unpack_from("<8xII", data, at)[1]
        if start + _INFO_HEADER > len(data):
            continue
        header, across, twice, _, bits = struct.unpack_from("<IiiHH", data, start)
        row = (width + 31) // 32 * 4
        mask_at = start + header + 4 * width * height
        if (header, across, twice, bits) != (_INFO_HEADER, width, 2 * height, 32):
            continue
        if mask_at + row * height <= len(data):
            cells = np.frombuffer(data, np.uint8, row * height, mask_at).reshape(height, row)[::-1]
            hidden = np.unpackbits(cells, axis=1)[:, :width]
            raster.alpha = np.where(hidden, 0, 255).astype(np.uint8)
            raster.alpha_peak = 255.0
            return
