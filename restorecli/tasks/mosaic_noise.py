"""Which noise a mosaic has: as its file says, as its camera is known, as its pixels show, or as is usual."""

from __future__ import annotations

from restorecli.imaging import noise_fit, noise_table
from restorecli.photo import FloatArray, Raw, RawNoise

MEASURED = "measured in the mosaic"


def of_raw(mosaic: FloatArray, raw: Raw) -> RawNoise | None:
    """Return the noise of a RAW mosaic, from the best source there is; None where there is none.

    In this order: the DNG's noise profile, the table of cameras by ISO, the fit to the mosaic's own smooth
    parts, a usual sensor at the photo's ISO.

    Args:
        mosaic: H×W, linear, not white-balanced, black at 0 and white at 1.
        raw: of the mosaic.
    """
    if raw.noise is not None:
        return raw.noise
    known = noise_table.of_camera(raw.camera, raw.iso)
    if known is not None:
        return known
    found = measured(mosaic, raw.pattern)
    if found is not None:
        return found
    return noise_table.usual(raw.iso) if raw.iso > 0 else None


def measured(mosaic: FloatArray, pattern: str) -> RawNoise | None:
    """Return the noise that a mosaic's smooth parts show; None where they are too few."""
    found = noise_fit.fit(mosaic, pattern)
    if found is None:
        return None
    return RawNoise((found.shot,) * 3, (found.read,) * 3, MEASURED)
