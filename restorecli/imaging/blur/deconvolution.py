"""Take a known blur out of linear light: of all pictures that explain it, that of least total variation.

Source: Y. Wang, J. Yang, W. Yin, Y. Zhang, "A new alternating minimization algorithm for total variation
image reconstruction", SIAM J. Imaging Sciences 1 (2008), algorithm 1, with the anisotropic variation. Borders
are faded into each other, so that the Fourier transform meets no edge there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from restorecli.photo import FloatArray

Spectrum = NDArray[np.complex64]
Shrink = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Takes differences across and down, gives smaller ones."""
FIDELITY = 1000.0
"""Weight of the squared difference from what was seen, for light of 0–1; the variation weighs 1."""
_PENALTIES = (1.0, 6.0, 36.0, 216.0)  # of differences that are not those of the picture, growing
_BLOCK = 1024  # pixels: the side of what is worked on at once
_ACROSS = np.array([[0, 1, -1]], np.float32)  # gives the difference from the pixel on the left


def transfer(kernel: FloatArray, height: int, width: int) -> Spectrum:
    """Return the Fourier transform of a kernel, its middle at the origin: H×(W//2+1) complex64."""
    plane = np.zeros((height, width), np.float32)
    plane[: kernel.shape[0], : kernel.shape[1]] = kernel
    moved = np.roll(plane, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1))
    spectrum: Spectrum = fft.rfft2(moved)
    return spectrum


def endless(plane: FloatArray, kernel: FloatArray) -> tuple[FloatArray, int, int]:
    """Continue H×W on all sides so that right meets left and bottom top without an edge.

    Returns:
        The larger plane, of a size that transforms quickly; how far the picture lies from its top and left.
    """
    reach = max(kernel.shape[0], 8)
    sides = [fft.next_fast_len(side + 2 * reach, real=True) for side in plane.shape]
    spare = [total - side for total, side in zip(sides, plane.shape, strict=True)]
    pads = [(pixels // 2, pixels - pixels // 2) for pixels in spare]
    wide = np.pad(plane, pads, mode="symmetric")
    soft = fft.irfft2(fft.rfft2(wide) * transfer(kernel, *wide.shape), s=wide.shape)
    (top, bottom), (left, right) = pads
    kept = _fading(wide.shape[0], top, bottom)[:, None] * _fading(wide.shape[1], left, right)
    return (wide * kept + soft * (1 - kept)).astype(np.float32), top, left


def _fading(length: int, before: int, behind: int) -> FloatArray:
    weights = np.ones(length, np.float32)
    for pad, part in ((before, weights[:before]), (behind, weights[::-1][:behind])):
        part[:] = np.sin(np.pi / 2 * (np.arange(pad) + 0.5) / max(pad, 1)) ** 2
    return weights


def explained_by(seen: FloatArray, kernel: FloatArray, steps: Iterable[tuple[float, Shrink]]) -> FloatArray:
    """Return a picture that ``kernel`` blurs to ``seen`` and whose differences are as a prior has them.

    Half-quadratic splitting: in turns the differences of neighbours are shrunk, and the picture found that
    fits both them and ``seen`` best.

    Args:
        seen: H×W float32.
        kernel: k×k float32 with odd k, sum one.
        steps: the weight of the shrunk differences against ``seen``, and what shrinks those across and down.

    Returns:
        H×W float32.
    """
    wide, top, left = endless(seen, kernel)
    size = wide.shape
    blur, across, down = (transfer(k, *size) for k in (kernel, _ACROSS, _ACROSS.T))
    power, roughness = np.abs(blur) ** 2, np.abs(across) ** 2 + np.abs(down) ** 2
    spectrum = fft.rfft2(wide)
    explained = np.conj(blur) * spectrum
    for weight, shrink in steps:
        x, y = shrink(*(fft.irfft2(spectrum * slope, s=size) for slope in (across, down)))
        drawn = np.conj(across) * fft.rfft2(x) + np.conj(down) * fft.rfft2(y)
        spectrum = (explained + np.float32(weight) * drawn) / (power + np.float32(weight) * roughness)
    plane: FloatArray = fft.irfft2(spectrum, s=size)
    return plane[top : top + seen.shape[0], left : left + seen.shape[1]]


def _softly(limit: float) -> Shrink:
    def shrink(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return _shrunk(x, limit), _shrunk(y, limit)

    return shrink


def _shrunk(differences: FloatArray, limit: float) -> FloatArray:
    return np.sign(differences) * np.maximum(np.abs(differences) - np.float32(limit), 0)


def deconvolved_plane(seen: FloatArray, kernel: FloatArray) -> FloatArray:
    """Take ``kernel`` out of one plane.

    Args:
        seen: H×W float32, linear light, 0–1.
        kernel: k×k float32 with odd k, sum one.

    Returns:
        H×W float32; may lie beyond 0–1.
    """
    return explained_by(seen, kernel, [(weight / FIDELITY, _softly(1 / weight)) for weight in _PENALTIES])


def deconvolved(light: FloatArray, kernel: FloatArray) -> FloatArray:
    """Take ``kernel`` out of a picture of any size, in blocks, so that the memory it takes is bounded.

    Args:
        light: H×W×C float32, linear light, 0–1.
        kernel: k×k float32 with odd k, sum one.

    Returns:
        H×W×C float32, 0–1.
    """
    result = np.empty_like(light)
    height, width, channels = light.shape
    margin = 4 * kernel.shape[0]  # what a block's edge does to it has faded there
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            rows = slice(max(0, top - margin), min(height, top + _BLOCK + margin))
            columns = slice(max(0, left - margin), min(width, left + _BLOCK + margin))
            wanted = result[top : top + _BLOCK, left : left + _BLOCK]
            for channel in range(channels):
                plane = deconvolved_plane(light[rows, columns, channel], kernel)
                y, x = top - rows.start, left - columns.start
                wanted[..., channel] = plane[y : y + wanted.shape[0], x : x + wanted.shape[1]]
    return np.clip(result, 0, 1, out=result)
