"""PNG's filters (PNG specification, third edition, section 9): bytes less their prediction, modulo 256.

One is chosen for each band of rows, by the least sum of absolute differences (section 12.7) in every eighth
row. Paeth's takes four times as long as the others, and has to be better than them by a twentieth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from restorecli.photos.formats.packing.deflate import Bytes

_BAND = 64  # rows with one filter
_SAMPLED = 8  # every so many rows are tried
NONE, LEFT, ABOVE, AVERAGE, PAETH = range(5)
_WEIGHTS = {NONE: 1.0, LEFT: 1.0, ABOVE: 1.0, AVERAGE: 1.0, PAETH: 1 / 0.95}


def filtered(rows: Bytes, step: int) -> Bytes:
    """Return the rows filtered, each behind the number of its filter; ``step`` is the bytes of a pixel."""
    height, width = rows.shape
    out = np.empty((height, width + 1), np.uint8)
    for top, bottom in bands(height):
        here = rows[top:bottom]
        above = (
            rows[top - 1 : bottom - 1] if top else np.vstack([np.zeros_like(rows[:1]), rows[: bottom - 1]])
        )
        kind = _best(here[::-_SAMPLED], above[::-_SAMPLED], step)
        out[top:bottom, 0] = kind
        write(here, above, step, kind, out[top:bottom, 1:])
    return out


def unfiltered(rows: Bytes) -> Bytes:
    """Return the rows as `filtered` does, all of them as they are."""
    return np.pad(rows, ((0, 0), (1, 0)), constant_values=NONE)


def bands(height: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each band, and the one behind its last."""
    return ((top, min(height, top + _BAND)) for top in range(0, height, _BAND))


def _best(rows: Bytes, above: Bytes, step: int) -> int:
    out = np.empty_like(rows)
    costs = {}
    for kind, weight in _WEIGHTS.items():
        write(rows, above, step, kind, out)
        costs[kind] = weight * int(np.minimum(out, -out).sum(dtype=np.int64))  # 255 counts as 1
    return min(costs, key=costs.__getitem__)


def write(rows: Bytes, above: Bytes, step: int, kind: int, out: Bytes) -> None:
    """Write ``rows`` minus their prediction into ``out``, wrapping around."""
    if kind == NONE:
        out[:] = rows
    elif kind == LEFT:
        out[:, :step] = rows[:, :step]
        np.subtract(rows[:, step:], rows[:, :-step], out=out[:, step:])
    elif kind == ABOVE:
        np.subtract(rows, above, out=out)
    elif kind == AVERAGE:
        out[:, :step] = rows[:, :step] - (above[:, :step] >> 1)
        np.subtract(rows[:, step:], _mean(rows[:, :-step], above[:, step:]), out=out[:, step:])
    else:
        np.subtract(rows[:, :step], above[:, :step], out=out[:, :step])
        predicted = _paeth(rows[:, :-step], above[:, step:], above[:, :-step])
        np.subtract(rows[:, step:], predicted, out=out[:, step:])


def _mean(left: Bytes, above: Bytes) -> Bytes:
    """Return ⌊(a + b) / 2⌋ = (a and b) + ⌊(a xor b) / 2⌋, which fits in a byte."""
    mean = left ^ above
    mean >>= 1
    mean += left & above
    return mean


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Return which of three neighbours is nearest to left + above - corner (section 9.4), in bytes alone.

    That sum lies as far from the lower of left and above as the higher one does from the corner, and the
    other way round; outside of the two the corner is as good as the one it is beyond.
    """
    low, high = np.minimum(left, above), np.maximum(left, above)
    between = np.maximum(corner, low)
    np.minimum(between, high, out=between)
    to_low, to_high = high - between, between - low
    nearest = np.minimum(to_low, to_high)
    to_corner = np.maximum(to_low, to_high)
    to_corner -= nearest
    high ^= (high ^ low) & -(to_low < to_high).view(np.uint8)  # low where it is nearer; 255 is all bits
    high ^= (high ^ between) & -(to_corner < nearest).view(np.uint8)
    return high
