"""TGA files whose fourth channel is none.

Source: Truevision TGA File Format Specification 2.0 (image descriptor, bits 3 to 0: attribute bits).
"""

from __future__ import annotations

from restorecli.photos.raster import Raster

_BITS, _DESCRIPTOR = 16, 17  # places in the header
_ATTRIBUTES = 0x0F


def without_false_alpha(raster: Raster, data: bytes) -> None:
    """Take alpha out of a raster where the header says that there is none and the bits mean nothing.

    Of 32 bits many writers fill the last 8 without saying so: only where they hide everything they are none.
    """
    if raster.alpha is None or data[_DESCRIPTOR] & _ATTRIBUTES:
        return
    if data[_BITS] == 16 or not raster.alpha.any():
        raster.alpha = None
