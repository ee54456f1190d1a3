"""Linear DNG: demosaiced camera RAW that another program develops.

The pixels stay in the camera's own RGB, before white balance, as the sensor counted them; white balance,
camera matrix (with all of the profile that a DNG has), orientation and crop are written beside them, and what
the maker wants done after demosaicing: exposure and the third list of opcodes. What the first two ask for
(gain maps, bad pixels) is done already.

Source: Adobe, Digital Negative Specification 1.4.0.0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from restorecli.errors import TooLargeError, UnsupportedError
from restorecli.imaging.develop import NEUTRAL, Gains, bands, camera_of_srgb
from restorecli.imaging.orientation import upright_size
from restorecli.photo import Depth, FloatArray, Photo, Raw
from restorecli.photos.formats.packing import tiff_write
from restorecli.photos.formats.page import Page, quantized
from restorecli.photos.metadata import carried as md
from restorecli.photos.metadata import exif
from restorecli.photos.raster import Samples

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_LINEAR_RAW = 34892
_XMP = 700
_UNIQUE_MODEL = 50708
_FULL = 65535
_DEEPEST = 0.25  # of the range that is kept below black
_FAULTS = 1e-3  # share of samples below it that are cut: they move no mean
_LOOKED_AT = 1 << 18  # pixels, about
_D65 = 21  # EXIF LightSource
_NEUTRAL_DIGITS = 1_000_000
_STRIP = 1 << 20  # bytes per strip, about
_LARGEST = 2**32 - 2**25  # bytes; a DNG of this version is no BigTIFF
UNKNOWN = "the camera's colours are not known: the DNG gives its red, green and blue as those of sRGB"

Tag = tuple[int, int, int, Any, bool]


def prepare(photo: Photo, strip: bool, provenance: Mapping[str, str]) -> Page:
    """A page of a linear DNG.

    1 becomes 65535, the white level, and what lies beyond is clipped. Noise that goes below black is kept by
    a black level above it, so that the mean of dark parts stays as it is; where the noise was taken out, what
    is below black is clipped, so that programs that ignore levels show it right.

    Args:
        photo: with `Photo.raw`, pixels H×W×3 in linear camera RGB, neither balanced nor cropped nor turned.
        strip: leave out EXIF and XMP.
        provenance: what was done.

    Raises:
        UnsupportedError: the photo is no demosaiced RAW.
        TooLargeError: more than 4 GiB of samples.
    """
    raw = photo.raw
    if raw is None or photo.is_gray:
        raise UnsupportedError(
            "a linear DNG holds camera RAW that is demosaiced and not developed further", "use --format tiff"
        )
    if photo.pixels.size * 2 > _LARGEST:
        raise TooLargeError(
            f"{photo.width}×{photo.height} pixels are too many for a DNG", "use --format tiff"
        )
    black = 0 if raw.denoised else _black(photo.pixels, raw.crop)
    samples = _stored(photo.pixels, black)
    page = Page(samples, has_alpha=False, raw=replace(raw, black=(black,) * 3, white=(_FULL,) * 3))
    if not strip:
        page.exif = md.exif_for(photo.metadata, photo.width, photo.height, provenance)
        page.xmp = md.xmp_for(photo.metadata, *upright_size(raw), provenance)
    if raw.camera_from_xyz is None:
        page.warnings.append(UNKNOWN)
    return page


def _black(pixels: FloatArray, crop: tuple[int, int, int, int]) -> int:
    """The level of black that leaves room for what is darker within the crop; 0 where only faults are."""
    top, left, height, width = crop
    step = max(1, math.isqrt(height * width // _LOOKED_AT))
    seen = pixels[top : top + height : step, left : left + width : step]
    lowest = max(float(np.quantile(seen, _FAULTS)), -_DEEPEST)
    return math.ceil(_FULL * lowest / (lowest - 1)) if lowest * _FULL < -0.5 else 0


def _stored(pixels: FloatArray, black: int) -> Samples:
    """Samples of 16 bits in which 0 is at the level ``black``."""
    if not black:
        return quantized(pixels, Depth.UINT16)
    samples: Samples = np.empty(pixels.shape, np.uint16)
    for rows in bands(len(pixels)):
        lifted = pixels[rows] * np.float32(1 - black / _FULL) + np.float32(black / _FULL)
        quantized(lifted, Depth.UINT16, out=samples[rows])
    return samples


def encode(page: Page, stream: BinaryIO) -> None:
    """Write a page made by `prepare` to a seekable, readable stream."""
    raw = page.raw
    assert raw is not None
    height, width, _ = page.samples.shape
    block = None if page.exif is None else _oriented(page.exif, raw.orientation)
    big_endian = bool(block and block[:1] == b"M")
    with tiff_write.writing(stream, block, page.warnings, big_endian=big_endian) as writer:
        writer.write(
            page.samples,
            photometric=_LINEAR_RAW,
            planarconfig="contig",
            rowsperstrip=max(1, min(height, _STRIP // (6 * width))),
            metadata=None,
            software=False,
            extratags=_tags(raw, width, height, page.xmp),
        )


def _oriented(block: bytes, orientation: int) -> bytes:
    """The EXIF block with the orientation of pixels that are not turned."""
    parsed = exif.Block(block)
    value = struct.pack(parsed.order + "H", orientation)
    parsed.rewrite_first({exif.ORIENTATION: (_SHORT, 1, value)})
    return bytes(parsed.data)


def _tags(raw: Raw, width: int, height: int, xmp: bytes | None) -> list[Tag]:
    top, left, rows, columns = raw.crop
    camera = raw.camera or "Unknown camera"
    across, down = (raw.pixel_aspect, 1.0) if raw.pixel_aspect >= 1 else (1.0, 1 / raw.pixel_aspect)
    tags: list[Tag] = [
        (274, _SHORT, 1, raw.orientation, True),
        (50706, _BYTE, 4, (1, 4, 0, 0), True),  # DNGVersion
        # Opcodes are to be known by who opens it: they came with version 1.3.
        (50707, _BYTE, 4, (1, 3 if raw.later_opcodes else 1, 0, 0), True),  # DNGBackwardVersion
        (50714, _SHORT, 3, tuple(round(level) for level in raw.black), True),  # BlackLevel
        (50717, _SHORT, 3, (_FULL, _FULL, _FULL), True),  # WhiteLevel
        (50718, _RATIONAL, 2, _rationals((across, down)), True),  # DefaultScale
        (50719, _RATIONAL, 2, _rationals((left, top)), True),  # DefaultCropOrigin
        (50720, _RATIONAL, 2, _rationals((columns, rows)), True),  # DefaultCropSize
        (50728, _RATIONAL, 3, _rationals([1 / gain for gain in _gains(raw)]), True),  # AsShotNeutral
        (50730, _SRATIONAL, 1, _rationals((raw.exposure,)), True),  # BaselineExposure
        (50829, _LONG, 4, (0, 0, height, width), True),  # ActiveArea
        (50935, _RATIONAL, 1, (int(raw.denoised), 1), True),  # NoiseReductionApplied
    ]
    if raw.later_opcodes:
        tags.append((51022, _UNDEFINED, len(raw.later_opcodes), raw.later_opcodes, True))  # OpcodeList3
    if raw.noise is not None and not raw.denoised:
        pairs = [value for pair in zip(raw.noise.shot, raw.noise.read, strict=True) for value in pair]
        tags.append((51041, _DOUBLE, 6, tuple(pairs), True))  # NoiseProfile
    if raw.profile:
        tags += [(*tag, True) for tag in raw.profile]
    else:
        matrix = camera_of_srgb(_gains(raw)) if raw.camera_from_xyz is None else raw.camera_from_xyz
        tags.append((50721, _SRATIONAL, 9, _rationals(matrix.ravel()), True))  # ColorMatrix1
        tags.append((50778, _SHORT, 1, _D65, True))  # CalibrationIlluminant1
    if not any(tag[0] == _UNIQUE_MODEL for tag in tags):
        tags.append((_UNIQUE_MODEL, _ASCII, 0, camera.encode("ascii", "replace").decode(), True))
    if xmp is not None:
        tags.append((_XMP, _BYTE, len(xmp), xmp, True))
    return sorted(tags, key=lambda entry: entry[0])


def _gains(raw: Raw) -> Gains:
    """The gains as shot, or else those of daylight."""
    return raw.gains.get("camera") or raw.gains.get("daylight") or NEUTRAL


def _rationals(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[int, ...]:
    fractions = [Fraction(float(value)).limit_denominator(_NEUTRAL_DIGITS) for value in values]
    return tuple(part for each in fractions for part in (each.numerator, each.denominator))
