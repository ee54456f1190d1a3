"""The blur that lies evenly over a photo, as a shaken camera leaves it, told from the photo alone.

Sources: L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring", CVPR
2013 (few, strong edges explain a blurred photo, and the blur follows from them, from coarse to fine); J. Pan,
Z. Hu, Z. Su, M.-H. Yang, "Deblurring text images via L0-regularized intensity and gradient prior", CVPR 2014,
whose steps are used here, without the intensities. In linear light, where blur adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import fft, ndimage
from scipy.signal import fftconvolve

from restorecli.imaging.blur.deconvolution import Shrink, deconvolved_plane, explained_by
from restorecli.imaging.blur.disc import disc_kernel
from restorecli.photo import FloatArray

LONGEST = 31
"""Pixels: the side of the largest blur that is looked for."""
LEAST = 18.0
"""Pixels that a blur must cover: smaller ones, as found in sharp photos too, are left to the network."""
WINDOW = 448
"""Pixels: the side of the part of a photo that is looked at; two parts of a larger photo must agree."""
_COARSEST = 5  # pixels: the side of the blur in the smallest copy of the photo
_STEP = 2**0.5  # between copies
_TURNS = 5  # at each size, edges from the blur and the blur from edges
_EDGE, _LEAST_EDGE, _EDGE_FALL = (
    4e-3,
    1e-4,
    1.1,
)  # squared height below which an edge is none, falling every turn
_LAST_PENALTY = 1e5
_SMOOTHING = 0.7  # pixels: against noise, before anything
_FAINT = 0.2  # of the kernel's peak: below is noise, unless it touches something stronger
_AGREEING = 0.83  # likeness of the estimates made in three ways, two by two: the median
_ALIKE = 0.95  # of the two that are most alike, where the third is another
_RADII, _DISC = np.arange(1.5, 10, 0.1), 0.94  # pixels, and how alike a kernel must be to be a disc
_TELLING = 2.5  # times the noise: what one difference in twenty must reach
_MOST = LONGEST**2 / 3  # pixels that a blur covers; what covers more has no shape


@dataclass(frozen=True)
class _Way:
    """One way to estimate: by what the kernel's noise is damped, and whether edges near the border count."""

    damping: float
    borders: bool


@dataclass(frozen=True)
class _Limits:
    """What a blur must be for it to be believed.

    Attributes:
        beyond: what its removal leaves below black and above white, of the mean light, at most.
        unexplained: what the result, blurred again, differs from what was seen, of its standard deviation.
    """

    beyond: float
    unexplained: float


_ALL, _TWO = _Limits(0.02, 0.1), _Limits(0.005, 0.04)  # where all three estimates agree, or two
_WAYS = (_Way(10, True), _Way(40, True), _Way(2, False))


def even_blur(light: FloatArray) -> FloatArray | None:
    """Return the blur that lies evenly over a photo.

    It is estimated in three ways, in two parts of the photo where there are two: a blur that is there is
    found by two of them at least; on sharp photos they find less than `LEAST`.

    Args:
        light: H×W float32, the luma of linear light, 0–1.

    Returns:
        k×k float32 with odd k, sum one, centred; None where there is none, it is small, or it differs from
        place to place.
    """
    if min(light.shape) < 2 * LONGEST:
        return None
    parts = windows(light)
    if not _tells(parts[0]):
        return None
    found: list[FloatArray] = []
    for index, way in enumerate(_WAYS):
        found.append(_estimated(parts[index % len(parts)], way))
        if len(found) == 2 and max(map(covered, found)) < LEAST:
            return None  # whatever the third says, one of these would have to agree with it
    chosen = _agreeing(found)
    if not chosen or (len(parts) == 2 and 1 not in chosen):  # the other part says something else
        return None
    beyond, unexplained, best = min((*_tried(parts[0], found[number]), number) for number in chosen)
    limits = _ALL if len(chosen) == len(found) else _TWO
    if beyond > limits.beyond or unexplained > limits.unexplained:
        return None
    if any(not LEAST <= covered(found[number]) <= _MOST for number in chosen):
        return None
    return _as_disc(found[best])


def _agreeing(found: Sequence[FloatArray]) -> tuple[int, ...]:
    """Return which of three estimates agree: all, two, or none."""
    alike = sorted((likeness(found[a], found[b]), (a, b)) for a, b in combinations(range(3), 2))
    if alike[1][0] >= _AGREEING:
        return 0, 1, 2
    return alike[2][1] if alike[2][0] >= _ALIKE else ()


def covered(kernel: FloatArray) -> float:
    """Return how many pixels a kernel of sum one covers: 1 over the sum of its squares."""
    return 1 / float(np.square(kernel).sum())


def likeness(one: FloatArray, other: FloatArray) -> float:
    """Return how alike two kernels are wherever they lie: the largest normalised cross-correlation, 0–1."""
    product = fftconvolve(one, other[::-1, ::-1]).max()
    return float(product / (np.linalg.norm(one) * np.linalg.norm(other)))


def windows(light: FloatArray) -> list[FloatArray]:
    """Return the part of a photo that tells most, and the next best that does not overlap it, if any.

    What tells most are differences between neighbours; very strong ones, as of lamps, count as others.
    """
    height, width = (min(side, WINDOW) for side in light.shape)
    slopes = np.abs(np.diff(light, axis=1))[:-1] + np.abs(np.diff(light, axis=0))[:, :-1]
    np.minimum(slopes, 4 * slopes.mean(), out=slopes)
    telling = ndimage.uniform_filter(slopes, (height, width), mode="constant")
    # of the windows' own places: where their top left corners may lie
    sums = telling[height // 2 :, width // 2 :][: light.shape[0] - height + 1, : light.shape[1] - width + 1]
    parts = []
    for _ in range(2):
        if not sums.size or sums.max() <= 0:
            break
        top, left = (int(place) for place in np.unravel_index(int(sums.argmax()), sums.shape))
        parts.append(light[top : top + height, left : left + width])
        sums[max(0, top - height + 1) : top + height, max(0, left - width + 1) : left + width] = 0
    return parts or [light[:height, :width]]


def _as_disc(kernel: FloatArray) -> FloatArray:
    """Return the disc that a kernel is nearly, as missed focus makes it, free of the estimate's noise."""
    discs = [disc_kernel(radius) for radius in _RADII]
    alike = [likeness(kernel, disc) for disc in discs]
    return discs[int(np.argmax(alike))] if max(alike) >= _DISC else kernel


def _tells(light: FloatArray) -> bool:
    """Whether a part of a photo holds enough that is not noise."""
    soft = ndimage.gaussian_filter(light, _SMOOTHING)
    slopes = np.hypot(np.diff(soft, axis=1)[:-1], np.diff(soft, axis=0)[:, :-1])
    # the median of the Laplacian's size, for noise of one standard deviation: 0.6745 times the root of 20
    noise = np.median(np.abs(ndimage.laplace(light))) / (0.6745 * np.sqrt(20))
    return bool(np.percentile(slopes, 95) >= _TELLING * noise)


def _tried(light: FloatArray, kernel: FloatArray) -> tuple[float, float]:
    """Return what taking a kernel out leaves beyond black and white, and what it leaves unexplained."""
    plane = deconvolved_plane(light, kernel)
    beyond = float(np.abs(plane - np.clip(plane, 0, 1)).mean() / light.mean())
    reach = kernel.shape[0] // 2
    inner = light[reach : light.shape[0] - reach, reach : light.shape[1] - reach]
    again = fftconvolve(plane, kernel, mode="valid")
    return beyond, float(np.std(again - inner) / np.std(inner))


def _estimated(light: FloatArray, way: _Way) -> FloatArray:
    """Return the kernel, from a small copy of the photo up to its own size."""
    light = ndimage.gaussian_filter(light, _SMOOTHING)
    levels = int(np.log(LONGEST / _COARSEST) / np.log(_STEP)) + 1
    kernel, edge = np.array([[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0]], np.float32), _EDGE
    for level in reversed(range(levels)):
        side = round(LONGEST / _STEP**level) | 1
        copy = _smaller(light, _STEP**level)
        kernel = _grown(kernel, side)
        for _ in range(_TURNS):
            kernel = _kernel_between(_edges(copy, kernel, edge), copy, side, way)
            edge = max(edge / _EDGE_FALL, _LEAST_EDGE)
    return kernel


def _smaller(light: FloatArray, times: float) -> FloatArray:
    if times == 1:
        return light
    soft = ndimage.gaussian_filter(light, 0.5 * np.sqrt(times**2 - 1))
    zoom = [round(side / times) / side for side in light.shape]
    copy: FloatArray = ndimage.zoom(soft, zoom, order=1, mode="nearest", grid_mode=True)
    return copy


def _grown(kernel: FloatArray, side: int) -> FloatArray:
    """Draw a kernel `_STEP` times as large, on ``side``×``side``."""
    middle, new = (kernel.shape[0] - 1) / 2, (side - 1) / 2
    places = (np.indices((side, side)) - new) / _STEP + middle
    drawn = ndimage.map_coordinates(ndimage.gaussian_filter(kernel, 0.3), places, order=1)
    return _without_noise(drawn, 0.0)


def _edges(seen: FloatArray, kernel: FloatArray, edge: float) -> FloatArray:
    """Return a picture of few, strong edges that ``kernel`` blurs to ``seen``: Xu et al., section 3.1."""
    steps, penalty = [], 2 * edge
    while penalty < _LAST_PENALTY:
        steps.append((penalty, _hardly(edge / penalty)))
        penalty *= 4
    return explained_by(seen, kernel, steps)


def _hardly(limit: float) -> Shrink:
    def shrink(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        kept = (x * x + y * y >= limit).astype(np.float32)
        return x * kept, y * kept

    return shrink


def _kernel_between(sharp: FloatArray, seen: FloatArray, side: int, way: _Way) -> FloatArray:
    """Return the kernel between the differences of ``sharp`` and of ``seen``: least squares, damped."""
    above, below = np.zeros((2, *seen.shape[:1], seen.shape[1] // 2 + 1), np.complex64)
    for axis in (0, 1):
        slopes = [np.diff(plane, axis=axis, append=plane.take([-1], axis)) for plane in (sharp, seen)]
        if not way.borders:
            inner = np.zeros_like(slopes[0])
            reach = side // 2
            inner[reach:-reach, reach:-reach] = slopes[0][reach:-reach, reach:-reach]
            slopes[0] = inner
        drawn, given = (fft.rfft2(slope) for slope in slopes)
        above += np.conj(drawn) * given
        below += np.abs(drawn) ** 2
    plane = fft.irfft2(above / (below + np.float32(way.damping)), s=seen.shape)
    cut = np.roll(plane, (side // 2, side // 2), (0, 1))[:side, :side]
    return _centred(_without_noise(cut, _FAINT))


def _without_noise(kernel: FloatArray, faint: float) -> FloatArray:
    """Keep what is not negative, not ``faint`` beside the peak, and not a speck apart; sum one."""
    kernel = np.maximum(kernel, 0)
    if kernel.max() <= 0:
        kernel = np.zeros_like(kernel)
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
        return kernel
    around = np.ones((3, 3))
    pieces, _ = ndimage.label(kernel > 0.4 * faint * kernel.max(), around)
    strong = np.unique(pieces[kernel > faint * kernel.max()])
    kernel = np.where(np.isin(pieces, strong[strong > 0]), kernel, 0)
    pieces, count = ndimage.label(kernel > 0, around)
    shares = ndimage.sum_labels(kernel, pieces, np.arange(count + 1)) / kernel.sum()
    kernel = np.where(shares[pieces] >= min(0.1, shares[1:].max()), kernel, 0)
    summed: FloatArray = (kernel / kernel.sum()).astype(np.float32)
    return summed


def _centred(kernel: FloatArray) -> FloatArray:
    """Move a kernel so that its centre of mass lies in the middle: the picture stays where it is."""
    away = (np.array(kernel.shape) - 1) / 2 - np.array(ndimage.center_of_mass(kernel))
    moved = np.maximum(ndimage.shift(kernel, away, order=1), 0)
    summed: FloatArray = (moved / moved.sum()).astype(np.float32)
    return summed
