"""What a network that demosaics is shown of a mosaic, by what it calls its input."""

from __future__ import annotations

from numpy.typing import NDArray

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.imaging.cfa import Sample
from restorecli.photo import FloatArray

FORMS = {
    "malvar-RGGB": "RGGB",
    "zeros-GRBG": "GRBG",
    "cells-XTRANS": xtrans.PATTERN,
}
"""Name of an input → the pattern that the mosaic must have."""


def colours(mosaic: FloatArray, form: str) -> FloatArray:
    """Return H×W×3 as a network takes it.

    Args:
        mosaic: H×W, display values, in the pattern of ``form``.
        form: "malvar-RGGB": interpolated by Malvar, He and Cutler; "zeros-GRBG": zero where a pixel does not
            hold a colour; "cells-XTRANS": interpolated, red and blue exchanged in every second 3×3 cell.
    """
    pattern = FORMS[form]
    if form == "malvar-RGGB":
        return bayer.malvar(mosaic, pattern)
    if form == "zeros-GRBG":
        return cfa.as_zeros(mosaic, pattern)
    return xtrans.exchange(xtrans.interpolate(mosaic, pattern))


def restored(image: NDArray[Sample], form: str) -> NDArray[Sample]:
    """Return a network's H×W×3 output with red, green and blue in their places."""
    return xtrans.exchange(image) if form == "cells-XTRANS" else image
