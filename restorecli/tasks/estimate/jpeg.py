"""How strongly a photo was compressed by JPEG: from its file's tables, or from what is left in its pixels.

Sources: ITU-T T.81 (1992), annex K.1, the two example tables; their scaling by a quality of 1–100 is that of
the Independent JPEG Group's libjpeg (``jpeg_quality_scaling`` and ``jpeg_add_quant_table``). For pixels see
`jpeg_traces`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import FloatArray, Quantisation
from restorecli.tasks.estimate.jpeg_traces import USED, Traces, compressed_before, find_traces

Integers = NDArray[np.int64]

LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""Table K.1 of ITU-T T.81."""
CHROMINANCE = np.full((8, 8), 99)
"""Table K.2 of ITU-T T.81."""
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# Log-likelihood ratios that count as proof: in all, and for each coefficient that carries information.
_PROOF, _PROOF_EACH = 30.0, 0.03
# Share of what the best steps explain that standard tables must: at all, and to be the only ones.
_STANDARD, _ALONE = 0.4, 0.8


@dataclass(frozen=True)
class JpegEstimate:
    """How strongly a photo was compressed.

    Attributes:
        quality: 1–100 on libjpeg's scale.
        exact: libjpeg's standard tables of this quality were used, as far as can be seen.
        source: "tables" of the file, or "pixels".
        offset: row and column, 0–7, of the first whole 8×8 block; not (0, 0) after cropping.
    """

    quality: int
    exact: bool
    source: str
    offset: tuple[int, int] = (0, 0)


def scaled_table(standard: Integers, quality: int, most: int = 255) -> Integers:
    """Return libjpeg's table for a quality of 1–100: 8×8, integers of 1 to ``most``."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((standard * percent + 50) // 100, 1, most)


def quality_from_tables(tables: Quantisation) -> JpegEstimate:
    """Return the quality whose standard tables a file has, or the one as coarse in luma on average."""
    given = [np.asarray(table, np.int64) for table in tables.tables]
    for quality in range(100, 0, -1):
        for most in (255, 32767):
            standard = [scaled_table(kind, quality, most) for kind in (LUMINANCE, CHROMINANCE)]
            if np.array_equal(given[0], standard[0]) and all(
                any(np.array_equal(table, one) for one in standard) for table in given[1:]
            ):
                return JpegEstimate(quality, True, "tables")
    coarseness = [np.mean(scaled_table(LUMINANCE, quality, 32767) / LUMINANCE) for quality in range(1, 101)]
    nearest = int(np.argmin(np.abs(np.array(coarseness) - np.mean(given[0] / LUMINANCE))))
    return JpegEstimate(nearest + 1, False, "tables")


def quality_from_pixels(pixels: FloatArray) -> JpegEstimate | None:
    """Return the quality of the JPEG compression that decoded pixels show.

    Where a picture was compressed twice in the same grid, the coarser one is meant.

    Args:
        pixels: H×W×C float32, 0–1, not changed since decoding but by cropping.

    Returns:
        None where there are no traces of JPEG, as in a clean picture, one of a quality above about 95, one
        resized or edited since, or one too small or flat to decide.
    """
    traces = find_traces(pixels)
    if traces is None:
        return None
    best = traces.best
    if best.sum() < _PROOF + (_PROOF_EACH + max(0.0, traces.elsewhere)) * traces.count:
        return None
    standard = np.array([_explained(traces, quality) for quality in range(1, 101)])
    quality = int(standard.argmax()) + 1
    share = standard[quality - 1] / best.sum()
    if share < _STANDARD:
        return JpegEstimate(_nearest(traces), False, "pixels", traces.offset)
    earlier = _earlier(traces, quality)
    exact = earlier is None and bool(share > _ALONE)
    return JpegEstimate(earlier or quality, exact, "pixels", traces.offset)


def _steps(quality: int) -> Integers:
    steps: Integers = scaled_table(LUMINANCE, quality)[USED]
    return steps


def _explained(traces: Traces, quality: int) -> float:
    steps = _steps(quality)
    return float(traces.likelihoods[np.arange(len(steps)), steps].sum())


def _nearest(traces: Traces) -> int:
    """Return the quality that is as coarse on average over the steps that are sure."""
    sure = traces.best > min(_PROOF, float(traces.best.max()) / 2)
    standard = LUMINANCE[USED][sure]
    coarseness = [np.mean(_steps(quality)[sure] / standard) for quality in range(1, 101)]
    return int(np.argmin(np.abs(np.array(coarseness) - np.mean(traces.steps[sure] / standard)))) + 1


def _earlier(traces: Traces, quality: int) -> int | None:
    """Return the quality of an earlier, stronger compression in the same grid, if there was one."""
    later = _steps(quality)
    gains = [compressed_before(traces, later, _steps(lower)) for lower in range(1, quality)]
    if not gains or max(gains) < _PROOF + _PROOF_EACH * traces.count:
        return None
    return int(np.argmax(gains)) + 1
