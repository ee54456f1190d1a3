"""From a network's linear camera RGB to the finished picture: highlights, colours, crop, orientation."""

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


def developed(photo: Photo, raw: Raw, colours: FloatArray, look: Look, clip: float) -> Photo:
    """Return the finished picture.

    Args:
        photo: whose metadata it gets.
        raw: of the photo.
        colours: H×W×3 of all visible pixels, linear, balanced; may be changed.
        look: what it is to look like.
        clip: the value at which the first colour clips.
    """
    warnings = list(photo.warnings)
    if raw.later_opcodes:
        corrected = opcodes.apply(colours, raw.later_opcodes)
        colours = corrected.pixels
        if corrected.unknown:
            warnings.append(LENS.format(", ".join(corrected.unknown)))
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
