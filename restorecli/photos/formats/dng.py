"""Linear DNG: demosaiced camera RAW that another program develops.

The pixels stay in the camera's own RGB, before white balance, as the sensor counted them; white balance,
camera matrix, orientation and crop are written beside them, and what the maker wants done after demosaicing:
exposure and the third list of opcodes. What the first two ask for (gain maps, bad pixels) is done already.

Source: Adobe, Digital Negative Specification 1.4.0.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from restorecli.errors import TooLargeError, UnsupportedError
from restorecli.imaging.orientation import upright_size
from restorecli.photo import Depth, Photo, Raw
from restorecli.photos.formats import tiff_write
from restorecli.photos.formats.page import Page, quantized
from restorecli.photos.metadata import carried as md
from restorecli.photos.metadata import exif

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_LINEAR_RAW = 34892
_XMP = 700
_FULL = 65535
_D65 = 21  # EXIF LightSource
_NEUTRAL_DIGITS = 1_000_000
_STRIP = 1 << 20  # bytes per strip, about
_LARGEST = 2**32 - 2**25  # bytes; a DNG of this version is no BigTIFF

Tag = tuple[int, int, int, Any, bool]


def prepare(photo: Photo, strip: bool, provenance: Mapping[str, str]) -> Page:
    """A page of a linear DNG.

    1 becomes 65535, the white level; what lies below black or beyond the white level is clipped, so that any
    reader that ignores levels still shows it right.

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
    page = Page(quantized(photo.pixels, Depth.UINT16), has_alpha=False, raw=raw)
    if not strip:
        page.exif = md.exif_for(photo.metadata, photo.width, photo.height, provenance)
        page.xmp = md.xmp_for(photo.metadata, *upright_size(raw), provenance)
    if raw.camera_from_xyz is None:
        page.warnings.append("the camera's colour matrix is not known: programs will guess the DNG's colours")
    return page


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
        (50707, _BYTE, 4, (1, 1, 0, 0), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, camera.encode("ascii", "replace").decode(), True),  # UniqueCameraModel
        (50714, _SHORT, 3, (0, 0, 0), True),  # BlackLevel
        (50717, _SHORT, 3, (_FULL, _FULL, _FULL), True),  # WhiteLevel
        (50718, _RATIONAL, 2, _rationals((across, down)), True),  # DefaultScale
        (50719, _RATIONAL, 2, _rationals((left, top)), True),  # DefaultCropOrigin
        (50720, _RATIONAL, 2, _rationals((columns, rows)), True),  # DefaultCropSize
        (50728, _RATIONAL, 3, _rationals(_neutral(raw)), True),  # AsShotNeutral
        (50730, _SRATIONAL, 1, _rationals((raw.exposure,)), True),  # BaselineExposure
        (50829, _LONG, 4, (0, 0, height, width), True),  # ActiveArea
        (50935, _RATIONAL, 1, (int(raw.denoised), 1), True),  # NoiseReductionApplied
    ]
    if raw.later_opcodes:
        tags.append((51022, _UNDEFINED, len(raw.later_opcodes), raw.later_opcodes, True))  # OpcodeList3
    if raw.noise is not None and not raw.denoised:
        pairs = [value for pair in zip(raw.noise.shot, raw.noise.read, strict=True) for value in pair]
        tags.append((51041, _DOUBLE, 6, tuple(pairs), True))  # NoiseProfile
    if raw.camera_from_xyz is not None:
        tags.append((50721, _SRATIONAL, 9, _rationals(raw.camera_from_xyz.ravel()), True))  # ColorMatrix1
        tags.append((50778, _SHORT, 1, _D65, True))  # CalibrationIlluminant1
    if xmp is not None:
        tags.append((_XMP, _BYTE, len(xmp), xmp, True))
    return sorted(tags, key=lambda entry: entry[0])


def _neutral(raw: Raw) -> tuple[float, ...]:
    """Camera RGB of what is white: one over the gains as shot, or else of daylight."""
    gains = raw.gains.get("camera") or raw.gains.get("daylight") or (1.0, 1.0, 1.0)
    return tuple(1 / gain for gain in gains)


def _rationals(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[int, ...]:
    fractions = [Fraction(float(value)).limit_denominator(_NEUTRAL_DIGITS) for value in values]
    return tuple(part for each in fractions for part in (each.numerator, each.denominator))
