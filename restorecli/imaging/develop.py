"""From linear camera RGB to a picture: white balance, highlights, camera matrix, output space.

Sources: the matrices are applied as dcraw and LibRaw do (D. Coffin, dcraw.c, ``cam_xyz_coeff``), which is
chapter 6 of the DNG specification 1.4 ("Mapping Camera Color Space to CIE XYZ Space") with white balance as
the only adaptation; blending of highlights is that of dcraw's ``-H 2``. Plain numpy, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging import icc
from restorecli.imaging.cfa import COLOURS, period, sites
from restorecli.imaging.colour import linear_to_romm, linear_to_srgb
from restorecli.photo import FloatArray, Raw

Gains = tuple[float, float, float]
Matrix = NDArray[np.float64]

WHITE_BALANCES = ("camera", "auto", "daylight", "none")
HIGHLIGHTS = ("clip", "blend")
COLOUR_SPACES = ("srgb", "display-p3", "prophoto", "camera", "linear")
NEUTRAL: Gains = (1.0, 1.0, 1.0)
_NEAR_CLIPPING = 0.95  # of saturation: samples above carry no information about the light's colour
_ROWS = 256  # turned at once, so that what is computed on the way stays small


@dataclass(frozen=True)
class Balance:
    """A white balance.

    Attributes:
        gains: factors of R, G, B.
        source: where they come from: one of `WHITE_BALANCES`, or "file" where the values came balanced.
        note: what the user should know; empty where it is as asked.
    """

    gains: Gains
    source: str
    note: str = ""


def balance(pixels: FloatArray, raw: Raw, wanted: str) -> Balance:
    """Return the gains for ``wanted``, or the next best where the file does not say: daylight, then auto.

    Args:
        pixels: H×W×1 or H×W×3, as `Raw` says.
        raw: of the pixels.
        wanted: one of `WHITE_BALANCES`.
    """
    if raw.balanced:
        note = "" if wanted == "camera" else "the camera has balanced the values already"
        return Balance(NEUTRAL, "file", note)
    if wanted == "none":
        return Balance(NEUTRAL, "none")
    if wanted == "auto":
        return Balance(gray_world(pixels, raw), "auto")
    if wanted == "camera" and raw.auto_balance:
        note = "the camera left white balance to the developer: the picture's mean is taken for gray"
        return Balance(gray_world(pixels, raw), "auto", note)
    found = _usable(raw.gains.get("camera")) if wanted == "camera" else None
    if found is not None:
        return Balance(found, "camera")
    missing = (
        "" if wanted == "daylight" else "the file does not say the camera's white balance: daylight is used"
    )
    found = _usable(raw.gains.get("daylight")) or daylight(raw.camera_from_xyz)
    if found is not None:
        return Balance(found, "daylight", missing)
    note = f"the file does not say the {wanted} white balance: the picture's mean is taken for gray"
    return Balance(gray_world(pixels, raw), "auto", note)


def daylight(camera_from_xyz: Matrix | None) -> Gains | None:
    """Return the gains that make D65 gray: one over the camera's answer to it; None where not known."""
    if camera_from_xyz is None:
        return None
    answer = camera_from_xyz @ _d65()
    if not (np.isfinite(answer).all() and answer.min() > 0):
        return None
    red, green, blue = (float(answer[1] / value) for value in answer)
    return red, green, blue


def gray_world(pixels: FloatArray, raw: Raw) -> Gains:
    """Return the gains that make the picture's mean gray, without what is near clipping (Buchsbaum 1980).

    Args:
        pixels: H×W×1 or H×W×3, as `Raw` says; a mosaic is taken in cells of its pattern's size.
        raw: of the pixels.
    """
    colours = _cells(pixels, raw.pattern) if raw.pattern else pixels.reshape(-1, 3)
    usable = (colours < _NEAR_CLIPPING * np.array(raw.saturation, np.float32)).all(axis=1)
    means = colours[usable].mean(axis=0, dtype=np.float64) if usable.any() else np.zeros(3)
    if not (np.isfinite(means).all() and means.min() > 0):
        return NEUTRAL
    return float(means[1] / means[0]), 1.0, float(means[1] / means[2])


def white(gains: Gains, saturation: Gains, highlights: str) -> float:
    """Return the balanced value that becomes 1.

    For "clip", that of the colour which clips first: from there on colours are unknown, and as all three are
    clipped there, what is too bright turns white and not magenta. For "blend", that of the colour which clips
    last, so that nothing lies above 1: the picture is darker by the ratio of the two.
    """
    levels = [gain * level for gain, level in zip(gains, saturation, strict=True)]
    return min(levels) if highlights == "clip" else max(levels)


def balanced(pixels: FloatArray, pattern: str, factors: Gains) -> FloatArray:
    """Multiply each colour by its factor.

    Args:
        pixels: H×W×1 mosaic, or H×W×3 where ``pattern`` is "".
        pattern: of the mosaic.
        factors: of R, G, B.
    """
    if not pattern:
        return pixels * np.array(factors, np.float32)
    result = np.empty_like(pixels)
    side = period(pattern)
    for row, column, channel in sites(pattern):
        result[row::side, column::side] = pixels[row::side, column::side] * np.float32(factors[channel])
    return result


def blend(colours: FloatArray, clip: float) -> FloatArray:
    """Fade to gray where a colour is beyond ``clip``, the level from which on one of the three is unknown.

    Keeps the mean of R, G, B and shortens the distance from gray to what it is after clipping: with m the
    mean of v, c = min(v, clip) and n the mean of c, the result is m + (v − m)·|c − n| / |v − m|.

    Args:
        colours: …×3, balanced camera RGB.
        clip: the value at which the first colour clips.
    """
    mean = colours.mean(axis=-1, keepdims=True)
    away = colours - mean
    cut = np.minimum(colours, np.float32(clip))
    kept = cut - cut.mean(axis=-1, keepdims=True)
    length = np.sqrt((away**2).sum(axis=-1, keepdims=True))
    ratio = np.sqrt((kept**2).sum(axis=-1, keepdims=True)) / np.maximum(length, np.float32(1e-12))
    faded: FloatArray = np.where((colours > clip).any(axis=-1, keepdims=True), mean + away * ratio, colours)
    return faded


def space_from_camera(camera_from_xyz: Matrix | None, space: str) -> Matrix | None:
    """Return 3×3: balanced camera RGB → linear RGB of ``space``, white to white.

    M = camera_from_xyz · D65_from_D50 · (the space's primaries in XYZ under D50); each row divided by its
    sum, which is the camera's answer to white and what white balance has made 1 already; inverted.

    Args:
        camera_from_xyz: as `Raw` has it.
        space: a key of `icc.SPACES`.

    Returns:
        None where the matrix is not known or cannot be inverted.
    """
    if camera_from_xyz is None or not np.isfinite(camera_from_xyz).all():
        return None
    primaries = icc.colorants(icc.SPACES[space])
    camera = camera_from_xyz @ icc.adaptation(np.array(icc.D50), _d65()) @ primaries
    answers = camera.sum(axis=1, keepdims=True)
    if answers.min() <= 0 or np.linalg.cond(camera / answers) > 1e4:
        return None
    inverse: Matrix = np.linalg.inv(camera / answers)
    return inverse


def camera_of_srgb(gains: Gains) -> Matrix:
    """Return the ``camera_from_xyz`` of a camera whose RGB, balanced by ``gains``, is linear sRGB."""
    xyz = icc.adaptation(np.array(icc.D50), _d65()) @ icc.colorants(icc.SPACES["srgb"])
    matrix: Matrix = np.linalg.inv(xyz) / np.array(gains)[:, None]
    return matrix


def render(colours: FloatArray, raw: Raw, space: str, exposure: float = 0.0) -> None:
    """Turn linear, balanced camera RGB into an output space, in place and not clipped.

    Args:
        colours: H×W×3; becomes the output.
        raw: whose matrix is used; without one, the camera's RGB is taken for the space's.
        space: one of `COLOUR_SPACES`; "camera" and "linear" have no curve, "linear" has sRGB's primaries.
        exposure: in stops: values are multiplied by 2^exposure before the curve.
    """
    matrix = None if space == "camera" else space_from_camera(raw.camera_from_xyz, _PRIMARIES[space])
    factors = ((np.eye(3) if matrix is None else matrix) * 2.0**exposure).T.astype(np.float32)
    curve = _CURVES.get(space)
    for rows in bands(colours.shape[0]):
        values = colours[rows] @ factors
        colours[rows] = values if curve is None else curve(values)


def profile(raw: Raw, space: str) -> tuple[bytes | None, str]:
    """Return the ICC profile of what `render` makes, and the name of the working space (see `Metadata`)."""
    if space == "camera":
        matrix = space_from_camera(raw.camera_from_xyz, "srgb")
        if matrix is None:
            return None, "native"
        name = raw.camera.encode("ascii", "replace").decode() or "camera"
        columns = icc.colorants(icc.SPACES["srgb"]) @ matrix
        return icc.matrix_profile(columns, icc.gamma_curve(1.0), f"{name}, linear"), "native"
    if space == "linear":
        return icc.linear_profile(False), "native"
    if space == "prophoto":
        return icc.rgb_profile(icc.SPACES[space], icc.romm_curve(), "ProPhoto RGB (ROMM)"), "native"
    return icc.working_profile(space), space


def bands(height: int) -> Iterator[slice]:
    """Return slices of a few rows that together are all ``height`` rows."""
    return (slice(top, min(top + _ROWS, height)) for top in range(0, height, _ROWS))


_PRIMARIES = {"srgb": "srgb", "display-p3": "display-p3", "prophoto": "prophoto", "linear": "srgb"}
_CURVES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "srgb": linear_to_srgb,
    "display-p3": linear_to_srgb,
    "prophoto": linear_to_romm,
}


def _d65() -> NDArray[np.float64]:
    """Return the XYZ of the white that camera matrices and sRGB have (CIE D65, x 0.3127, y 0.3290)."""
    x, y = icc.SPACES["srgb"][:2]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _usable(gains: Gains | None) -> Gains | None:
    return gains if gains is not None and np.isfinite(gains).all() and min(gains) > 0 else None


def _cells(mosaic: FloatArray, pattern: str) -> FloatArray:
    """Return N×3: the mean colours of each whole cell of the pattern in an H×W×1 mosaic."""
    step = period(pattern)
    height, width = (side - side % step for side in mosaic.shape[:2])
    total = np.zeros((height // step, width // step, 3), np.float32)
    for row, column, channel in sites(pattern):
        total[..., channel] += mosaic[row:height:step, column:width:step, 0]
    total /= np.array([pattern.count(colour) for colour in COLOURS], np.float32)
    return total.reshape(-1, 3)
