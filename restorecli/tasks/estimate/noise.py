"""How strong the noise of a photo is, from its pixels alone: per channel, over its tones, at two scales.

Among patches of like tones, smooth ones are sought by their low frequencies, and the noise is measured in
their high frequencies: for noise the two are independent, so that seeking the least busy patches does not
bias the measure. Of the tones, the quietest but one counts: noise is everywhere, texture is not.

White noise is as strong in means of 2×2 pixels, times two, as in the pixels. Noise that a camera has
demosaiced, smoothed and compressed has little left between neighbouring pixels and shows in those means.

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
from restorecli.tasks.estimate.patches import FEWEST, SIZE, Mask, halved, noisy_patches

FAINT = 1.5
"""Below this, at either scale, noise is not seen. Real noise of ISO 1600 measures 2.3 and more."""
CLEAN_SIGMA = 3.0
"""Below this, what looks like white noise may be fine texture or the film's and sensor's own faint grain."""
TEXTURED = 1.5
"""White noise is as strong in one high frequency as in another: their quartiles differ by less than this
factor. In fine texture, and in the noise of cameras, they differ by more."""

EVEN = 0.45
"""The tenth of the smooth patches with the least in high frequencies has more than this share of what the
middle one has, where that is noise: the same everywhere. In fine texture it has less."""

_TONES = 10
_PATCHES_PER_TONE = 4000  # with fewer, fewer tones are distinguished
_SHARE = 0.02  # of a tone's patches are taken for smooth …
_ENOUGH = 100  # … and at least so many, where there are several times as many
_ORDER = np.add.outer(np.arange(SIZE), np.arange(SIZE))
_SEEK = (_ORDER >= 1) & (_ORDER <= 5)
_MEASURE = _ORDER >= 6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseEstimate:
    """What the noise of a photo is taken to be; all sigmas for values of 0–255.

    Attributes:
        sigma: standard deviation of white noise that differs as much between neighbouring pixels; the root
            mean square over the channels.
        per_channel: of each channel.
        coarse: the same measured in means of 2×2 pixels: sigma again for white noise, more for a camera's.
        unevenness: upper over lower quartile of the variances in high frequencies, 1 for white noise.
        evenness: how alike smooth patches are: what the lowest tenth of them reaches of the median of their
            energies in high frequencies, at the scale where it is less.
    """

    sigma: float
    per_channel: tuple[float, ...]
    coarse: float = 0.0
    unevenness: float = 1.0
    evenness: float = 1.0

    @property
    def strongest(self) -> float:
        """The sigma at the scale where the noise is stronger."""
        return max(self.sigma, self.coarse)

    @property
    def is_faint(self) -> bool:
        """Whether there is no noise, of whatever kind, that could be seen."""
        return self.strongest < FAINT

    @property
    def is_clean(self) -> bool:
        """Whether this is no more white noise than photos without it show: little, or texture."""
        return self.sigma < CLEAN_SIGMA or self.unevenness > TEXTURED

    @property
    def is_texture(self) -> bool:
        """Whether what was measured differs from place to place as texture does, and noise does not."""
        return self.evenness < EVEN


@dataclass(frozen=True)
class _Measured:
    """One tone: deviation (0–1) of its noise, quartiles of its variances over frequencies, and evenness."""

    deviation: float
    lower: float = 0.0
    upper: float = 0.0
    evenness: float = 1.0


def noise_sigma(pixels: FloatArray, hidden: Mask | None = None) -> NoiseEstimate | None:
    """Estimate the strength of noise, also where it was cut off at black and white.

    Args:
        pixels: H×W×C float32, 0–1; values beyond mean that nothing was clipped.
        hidden: H×W, pixels that do not count, such as those under full transparency.

    Returns:
        The estimate, the same whichever way the picture is flipped; None for pictures too small to tell.
    """
    fine = _channels(pixels, hidden)
    if fine is None:
        return None
    small = halved(pixels)
    coarse = _channels(small, None if hidden is None else halved(hidden.astype(np.float32)) > 0) or fine
    factor = 1 if coarse is fine else 2
    lower, upper = (sum(getattr(each, name) for each in fine) for name in ("lower", "upper"))
    return NoiseEstimate(
        sigma=_over_channels(fine),
        per_channel=tuple(255 * each.deviation for each in fine),
        coarse=factor * _over_channels(coarse),
        unevenness=upper / lower if lower > 0 else 1.0,
        evenness=min(float(np.median([each.evenness for each in scale])) for scale in (fine, coarse)),
    )


def _over_channels(measured: list[_Measured]) -> float:
    return 255 * float(np.sqrt(np.mean([each.deviation**2 for each in measured])))


def _channels(pixels: FloatArray, hidden: Mask | None) -> list[_Measured] | None:
    """Return what each channel shows; None where the picture is too small."""
    clipped = bool(pixels.min() >= 0 and pixels.max() <= 1) if pixels.size else False
    measured = []
    for channel in range(pixels.shape[2]):
        patches = noisy_patches(np.ascontiguousarray(pixels[:, :, channel]), hidden)
        if patches.too_small:
            return None
        measured.append(_channel(patches.samples, clipped))
    return measured


def _channel(samples: FloatArray, clipped: bool) -> _Measured:
    """Return the quietest but one of the tones, or the quietest of few; nothing where nothing is left."""
    if len(samples) < FEWEST:
        return _Measured(0.0)
    count = int(np.clip(len(samples) // _PATCHES_PER_TONE, 1, _TONES))
    tones = np.array_split(np.argsort(samples.mean(axis=1), kind="stable"), count)
    found = sorted((_tone(samples[tone], clipped) for tone in tones), key=lambda each: each.deviation)
    return found[1 if count > 2 else 0]


def _tone(samples: FloatArray, clipped: bool) -> _Measured:
    """Measure the noise in the smooth ones of N×64 ``samples``."""
    smooth = samples[_smoothest(np.square(samples @ _BASIS[_SEEK.ravel()].T).sum(axis=1))]
    energies = np.square(smooth @ _BASIS[_MEASURE.ravel()].T)
    variances = np.mean(energies, axis=0, dtype=np.float64)
    least, usual = (float(value) for value in np.quantile(energies.mean(axis=1), (0.1, 0.5)))
    lower, middle, upper = (float(value) for value in np.quantile(variances, (0.25, 0.5, 0.75)))
    deviation = middle**0.5
    if clipped and deviation > 0 and bool(((smooth <= 0) | (smooth >= 1)).any()):
        deviation = _unclipped(deviation, smooth.mean(axis=1, dtype=np.float64))
    return _Measured(deviation, lower, upper, least / usual if usual > 0 else 1.0)


def _dct_basis() -> FloatArray:
    """Return the orthonormal two-dimensional DCT-II of 8×8 samples, row by row, as a 64×64 matrix."""
    line = np.cos(np.pi / SIZE * np.outer(np.arange(SIZE), np.arange(SIZE) + 0.5)) * (2 / SIZE) ** 0.5
    line[0] /= 2**0.5
    return np.kron(line, line).astype(np.float32)


_BASIS = _dct_basis()


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
