"""LibRaw's own demosaicing of a mosaic, by way of a DNG in memory: RAW without a network."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from restorecli.imaging import cfa, xtrans
from restorecli.imaging.develop import NEUTRAL
from restorecli.photo import FloatArray, Triple

_CFA = 32803
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10
_BLACK, _WHITE = 4096, 61440  # room on both sides, so that noise about black and white is stored whole
_FULL = 65535.0
_LEAST_X_TRANS = 512  # pixels: smaller ones LibRaw refuses to interpolate


def demosaiced(mosaic: FloatArray, pattern: str, gains: Triple = NEUTRAL) -> FloatArray:
    """Return H×W×3 as LibRaw interpolates a mosaic: AHD for Bayer, Markesteijn's method for X-Trans.

    Args:
        mosaic: H×W, 0 is black and 1 white.
        pattern: of the mosaic.
        gains: white balance, which LibRaw applies first; the smallest is 1.

    Returns:
        Balanced values, 0–1, in the mosaic's own curve.
    """
    import rawpy

    least = _LEAST_X_TRANS if cfa.period(pattern) == xtrans.PERIOD else 0
    whole = mosaic[np.ix_(*(_extended(side, least, cfa.period(pattern)) for side in mosaic.shape))]
    samples = np.clip(np.rint(whole * (_WHITE - _BLACK) + _BLACK), 0, _FULL).astype(np.uint16)
    red, green, blue = gains
    with rawpy.imread(io.BytesIO(_dng(samples, pattern))) as opened:
        pixels = opened.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            user_wb=[red, green, blue, green],
            output_color=rawpy.ColorSpace.raw,
            gamma=(1.0, 1.0),
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            output_bps=16,
            user_flip=0,
        )
    result: FloatArray = pixels[: mosaic.shape[0], : mosaic.shape[1]].astype(np.float32) / np.float32(_FULL)
    return result


def _extended(side: int, least: int, period: int) -> NDArray[np.intp]:
    """Return which pixel stands at each place of a row of at least ``least``: the last period again."""
    places = np.arange(max(side, least))
    return np.where(places < side, places, side - period + (places - side) % period)


def _dng(samples: np.ndarray[Any, Any], pattern: str) -> bytes:
    """Return a DNG that holds the samples, without anything about colours."""
    side = cfa.period(pattern)
    height, width = samples.shape
    codes = tuple("RGB".index(letter) for letter in pattern)
    tags = [
        (271, _ASCII, 0, "Maker", True),
        (272, _ASCII, 0, "Camera", True),
        (33421, _SHORT, 2, (side, side), True),  # CFARepeatPatternDim
        (33422, _BYTE, side**2, codes, True),  # CFAPattern
        (50706, _BYTE, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50707, _BYTE, 4, (1, 1, 0, 0), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, "Maker Camera", True),  # UniqueCameraModel
        (50710, _BYTE, 3, (0, 1, 2), True),  # CFAPlaneColor
        (50711, _SHORT, 1, 1, True),  # CFALayout
        (50714, _LONG, 1, _BLACK, True),  # BlackLevel
        (50717, _LONG, 1, _WHITE, True),  # WhiteLevel
        (50721, _SRATIONAL, 9, _rationals(np.eye(3).ravel()), True),  # ColorMatrix1
        (50728, _RATIONAL, 3, _rationals(np.ones(3)), True),  # AsShotNeutral
        (50778, _SHORT, 1, 21, True),  # CalibrationIlluminant1
        (50829, _LONG, 4, (0, 0, height, width), True),  # ActiveArea
    ]
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric=_CFA, metadata=None, software=False, extratags=tags)
    return stream.getvalue()


def _rationals(values: np.ndarray[Any, Any]) -> tuple[int, ...]:
    fractions = [Fraction(float(value)) for value in values]
    return tuple(part for each in fractions for part in (each.numerator, each.denominator))
