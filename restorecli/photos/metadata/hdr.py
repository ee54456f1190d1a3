"""HDR pictures (PQ and HLG) on their way to a network and back.

The network sees the light in 0–1 by a tone curve that can be undone, with sRGB's transfer curve, so mid-tones
are as bright as in ordinary photos. The same picture is the result where a format cannot hold HDR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import hdr, icc
from restorecli.imaging.cicp import PQ, Cicp
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photo import FloatArray, Metadata
from restorecli.photos.raster import Raster, to_float

TONE_MAPPED = (
    "the picture is HDR, which this format cannot hold: tone-mapped by Reinhard's extended curve "
    "(203 cd/m² is the reference white, the brightest pixel becomes white)"
)
_OUTSIDE = 1e-3  # negative light, relative to reference white, that is rounding


def to_working(raster: Raster, cicp: Cicp) -> tuple[FloatArray, str, float]:
    """The pixels of an HDR raster as networks want them.

    Returns:
        H×W×1 or H×W×3 float32 in 0–1, the name of the working space, and the light that 1 stands for, in
        units of reference white.
    """
    signal = full_range(to_float(raster.samples, raster.peak), raster, cicp)
    light = _light_of_signal(np.clip(signal, 0, 1, out=signal), cicp)
    working = "srgb"
    if light.shape[2] == 3:
        working, light = _smallest(light, cicp)
    np.maximum(light, 0, out=light)
    peak = max(1.0, float(light.max()))
    return np.clip(linear_to_srgb(hdr.compress(light, peak)), 0, 1), working, peak


def full_range(pixels: FloatArray, raster: Raster, cicp: Cicp) -> FloatArray:
    """Narrow-range samples (16–235 of 255, H.273 section 8.3) stretched to 0–1; others as they are."""
    if cicp.full_range or raster.samples.dtype.kind == "f":
        return pixels
    # With n bits black is 16·2^(n−8), white 235·2^(n−8), and `peak` is 2^n − 1.
    step = np.float32((raster.peak + 1) / 256 / raster.peak)
    stretched: FloatArray = np.clip((pixels - 16 * step) / (219 * step), 0, 1)
    return stretched


def light(pixels: FloatArray, metadata: Metadata) -> FloatArray:
    """Pixels of an HDR photo as light, 1 for reference white, in the primaries of its working space."""
    assert metadata.hdr_peak is not None
    return hdr.expand(srgb_to_linear(pixels), metadata.hdr_peak)


def signal(pixels: FloatArray, metadata: Metadata) -> FloatArray:
    """Pixels of an HDR photo as the signal, 0–1, that its code points name."""
    cicp = Cicp(*metadata.cicp) if metadata.cicp else Cicp(9, PQ)
    there = light(pixels, metadata)
    if there.shape[2] == 3:
        matrix = _matrix(icc.SPACES[metadata.working], cicp.chromaticities)
        there = np.maximum(there @ matrix.T.astype(np.float32), 0)
    if cicp.transfer == PQ:
        return hdr.light_to_pq(there)
    return hdr.light_to_hlg(there, _luminance(cicp))


def _light_of_signal(pixels: FloatArray, cicp: Cicp) -> FloatArray:
    return hdr.pq_to_light(pixels) if cicp.transfer == PQ else hdr.hlg_to_light(pixels, _luminance(cicp))


def _luminance(cicp: Cicp) -> NDArray[np.float64]:
    return np.asarray(icc.primaries_xyz(cicp.chromaticities)[1])


def _smallest(light: FloatArray, cicp: Cicp) -> tuple[str, FloatArray]:
    """The smallest working space that holds all colours, and the light in it."""
    sample = light[:: max(1, light.shape[0] // 64), :: max(1, light.shape[1] // 64)]
    for name in icc.SPACES:
        matrix = _matrix(cicp.chromaticities, icc.SPACES[name]).T.astype(np.float32)
        if (sample @ matrix).min() < -_OUTSIDE:
            continue
        there = light @ matrix
        if there.min() >= -_OUTSIDE:
            return name, there
    return "rec2020", light @ _matrix(cicp.chromaticities, icc.SPACES["rec2020"]).T.astype(np.float32)


def _matrix(source: tuple[float, ...], target: tuple[float, ...]) -> NDArray[np.float64]:
    """3×3: light in one set of primaries to another."""
    if source == target:
        return np.eye(3)
    return np.asarray(np.linalg.solve(icc.colorants(target), icc.colorants(source)), np.float64)
