"""A file as a screen shows it: sRGB in 8 bits, upright, on a gray ground where it is transparent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import bayer, develop, xtrans
from restorecli.imaging.cfa import period
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.photo import Depth, FloatArray, Photo, Raw
from restorecli.photos.formats.page import quantized
from restorecli.photos.metadata import profiles
from restorecli.photos.read import read
from restorecli.tasks.developing import Look, developed

Bytes = NDArray[np.uint8]

_GROUND = np.float32(0.75)  # even, so that it is the same at every size
_NAMES = {"jpeg": "JPEG", "jpeg2000": "JPEG 2000", "jpegxl": "JPEG XL", "raw": "camera RAW", "webp": "WebP"}
_DEPTHS = {Depth.UINT8: "8 bit", Depth.UINT16: "16 bit", Depth.FLOAT32: "float"}


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture for the screen.

    Attributes:
        pixels: H×W×3, sRGB.
        kind: what the file is, in words.
        notes: what the screen does not show as it is.
    """

    pixels: Bytes
    kind: str
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])


def show(source: Path | bytes, name: str | None = None) -> Shown:
    """Read a file, of several pages the first.

    Args:
        source: a path, or the file's bytes.
        name: how messages call it.

    Raises:
        PhotoError: it cannot be read.
    """
    document = read(source, name=name, frames="first")
    return of_photo(document.pages[0], pages=len(document.pages))


def of_photo(photo: Photo, *, pages: int = 1) -> Shown:
    """Return how a screen shows a photo that is one of ``pages``."""
    kind, notes = _kind(photo), []
    if photo.raw is not None:
        notes.append("camera RAW: developed plainly, without a network")
        photo = plainly_developed(photo, photo.raw)
    if photo.metadata.hdr_peak is not None:
        notes.append("high dynamic range: shown with its light compressed")
    if pages > 1:
        notes.append(f"the first of {pages} pages")
    pixels = profiles.to_srgb(photo.pixels, photo.metadata)
    if photo.alpha is not None:
        pixels = on_ground(pixels, photo.alpha)
        notes.append("what is transparent is shown on gray")
    samples = quantized(pixels, Depth.UINT8)
    return Shown(np.repeat(samples, 3, axis=2) if samples.shape[2] == 1 else samples, kind, tuple(notes))


def plainly_developed(photo: Photo, raw: Raw) -> Photo:
    """Develop camera RAW as shot by simple interpolation, nothing taken out.

    Malvar, He and Cutler's filters interpolate Bayer mosaics, `xtrans.interpolate` X-Trans ones.

    Args:
        photo: its pixels as `Raw` says.
        raw: of the photo.
    """
    gains = develop.balance(photo.pixels, raw, "camera").gains
    white = develop.white(gains, raw.saturation, "clip")
    red, green, blue = (gain / white for gain in gains)
    values = np.minimum(develop.balanced(photo.pixels, raw.pattern, (red, green, blue)), 1)
    if raw.pattern:
        interpolate = xtrans.interpolate if period(raw.pattern) == xtrans.PERIOD else bayer.malvar
        values = srgb_to_linear(interpolate(linear_to_srgb(values[:, :, 0]), raw.pattern))
    return developed(replace(photo, raw=raw), raw, values, Look("clip", "srgb", 0.0), gains, white)


def on_ground(pixels: FloatArray, alpha: FloatArray) -> FloatArray:
    """Lay a picture over a gray ground.

    Args:
        pixels: H×W×C in 0–1, not premultiplied.
        alpha: H×W in 0–1.
    """
    laid: FloatArray = _GROUND + (pixels - _GROUND) * alpha[..., None]
    return laid


def _kind(photo: Photo) -> str:
    """Say what a file is: "JPEG, 8 bit, gray"."""
    words = [_NAMES.get(photo.format, photo.format.upper()), _DEPTHS[photo.depth]]
    if photo.raw is not None:
        words = [words[0], *([photo.raw.camera] if photo.raw.camera else [])]
    elif photo.is_gray:
        words.append("gray")
    if photo.alpha is not None:
        words.append("with transparency")
    if photo.metadata.hdr_peak is not None:
        words.append("HDR")
    return ", ".join(words)
