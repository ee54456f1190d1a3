"""What JPEG left in decoded pixels: where its 8×8 blocks lie, and the steps its encoder rounded by.

In the right grid the DCT coefficients of luma lie close to multiples of their quantisation step; the inverse
DCT and the rounding to 8 bit spread them by about `SPREAD`. How much better a step explains the coefficients
than a smooth distribution does is its log-likelihood ratio (Z. Fan and R. de Queiroz, "Identification of
bitmap compression history", IEEE Transactions on Image Processing 12, 2003). The grid shows in the number of
coefficients that were rounded to zero, and, after strong compression, in the steps between blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging.colour import luma
from restorecli.photo import FloatArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPREAD = 0.38
"""Of coefficients around a multiple, in 8-bit units: luma (√(1/12)) and colours (√(0.45/12)) were rounded."""
NONZERO = 1.3
"""Smaller coefficients are multiples of every step and carry no information."""
COARSEST = 255

_ORDER = np.add.outer(np.arange(8), np.arange(8))
USED = _ORDER <= 6
"""Coefficients of an 8×8 block that are used: higher ones are mostly zero."""
_MOST_WINDOWS = 6000
_WINDOWS = 2000
_FEW_WINDOWS = 600
_FEWEST_WINDOWS = 8
_FEW_DETAILED = 60
_STRONG = 4.0
_STRAYS = 0.05  # share of coefficients that were clipped or painted over since
_STRAYS_BEFORE = 0.1
_BASIS = np.cos(np.pi / 8 * np.outer(np.arange(8), np.arange(8) + 0.5)) / 2
_BASIS[0] /= 2**0.5


@dataclass(frozen=True, eq=False)
class Traces:
    """The coefficients in the grid that shows most of JPEG.

    Attributes:
        offset: row and column, 0–7, of the first whole block.
        coefficients: N×K of N blocks, in 8-bit units; K are those of `USED`, row by row.
        likelihoods: K×256: for each step how much better (natural logarithm of the ratio, summed over the
            blocks) multiples of it explain the coefficients than a smooth distribution does.
        elsewhere: what the best steps reach, for each coefficient, half a block away from the grid; in
            pictures without JPEG that is as much as in it.
        count: of coefficients that carry information.
    """

    offset: tuple[int, int]
    coefficients: Array
    likelihoods: Array
    elsewhere: float
    count: int

    @property
    def steps(self) -> Integers:
        """The most likely step of each coefficient; 1 where nothing is known."""
        steps: Integers = np.maximum(np.argmax(self.likelihoods, 1), 1).astype(np.int64)
        return steps

    @property
    def best(self) -> Array:
        """What the most likely step of each coefficient reaches."""
        best: Array = self.likelihoods[:, 1:].max(1)
        return best


def find_traces(pixels: FloatArray) -> Traces | None:
    """Look for the grid.

    Args:
        pixels: H×W×C float32, 0–1.

    Returns:
        What is found in the likeliest grid, whether or not there was JPEG; None where the picture is too
        small or too flat to decide.
    """
    luminance = (luma(pixels) if pixels.shape[2] == 3 else pixels)[:, :, 0] * np.float32(255) - np.float32(
        128
    )
    clipped: Mask = np.any((pixels <= 0) | (pixels >= 1), 2)
    windows = _windows(luminance, clipped)
    if len(windows) < _FEWEST_WINDOWS:
        return None
    few = windows[:_FEW_WINDOWS]
    offset = max(_candidates(luminance, few), key=lambda one: _clarity(*_at(few, one)))
    elsewhere = _clarity(*_at(few, ((offset[0] + 4) % 8, (offset[1] + 4) % 8)))
    coefficients, likelihoods = _at(windows, offset)
    count = int((np.abs(coefficients) > NONZERO).sum())
    return Traces(offset, coefficients, likelihoods, elsewhere, count)


def compressed_before(traces: Traces, steps: Integers, earlier: Integers) -> float:
    """Return how much an earlier, coarser compression in the same grid explains of the coefficients.

    Multiples of the earlier steps were rounded to multiples of the later ones, and lie at most half a later
    step off. What the later compression alone would spread evenly gathers around the former.

    Args:
        traces: of the picture.
        steps: K, the steps of the last compression.
        earlier: K, the steps supposed of the earlier one.

    Returns:
        A log-likelihood ratio, summed over the coefficients.
    """
    gains = [
        _gain(np.rint(np.abs(column) / step).astype(np.int64), float(step), float(former))
        for column, step, former in zip(traces.coefficients.T, steps, earlier, strict=True)
    ]
    return float(sum(gains))


def _gain(multiples: Integers, step: float, former: float) -> float:
    """Return the log-likelihood ratio of one coefficient, of which ``multiples`` of ``step`` are seen.

    Without an earlier compression they are taken to fall off geometrically.
    """
    multiples = multiples[multiples > 0]
    if len(multiples) < 10 or former < 1.5 * step:
        return 0.0
    ratio = max(1 - 1 / float(multiples.mean()), 1e-3)
    every = np.arange(1, max(int(multiples.max()), int(4 * former / step)) + 1)
    distance = np.abs(every * step - np.rint(every * step / former) * former)
    near = distance <= step / 2 + SPREAD
    share = float(((1 - ratio) * ratio ** (every - 1.0))[near].sum())
    if share > 0.8:
        return 0.0
    share = max(share, 1e-3)
    hits = near[multiples - 1].sum()
    return float(
        hits * np.log((1 - _STRAYS_BEFORE) / share)
        + (len(multiples) - hits) * np.log(_STRAYS_BEFORE / (1 - share))
    )


def _windows(luminance: FloatArray, clipped: Mask) -> FloatArray:
    """Return 15×15 windows, in which every offset has a whole block: spread evenly, not clipped, not flat."""
    height, width = luminance.shape
    rows, columns = max(0, (height - 7) // 8), max(0, (width - 7) // 8)
    if not rows * columns:
        return np.empty((0, 15, 15), np.float32)
    every = max(1, int(np.ceil((rows * columns / _MOST_WINDOWS) ** 0.5)))
    place = np.ix_(np.arange(0, rows, every) * 8, np.arange(0, columns, every) * 8)
    bad = np.lib.stride_tricks.sliding_window_view(clipped, (15, 15))[place].any((2, 3))
    windows: FloatArray = np.lib.stride_tricks.sliding_window_view(luminance, (15, 15))[place][~bad]
    windows = windows[windows.var((1, 2)) > 0.05]
    # The order of drawing is fixed: any part of it is spread over the picture.
    drawn = np.random.default_rng(0).permutation(len(windows))[:_WINDOWS]
    return np.ascontiguousarray(windows[drawn])


def _spectra(windows: FloatArray, offset: tuple[int, int]) -> Array:
    """Return the 8×8 DCT of the block at ``offset`` in each window."""
    row, column = offset
    spectra: Array = _BASIS @ windows[:, row : row + 8, column : column + 8] @ _BASIS.T
    return spectra


def _candidates(luminance: FloatArray, windows: FloatArray) -> list[tuple[int, int]]:
    """Return the offsets where most coefficients are zero, and the one with the clearest edges of blocks."""
    zeros = {
        offset: np.mean(np.abs(_spectra(windows, offset)[:, _ORDER > 0]) < 1)
        for offset in product(range(8), range(8))
    }
    likely = sorted(zeros, key=lambda offset: float(zeros[offset]), reverse=True)[:3]
    edges = (_edges(luminance), _edges(luminance.T))
    return list(dict.fromkeys([*likely, edges]))


def _edges(luminance: FloatArray) -> int:
    """Return the row, modulo 8, before which there are jumps that the rows around do not have."""
    jumps = np.abs(np.diff(luminance[:, :: max(1, luminance.shape[1] // 1024)], axis=0))
    excess = np.clip(jumps[1:-1] - (jumps[:-2] + jumps[2:]) / 2, -4, 4).mean(1)
    return (int(np.argmax([excess[phase::8].mean() for phase in range(8)])) + 2) % 8


def _clarity(coefficients: Array, likelihoods: Array) -> float:
    """Return what the best steps explain of each coefficient: the wrong grid has more that are not zero."""
    return float(likelihoods[:, 1:].max(1).sum() / max(1, (np.abs(coefficients) > NONZERO).sum()))


def _at(windows: FloatArray, offset: tuple[int, int]) -> tuple[Array, Array]:
    """Return the N×K coefficients of the grid at ``offset``, and their K×256 log-likelihood ratios."""
    spectra = _spectra(windows, offset)
    detail = (np.abs(spectra[:, _ORDER > 0]) > _STRONG).sum(1)
    # In a block of hardly any detail the rounding errors repeat from row to row, and add up.
    enough = next((most for most in (4, 3, 2, 1) if (detail >= most).sum() >= _FEW_DETAILED), 0)
    coefficients = spectra[detail >= enough][:, USED]
    return coefficients, np.stack([_likelihoods(column) for column in coefficients.T])


def _likelihoods(values: Array) -> Array:
    """Return for each step 0–255 the log-likelihood ratio of multiples of it; 0 for step 0."""
    values = values[np.abs(values) > NONZERO, None].astype(np.float32)
    steps = np.arange(1, COARSEST + 1, dtype=np.float32)
    distance = values - np.round(values / steps) * steps
    height = (1 - _STRAYS) * steps / np.float32(SPREAD * (2 * np.pi) ** 0.5)
    ratios = np.log(height * np.exp(distance**2 * np.float32(-0.5 / SPREAD**2)) + np.float32(_STRAYS))
    return np.concatenate([[0.0], ratios.sum(0, dtype=np.float64)])
