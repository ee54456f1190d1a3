"""The colours of a RAW file: white balance and camera matrix, from whichever source can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorecli.photos.raw.tags import RawTags

# Linear sRGB (IEC 61966-2-1, white D65) to CIE XYZ, with the digits that LibRaw divides its matrices by.
_XYZ_FROM_SRGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_D65 = _XYZ_FROM_SRGB.sum(axis=1)
_MOST_CONDITION = 1e3  # of a matrix that separates three colours
_LEAST_CMATRIX = 0.125  # LibRaw takes a colour matrix for missing whose first number is not above this

Gains = tuple[float, float, float]


def camera_matrix(file: Any, tags: RawTags) -> NDArray[np.float64] | None:
    """3×3, CIE XYZ under D65 to camera RGB before white balance, or None where nothing usable is known.

    Tried in turn: the DNG's own tags, LibRaw's ``color_matrix`` (white-balanced camera RGB to sRGB, from the
    file), LibRaw's ``rgb_xyz_matrix`` (from its table of cameras). Either may be all zero.

    Args:
        file: an unpacked `rawpy.RawPy`.
        tags: of the same file.
    """
    if tags.camera_from_xyz is not None and _is_usable(tags.camera_from_xyz):
        return tags.camera_from_xyz
    to_srgb = np.asarray(file.color_matrix, np.float64)[:3, :3]
    daylight = np.asarray(file.daylight_whitebalance, np.float64)[:3]
    if to_srgb[0, 0] > _LEAST_CMATRIX and _is_usable(to_srgb) and (daylight > 0).all():
        # The inverse maps sRGB white to (1, 1, 1); the camera saw it divided by the daylight gains.
        matrix = np.linalg.inv(to_srgb) @ np.linalg.inv(_XYZ_FROM_SRGB) / daylight[:, None]
        return np.asarray(matrix, np.float64)
    table = np.asarray(file.rgb_xyz_matrix, np.float64)[:3, :3]
    return table if _is_usable(table) else None


def from_balanced(to_srgb: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The camera matrix of a camera whose values are balanced for daylight, from what makes them sRGB."""
    if not _is_usable(to_srgb):
        return None
    return np.asarray(np.linalg.inv(to_srgb) @ np.linalg.inv(_XYZ_FROM_SRGB), np.float64)


def _is_usable(matrix: NDArray[np.float64]) -> bool:
    return bool(
        np.isfinite(matrix).all() and np.abs(matrix).max() > 0 and np.linalg.cond(matrix) < _MOST_CONDITION
    )


def white_balance(file: Any, tags: RawTags, matrix: NDArray[np.float64] | None) -> dict[str, Gains]:
    """Gains of R, G, B with G = 1: "camera" (as shot) and "daylight" (D65), each where it is known.

    Args:
        file: an unpacked `rawpy.RawPy`.
        tags: of the same file.
        matrix: from `camera_matrix`.
    """
    found: dict[str, Gains] = {}
    shot = _normalised(file.camera_whitebalance)
    if tags.neutral_xy is not None and matrix is not None:
        x, y = tags.neutral_xy
        shot = _neutralising(matrix, np.array([x / y, 1.0, (1 - x - y) / y]))
    if shot is not None:
        found["camera"] = shot
    # Equal daylight gains are what LibRaw gives where it knows nothing of the camera.
    stated = _normalised(file.daylight_whitebalance)
    daylight = stated if matrix is None else _neutralising(matrix, _D65)
    if daylight is not None and (matrix is not None or len(set(daylight)) > 1):
        found["daylight"] = daylight
    return found


def _neutralising(matrix: NDArray[np.float64], white: NDArray[np.float64]) -> Gains | None:
    """Gains that make the light with XYZ ``white`` gray."""
    neutral = matrix @ white
    return _normalised(1 / neutral) if (neutral > 0).all() else None


def _normalised(gains: Sequence[float] | NDArray[np.float64]) -> Gains | None:
    """Gains of R, G, B divided by that of G; None where one is missing; the greens are averaged."""
    red, green, blue = (float(value) for value in gains[:3])
    second = float(gains[3]) if len(gains) > 3 else 0.0
    if 0 < second < np.inf and 0 < green < np.inf:
        green = (green + second) / 2
    if not all(0 < value < np.inf for value in (red, green, blue)):
        return None
    return red / green, 1.0, blue / green
