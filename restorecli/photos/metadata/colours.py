"""Which colours a picture has and gets: by code points (SDR or HDR) or by a profile, in and out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from restorecli.imaging import cicp as code_points
from restorecli.imaging import icc
from restorecli.imaging.cicp import Cicp
from restorecli.imaging.colour import luma, srgb_to_linear
from restorecli.photo import Depth, FloatArray, Photo
from restorecli.photos.metadata import hdr, profiles
from restorecli.photos.raster import Raster, to_float


@dataclass(frozen=True)
class Colours:
    """Pixels and what names their colours; a photo's in its working space, or a file's own.

    Attributes:
        pixels: H×W×1 or H×W×3 float32.
        profile: ICC profile: to convert back to (a photo's), to embed (a file's); None for sRGB.
        cicp: code points beside it.
        working: the working space.
        hdr_peak: see `Metadata.hdr_peak`.
        warnings: what could not be kept.
        chromaticities: x and y of white, red, green and blue, where the pixels are light.
    """

    pixels: FloatArray
    profile: bytes | None
    cicp: Cicp | None = None
    working: str = "srgb"
    hdr_peak: float | None = None
    warnings: tuple[str, ...] = ()
    chromaticities: tuple[float, ...] | None = None


def to_working(raster: Raster) -> Colours:
    """The pixels of a raster as networks want them; warnings are added to the raster."""
    if raster.model not in ("gray", "rgb"):
        return Colours(*profiles.to_working(raster)[:2])
    cicp = raster.cicp
    if cicp is not None and not cicp.is_known:
        raster.warnings.append(
            f"colours of the unknown code points {cicp.primaries}/{cicp.transfer}: taken as "
            + ("the profile says" if raster.icc else "sRGB")
        )
        cicp = None
    tagged = code_points.of_profile(raster.icc) if raster.icc and cicp is None else None
    named = tagged if tagged is not None and tagged.is_hdr and tagged.is_known else cicp
    if named is None:
        pixels, profile, working = profiles.to_working(raster)
        return Colours(pixels, profile, None, working)
    if named.is_hdr:
        pixels, working, peak = hdr.to_working(raster, named)
        # A profile that names HDR goes back into the result; code points need none.
        return Colours(pixels, raster.icc if cicp is None else None, _written(named), working, peak)
    if not named.full_range:
        stretched = hdr.full_range(to_float(raster.samples, raster.peak), raster, named)
        raster.samples, raster.peak = stretched, 1.0
    raster.icc = named.profile(raster.model == "gray")
    pixels, profile, working = profiles.to_working(raster)
    return Colours(pixels, profile, _written(named), working)


def _written(cicp: Cicp) -> Cicp:
    return Cicp(cicp.primaries, cicp.transfer)  # RGB samples of full range, whatever the file's were


def from_working(photo: Photo, held: Collection[str], depth: Depth) -> Colours:
    """A photo's pixels in the colours of a file that carries what is named in `held` ("icc", "cicp").

    Those of a photo without colour have equal channels in the file, whatever tint a network gave them.
    """
    if not photo.colourless or photo.is_gray:
        return _from_working(photo, held, depth)
    coloured = _from_working(replace(photo, pixels=_equal(photo.pixels)), held, depth)
    # Profiles take equal channels to nearly equal ones.
    return replace(coloured, pixels=_equal(coloured.pixels))


def _equal(pixels: FloatArray) -> FloatArray:
    """H×W×3 whose channels are all the luma."""
    same: FloatArray = np.repeat(luma(pixels), 3, axis=2)
    return same


def _from_working(photo: Photo, held: Collection[str], depth: Depth) -> Colours:
    kept = photo.metadata
    if "light" in held:
        return _light(photo)
    cicp = Cicp(*kept.cicp) if kept.cicp is not None and "cicp" in held else None
    if kept.hdr_peak is not None:
        return _from_hdr(photo, held, depth, cicp)
    pixels, profile = profiles.from_working(photo.pixels, kept, depth)
    if profile is None or "icc" in held:
        return Colours(pixels, profile, cicp if profile is None or profile == kept.profile else None)
    warning = "cannot carry a colour profile: the result is in sRGB"
    return Colours(profiles.to_srgb(photo.pixels, kept), None, warnings=(warning,))


def _light(photo: Photo) -> Colours:
    """A photo's pixels as light, 1 for white, in the primaries of its working space."""
    kept = photo.metadata
    working = "srgb" if kept.working == profiles.NATIVE else kept.working
    if kept.hdr_peak is not None:
        pixels = hdr.light(photo.pixels, kept)
    elif kept.working == profiles.NATIVE:
        pixels = srgb_to_linear(profiles.to_srgb(photo.pixels, kept))
    else:
        pixels = srgb_to_linear(photo.pixels)
    return Colours(pixels, None, chromaticities=icc.SPACES[working])


def _from_hdr(photo: Photo, held: Collection[str], depth: Depth, cicp: Cicp | None) -> Colours:
    kept = photo.metadata
    profile = kept.profile if "icc" in held else None
    if cicp is not None or profile is not None:
        return Colours(hdr.signal(photo.pixels, kept), profile, cicp)
    gray = photo.is_gray
    if depth is Depth.FLOAT32 and "icc" in held:
        linear = icc.linear_profile(gray, kept.working)
        return Colours(hdr.light(photo.pixels, kept), linear)
    warnings = (hdr.TONE_MAPPED,)
    if kept.working == "srgb" or gray:
        return Colours(photo.pixels, None, warnings=warnings)
    if "icc" in held:
        return Colours(photo.pixels, icc.working_profile(kept.working), warnings=warnings)
    return Colours(profiles.to_srgb(photo.pixels, kept), None, warnings=warnings)
