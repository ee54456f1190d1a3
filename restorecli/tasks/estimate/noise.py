"""How strong the noise of a photo is, from its pixels alone.

Smooth patches are sought by their low frequencies, and the noise is measured in their high frequencies: for
white noise the two are independent, so that seeking the least busy patches does not bias the measure.

Sources: N. Ponomarenko, V. Lukin, M. Zriakhov, A. Kaarna, J. Astola, "An automatic approach to lossy
compression of AVIRIS images", IGARSS 2007 (the blocks of least energy, the median over high frequencies of
the DCT); A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing
89 (2009), equations for the mean and variance of a clipped normal variable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import FloatArray

CLEAN_SIGMA = 3.0
"""Below this, what is measured may be fine texture or the film's and sensor's own faint grain."""
TEXTURED = 1.5
"""White noise is as strong in one high frequency as in another: their quartiles differ by less than this
factor. In fine texture they differ by more, and then it is texture that was measured."""

_SIZE = 8
_MOST_PATCHES = 60_000
_FEWEST_PATCHES = 64
_SHARE = 0.01  # of the patches are taken for smooth …
_ENOUGH = 600  # … and at least so many, where there are several times as many
_CLIPPED_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35)
_USABLE = 0.1  # of the patches must be as little clipped as that
_ORDER = np.add.outer(np.arange(_SIZE), np.arange(_SIZE))
_SEEK = (_ORDER >= 1) & (_ORDER <= 5)
_MEASURE = _ORDER >= 6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseEstimate:
    """What the noise of a photo is taken to be.

    Attributes:
        sigma: standard deviation, for values of 0–255; the root mean square over the channels.
        per_channel: of each channel.
        unevenness: upper over lower quartile of the variances in high frequencies, 1 for white noise.
    """

    sigma: float
    per_channel: tuple[float, ...]
    unevenness: float = 1.0

    @property
    def is_clean(self) -> bool:
        """Whether this is no more than what photos without noise show: little, or texture."""
        return self.sigma < CLEAN_SIGMA or self.unevenness > TEXTURED


def noise_sigma(pixels: FloatArray) -> NoiseEstimate | None:
    """Estimate the standard deviation of white Gaussian noise, also where it was cut off at black and white.

    Args:
        pixels: H×W×C float32, 0–1; values beyond mean that nothing was clipped.

    Returns:
        The estimate, the same whichever way the picture is flipped; None for pictures that are too small.
    """
    patches, clipped = _patches(pixels)
    if len(patches) < _FEWEST_PATCHES:
        return None
    limits = (share for share in _CLIPPED_SHARES if np.mean(clipped <= share) >= _USABLE)
    usable = patches[clipped <= next(limits, _CLIPPED_SHARES[-1])]
    if len(usable) < _FEWEST_PATCHES:  # black and white only: no sign of noise
        return NoiseEstimate(0.0, (0.0,) * pixels.shape[2])
    basis = _dct_basis()
    smooth = usable[_smoothest(np.square(usable @ basis[_SEEK.ravel()].T).sum((1, 2)))]
    variances = np.mean(np.square(smooth @ basis[_MEASURE.ravel()].T), 0, dtype=np.float64)
    lower, middle, upper = np.quantile(variances, (0.25, 0.5, 0.75), axis=-1)
    deviations = np.sqrt(middle)
    if clipped.any() and deviations.min() > 0:
        means = smooth.mean(2, dtype=np.float64)
        deviations = np.array([_unclipped(s, m) for s, m in zip(deviations, means.T, strict=True)])
    sigma = float(np.sqrt(np.mean(deviations**2))) * 255
    unevenness = float(np.mean(upper) / np.mean(lower)) if lower.any() else 1.0
    return NoiseEstimate(sigma, tuple(float(deviation) * 255 for deviation in deviations), unevenness)


def _patches(pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return N×C×64 patches spread evenly over the picture, and the share of clipped samples in each."""
    height, width, channels = pixels.shape
    rows, columns = height - _SIZE + 1, width - _SIZE + 1
    if rows < 1 or columns < 1:
        return np.empty((0, channels, _SIZE**2), np.float32), np.empty(0, np.float32)
    thinning = min(1.0, (_MOST_PATCHES / (rows * columns)) ** 0.5)
    view = np.lib.stride_tricks.sliding_window_view(pixels, (_SIZE, _SIZE), (0, 1))
    patches = view[np.ix_(_spread(rows, thinning), _spread(columns, thinning))].reshape(
        -1, channels, _SIZE**2
    )
    if pixels.min() < 0 or pixels.max() > 1:
        return patches, np.zeros(len(patches), np.float32)
    return patches, np.mean((patches <= 0) | (patches >= 1), (1, 2), dtype=np.float32)


def _spread(count: int, thinning: float) -> NDArray[np.intp]:
    """About ``count`` × ``thinning`` of the numbers below ``count``, the same counted from either end."""
    wanted = max(1, round(count * thinning))
    half = np.arange((wanted + 1) // 2) * (count - 1) // max(wanted - 1, 1)
    return np.unique(np.concatenate([half, count - 1 - half]))


def _dct_basis() -> FloatArray:
    """Return the orthonormal two-dimensional DCT-II of 8×8 samples, row by row, as a 64×64 matrix."""
    line = np.cos(np.pi / _SIZE * np.outer(np.arange(_SIZE), np.arange(_SIZE) + 0.5)) * (2 / _SIZE) ** 0.5
    line[0] /= 2**0.5
    return np.kron(line, line).astype(np.float32)


def _smoothest(energies: FloatArray) -> NDArray[np.intp]:
    """Return where the patches with the least energy are."""
    wanted = max(round(len(energies) * _SHARE), min(_ENOUGH, len(energies) // 4))
    return np.argpartition(energies, wanted - 1)[:wanted]


def _unclipped(deviation: float, means: Array) -> float:
    """Return the deviation before clipping to 0–1 of noise that shows ``deviation`` at levels ``means``.

    The mean and variance of a clipped normal variable are known for each level and deviation (Foi 2009); the
    deviation is sought whose variance, on average over the patches' means, is the one that was measured.
    """
    least, most = deviation, 4 * deviation
    for _ in range(24):
        middle = (least + most) / 2
        if _clipped_variance(middle, means).mean() < deviation**2:
            least = middle
        else:
            most = middle
    return (least + most) / 2


def _clipped_variance(deviation: float, means: Array) -> Array:
    """Return the variances of clipped normal variables, given their means after clipping."""
    from scipy.special import ndtr

    level = np.linspace(-3 * deviation, 1 + 3 * deviation, 400)
    low, high = -level / deviation, (1 - level) / deviation
    bells = [np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi) for edge in (low, high)]
    inside, above = ndtr(high) - ndtr(low), ndtr(-high)
    mean = level * inside + deviation * (bells[0] - bells[1]) + above
    square = (
        (level**2 + deviation**2) * inside + deviation * (level * (bells[0] - bells[1]) - bells[1]) + above
    )
    result: Array = np.interp(means, mean, square - mean**2)
    return result
