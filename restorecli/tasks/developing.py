"""From a network's linear camera RGB to the finished picture, or to what a linear DNG holds of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from restorecli.imaging import develop, opcodes
from restorecli.imaging.colour import srgb_to_linear
from restorecli.imaging.orientation import upright
from restorecli.imaging.resample import resize
from restorecli.photo import FloatArray, Photo, Raw

NO_MATRIX = "the camera's colours are not known: its red, green and blue were used as the output's"
LENS = "corrections that the file asks for were left out: {}"


@dataclass(frozen=True)
class Look:
    """What a developed picture is to look like.

    Attributes:
        highlights: one of `develop.HIGHLIGHTS`.
        color_space: one of `develop.COLOUR_SPACES`.
        exposure: in stops.
    """

    highlights: str
    color_space: str
    exposure: float


def developed(
    photo: Photo, raw: Raw, colours: FloatArray, look: Look, gains: develop.Gains, white: float
) -> Photo:
    """Return the finished picture: highlights, colours, crop, orientation.

    Args:
        photo: whose metadata it gets.
        raw: of the photo.
        colours: H×W×3 of all visible pixels, linear, balanced; may be changed.
        look: what it is to look like.
        gains: of the white balance.
        white: the balanced value that was made 1.
    """
    warnings = list(photo.warnings)
    if raw.later_opcodes:
        corrected = opcodes.apply(colours, raw.later_opcodes, unit=[gain / white for gain in gains])
        colours = corrected.pixels
        if corrected.unknown:
            warnings.append(LENS.format(", ".join(corrected.unknown)))
    clip = develop.white(gains, raw.saturation, "clip") / white
    top, left, height, width = raw.crop
    colours = np.ascontiguousarray(colours[top : top + height, left : left + width])
    for rows in develop.bands(colours.shape[0]):
        if look.highlights == "blend":
            colours[rows] = develop.blend(colours[rows], clip)
        else:
            np.minimum(colours[rows], 1, out=colours[rows])
    develop.render(colours, raw, look.color_space, look.exposure)
    profile, working = develop.profile(raw, look.color_space)
    if develop.space_from_camera(raw.camera_from_xyz, "srgb") is None:
        warnings.append(NO_MATRIX)
    if raw.pixel_aspect != 1:
        colours = resize(colours, *square(height, width, raw.pixel_aspect))
    return replace(
        photo,
        pixels=np.ascontiguousarray(upright(colours, raw.orientation)),
        raw=None,
        metadata=replace(photo.metadata, profile=profile, working=working),
        warnings=tuple(warnings),
    )


def undeveloped(
    photo: Photo, colours: FloatArray, gains: develop.Gains, white: float, *, denoised: bool
) -> Photo:
    """Return the camera's own RGB, for a linear DNG that looks as the RAW does with the same white balance.

    A DNG has one value at which all colours clip: those that clip earlier are scaled up to it, as are the
    numbers that speak of them.

    Args:
        photo: the RAW.
        colours: H×W×3 of all visible pixels, linear, balanced.
        gains: of the white balance, which the DNG gives as that of the camera.
        white: the balanced value that was made 1.
        denoised: whether the noise has been taken out.
    """
    raw = photo.raw
    assert raw is not None
    red, green, blue = (white / gain / full for gain, full in zip(gains, raw.saturation, strict=True))
    pixels = develop.balanced(colours, "", (red, green, blue))
    told = {**raw.gains, "camera": gains}
    raw = replace(raw, pattern="", lift=None, gains=told, denoised=denoised)
    if raw.saturation != develop.NEUTRAL:
        raw = _all_clip_at_one(raw)
    return replace(photo, pixels=pixels, raw=raw)


def _all_clip_at_one(raw: Raw) -> Raw:
    """Return what is told of samples of which each colour was divided by the value at which it clips."""
    red, green, blue = raw.saturation
    matrix = raw.camera_from_xyz
    return replace(
        raw,
        saturation=develop.NEUTRAL,
        gains={
            name: (r * red / (g * green), 1.0, b * blue / (g * green))
            for name, (r, g, b) in raw.gains.items()
        },
        camera_from_xyz=None if matrix is None else matrix / np.array(raw.saturation)[:, None],
        noise=None if raw.noise is None else raw.noise.multiplied((1 / red, 1 / green, 1 / blue)),
        profile=(),
    )


def remarks(raw: Raw, balance: develop.Balance, look: Look) -> list[str]:
    """Return what the user should know of how a RAW is developed."""
    notes = []
    blended, clipped = (develop.white(balance.gains, raw.saturation, way) for way in ("blend", "clip"))
    stops = float(np.log2(blended / clipped))
    if look.highlights == "blend" and stops > 0.05:
        notes.append(f"{stops:.1f} stops darker, so that the highlights fit")
    if abs(raw.exposure) > 0.005 and look.exposure == 0:
        notes.append(f"the camera would brighten it by {raw.exposure:+.2g} stops: --exposure does")
    if raw.pixel_aspect != 1:
        height, width = square(*raw.crop[2:], raw.pixel_aspect)
        notes.append(f"pixels are not square: resized to {width}×{height} before turning")
    return notes


def square(height: int, width: int, aspect: float) -> tuple[int, int]:
    """Return the sides that make pixels of width ÷ height ``aspect`` square, none of them smaller."""
    return (round(height / aspect), width) if aspect < 1 else (height, round(width * aspect))


def without_curve(colours: FloatArray) -> FloatArray:
    """Return H×W×3 with sRGB's curve undone, in an array of its own."""
    result = np.empty(colours.shape, np.float32)
    for rows in develop.bands(colours.shape[0]):
        result[rows] = srgb_to_linear(colours[rows])
    return result
