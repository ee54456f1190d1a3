"""Colour: from a file's own space to the one that networks see, and back, by LittleCMS in floating point.

Networks were trained on sRGB. A file with a wider profile may hold colours that sRGB has only beyond 0–1; its
pixels then get the primaries of the smallest wider space that holds them all, so nothing is clipped.
"""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
from PIL import ImageCms

from restorecli.imaging import icc
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photo import Depth, FloatArray, Metadata
from restorecli.photos.metadata import shaper as shapers
from restorecli.photos.raster import Raster, Samples, to_float

_RELATIVE = 1  # colorimetric intent
_PIXELS_AT_ONCE = 1 << 18  # per call of LittleCMS
_SAME = 0.4 / 255  # a profile that moves no colour by this much is sRGB
_OUTSIDE = 0.25 / 255  # so much over the edge of a space is rounding
_INVERTIBLE = 0.4 / 255
_CURVE_STEPS = 4096
NATIVE = "native"  # the file's own RGB, for colours that none of the working spaces holds
_SPACE_NAMES = {"RGB ": "rgb", "GRAY": "gray", "CMYK": "cmyk", "Lab ": "lab"}
_ERRORS = (ValueError, RuntimeError, OSError, TypeError, ImageCms.PyCMSError)


def colour_space(profile: bytes) -> str:
    """Which samples a profile is for: "rgb", "gray", "cmyk", "lab"; "" for others and for broken profiles."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        return _SPACE_NAMES.get(opened.xcolor_space, "")
    except _ERRORS:
        return ""


def to_working(raster: Raster) -> tuple[FloatArray, bytes | None, str]:
    """The pixels of a raster as networks want them.

    Args:
        raster: as decoded; warnings are added to it.

    Returns:
        H×W×1 or H×W×3 float32 with the sRGB curve, the profile to convert back to (None: stay in sRGB), and
        the name of the working space.
    """
    if raster.model in ("cmyk", "lab"):
        return _from_print(raster), None, "srgb"
    profile = icc.linear_profile(raster.model == "gray") if raster.linear else raster.icc
    pixels = to_float(raster.samples, raster.peak)
    if raster.linear and not pixels.min() < 0:
        return linear_to_srgb(pixels), profile, "srgb"  # the curve's own formula is exact, LittleCMS is not
    if not profile:
        return pixels, None, "srgb"
    space = colour_space(profile)
    if (space, raster.model) == ("rgb", "gray"):
        profile, space = _gray_of(profile) or profile, "gray"
    if space != raster.model:
        what = f"is for {space} samples, not {raster.model}" if space else "is broken"
        raster.warnings.append(f"the colour profile {what}: ignored")
        return pixels, None, "srgb"
    try:
        return _convert(pixels, profile, raster)
    except _ERRORS:
        raster.warnings.append("the colour profile cannot be used: ignored")
        return to_float(raster.samples, raster.peak), None, "srgb"


def _convert(pixels: FloatArray, profile: bytes, raster: Raster) -> tuple[FloatArray, bytes | None, str]:
    gray = raster.model == "gray"
    space, whole = raster.model, raster.samples.dtype.kind != "f"
    grid = _grid(space)
    if raster.working == NATIVE:
        return pixels, profile, NATIVE
    sample = np.ascontiguousarray(pixels[:: max(1, pixels.shape[0] // 64), :: max(1, pixels.shape[1] // 64)])
    for name in ("srgb",) if gray else icc.SPACES:
        if raster.working not in (None, name):
            continue
        working = icc.working_profile(name, gray)
        if _is_same(profile, working, space):
            return pixels, profile, name
        # A few pixels often suffice to show that this space is too small.
        decided = gray or raster.working is not None
        if not decided and not _holds(_transform(sample, profile, working, space), whole):
            continue
        if not _is_invertible(grid, profile, working, space):
            raster.warnings.append(f"the colour profile works one way only: the result is in {name}")
            _transform(pixels, profile, working, space, over=pixels)
            return np.clip(pixels, 0, 1, out=pixels) if whole else pixels, working, name
        # Over itself: a second picture in float32 would be the most that reading takes.
        if shaper := shapers.measured(profile, name) if raster.depth is Depth.UINT8 and not gray else None:
            shaper.forward(pixels, over=pixels)
        else:
            _transform(pixels, profile, working, space, over=pixels)
        if decided or _holds(pixels, whole):
            return np.clip(pixels, 0, 1, out=pixels) if whole else pixels, profile, name
        pixels = to_float(raster.samples, raster.peak)
    return pixels, profile, NATIVE


def _gray_of(profile: bytes) -> bytes | None:
    """The gray profile that an RGB profile means for equal channels; None where it cannot be used."""
    ramp = np.linspace(0, 1, _CURVE_STEPS, dtype=np.float32).reshape(1, -1, 1)
    try:
        light = _transform(np.repeat(ramp, 3, axis=2), profile, icc.linear_profile(True), "rgb", "gray")
    except _ERRORS:
        return None
    return icc.gray_profile(icc.sampled_curve(light.ravel().astype(np.float64)), "Gray of an RGB profile")


def _holds(pixels: FloatArray, whole: bool) -> bool:
    """Whether no colour lies outside a space; in float files, lights brighter than white are none of that."""
    return bool(pixels.min() >= -_OUTSIDE and (not whole or pixels.max() <= 1 + _OUTSIDE))


def _is_invertible(grid: FloatArray, profile: bytes, working: bytes, space: str) -> bool:
    try:
        back = _transform(_transform(grid, profile, working, space), working, profile, space)
    except _ERRORS:
        return False
    return bool(np.abs(back - grid).max() < _INVERTIBLE)


def _grid(space: str) -> FloatArray:
    steps = np.linspace(0, 1, 9, dtype=np.float32)
    if space == "gray":
        return np.linspace(0, 1, 257, dtype=np.float32).reshape(1, -1, 1)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)


def _transform(
    pixels: Samples,
    profile: bytes,
    target: bytes,
    space: str,
    outspace: str = "",
    over: FloatArray | None = None,
) -> FloatArray:
    """H×W×C samples through LittleCMS to float32, bands of rows side by side; ``over`` is where they go."""
    outspace = outspace or space
    height, width = pixels.shape[:2]
    result = np.empty((height, width, 1 if outspace == "gray" else 3), np.float32) if over is None else over
    rows = max(1, _PIXELS_AT_ONCE // width)
    finished: set[int] = set()

    def convert(top: int) -> None:
        part = np.ascontiguousarray(pixels[top : top + rows])
        done = imagecodecs.cms_transform(
            part[:, :, 0] if space == "gray" else part,
            profile,
            target,
            colorspace=space,
            outcolorspace=outspace,
            outdtype="float32",
            intent=_RELATIVE,
        )
        result[top : top + rows] = done.reshape(part.shape[0], width, -1)
        finished.add(top)

    if height <= rows:
        convert(0)
        return result
    tops = range(0, height, rows)
    try:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            list(pool.map(convert, tops))
    except RuntimeError:  # the system gives no thread; what LittleCMS raises, it raises again
        for top in (top for top in tops if top not in finished):
            convert(top)
    return result


def _from_print(raster: Raster) -> FloatArray:
    """CMYK or Lab samples as sRGB."""
    if raster.model == "lab":
        raster.warnings.append("the picture is CIELAB: the result is RGB (sRGB)")
        return _lab_to_srgb(raster.samples, raster.white)
    if raster.icc and colour_space(raster.icc) == "cmyk" and raster.samples.dtype.kind == "u":
        try:
            samples = raster.samples
            result = _transform(samples, raster.icc, icc.working_profile("srgb"), "cmyk", "rgb")
            raster.warnings.append("the picture is CMYK: the result is RGB (sRGB), by the file's own profile")
            return np.clip(result, 0, 1, out=result)
        except _ERRORS:
            raster.warnings.append("the colour profile cannot be used: ignored")
    raster.warnings.append(
        "the picture is CMYK without a usable profile: the result is RGB by the simple formula"
    )
    height, width = raster.samples.shape[:2]
    rgb = np.empty((height, width, 3), np.float32)
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        ink = to_float(raster.samples[top : top + rows], raster.peak)
        rgb[top : top + rows] = (1 - ink[:, :, :3]) * (1 - ink[:, :, 3:])
    return rgb


def _lab_to_srgb(lab: Samples, white_xy: tuple[float, float] | None = None) -> FloatArray:
    """CIELAB (L 0–100; CIE 15) to sRGB in 0–1; colours outside sRGB are clipped.

    Args:
        lab: H×W×3.
        white_xy: chromaticity of the white that it is relative to; None for D50.
    """
    f = (lab[:, :, 0].astype(np.float32) + 16) / 116
    fxyz = np.stack([f + lab[:, :, 1] / np.float32(500), f, f - lab[:, :, 2] / np.float32(200)], axis=-1)
    xyz = np.where(fxyz > 6 / 29, fxyz**3, (fxyz - 4 / 29) * (3 * (6 / 29) ** 2))
    white = np.array(icc.D50)
    if white_xy is not None:
        x, y = white_xy
        white = np.array([x / y, 1, (1 - x - y) / y])
    to_rgb = np.linalg.inv(icc.colorants(icc.SPACES["srgb"])) @ icc.adaptation(white, np.array(icc.D50))
    linear = (xyz * white) @ to_rgb.T
    return np.clip(linear_to_srgb(linear.astype(np.float32)), 0, 1)


def from_working(
    pixels: FloatArray, metadata: Metadata, depth: Depth = Depth.FLOAT32
) -> tuple[FloatArray, bytes | None]:
    """Pixels in the file's own colours again, and the profile that says so.

    Args:
        pixels: H×W×C float32 in the working space of `metadata`; not changed.
        metadata: of the photo.
        depth: that is wanted; 8 bits allow a quicker way.

    Returns:
        H×W×C float32 (the same array where nothing is to do) and the profile to embed, None for plain sRGB.
    """
    space = "gray" if pixels.shape[2] == 1 else "rgb"
    profile = metadata.profile
    if metadata.working == NATIVE:
        return pixels, profile
    working = icc.working_profile(metadata.working, space == "gray")
    if profile == icc.linear_profile(space == "gray") and metadata.working == "srgb":
        return srgb_to_linear(pixels), profile
    if profile is None or colour_space(profile) != space:
        return pixels, None if metadata.working == "srgb" else working
    if _is_same(working, profile, space):
        return pixels, profile
    quick = space == "rgb" and depth is Depth.UINT8
    shaper = shapers.measured(profile, metadata.working) if quick else None
    return shaper.backward(pixels) if shaper else _transform(pixels, working, profile, space), profile


def to_srgb(pixels: FloatArray, metadata: Metadata) -> FloatArray:
    """Pixels of a photo in sRGB, for formats that carry no profile; colours outside sRGB are clipped."""
    space = "gray" if pixels.shape[2] == 1 else "rgb"
    srgb = icc.working_profile("srgb", space == "gray")
    source = metadata.profile if metadata.working == NATIVE else None
    source = source or icc.working_profile(
        "srgb" if metadata.working == NATIVE else metadata.working, space == "gray"
    )
    if source == srgb:
        return pixels
    result = _transform(pixels, source, srgb, space)
    return np.clip(result, 0, 1, out=result)


def _is_same(one: bytes, other: bytes, space: str) -> bool:
    grid = _grid(space)
    return bool(np.abs(_transform(grid, one, other, space) - grid).max() < _SAME)
