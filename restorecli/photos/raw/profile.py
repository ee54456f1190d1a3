"""The colour profile that a DNG carries, kept as its tags are, so that a DNG made of it looks as it does.

Source: Adobe, Digital Negative Specification 1.4.0.0 and, for the third light, 1.6.0.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from restorecli.photo import TiffTag
from restorecli.photos.raster import DECODE_ERRORS

_NAMES = (50708, 50709)  # UniqueCameraModel, by which programs find their own profiles; LocalizedCameraModel
_LIGHTS = (50778, 50779, 52529)  # CalibrationIlluminant1 to 3
_MATRICES = (50721, 50722, 52531, 50723, 50724, 52530, 50727, 50964, 50965, 52532)
_LOOK = (
    *(50931, 50932, 50936, 50941, 50942),  # signatures, ProfileName, EmbedPolicy, Copyright
    *(50937, 50938, 50939, 52537, 51107),  # ProfileHueSatMap: sizes, tables, coding
    *(50981, 50982, 51108),  # ProfileLookTable: sizes, table, coding
    *(50940, 51109, 51110),  # ProfileToneCurve, BaselineExposureOffset, DefaultBlackRender
)
TAGS = (*_NAMES, *_LIGHTS, *_MATRICES, *_LOOK)
_FIRST_MATRIX = 50721
_OTHER_LIGHT = 255  # described by a tag of its own, whose bytes are in the file's order
_ASCII, _RATIONALS = 2, (5, 10)
_LARGEST = 1 << 21  # values of all tags together


def read(first: Any) -> tuple[TiffTag, ...]:
    """Read a DNG's colour profile from tifffile's page of its first directory.

    Returns:
        Nothing where there is no matrix for three colours, a light that is not one of EXIF's, or damage.
    """
    try:
        return _read(first)
    except DECODE_ERRORS:
        return ()


def _read(first: Any) -> tuple[TiffTag, ...]:
    found = [first.tags[code] for code in TAGS if code in first.tags]
    numbers = {entry.code: entry for entry in found}
    if _FIRST_MATRIX not in numbers or numbers[_FIRST_MATRIX].count != 9:
        return ()
    if any(code in numbers and int(numbers[code].value) == _OTHER_LIGHT for code in _LIGHTS):
        return ()
    if sum(int(entry.count) for entry in found) > _LARGEST:
        return ()
    return tuple(TiffTag(entry.code, int(entry.dtype), int(entry.count), _plain(entry)) for entry in found)


def _plain(entry: Any) -> bytes | int | float | tuple[int | float, ...]:
    value = entry.value
    if int(entry.dtype) == _ASCII:  # some hold UTF-8: "©"
        return value.encode() if isinstance(value, str) else bytes(value)
    if isinstance(value, bytes):
        return tuple(value)
    flat = np.atleast_1d(np.asarray(value)).ravel().tolist()
    return flat[0] if len(flat) == 1 else tuple(flat)
