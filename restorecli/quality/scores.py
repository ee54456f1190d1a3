"""PSNR, SSIM and luma as the super-resolution papers measure them, on 8-bit values 0–255."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
"""ITU-R BT.601 luma of R, G, B in 0–255, studio range."""


def luma(image: NDArray[np.uint8]) -> Array:
    """Return Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 of H×W×3 uint8 (BT.601), not rounded."""
    return np.asarray(16 + image.astype(np.float64) @ LUMA_WEIGHTS)


def psnr(image: NDArray[np.generic], truth: NDArray[np.generic], *, border: int) -> float:
    """Return 10·log10(255² / MSE) in dB; infinity for equal images.

    Args:
        image: H×W(×C) on the scale 0–255.
        truth: the same shape and scale.
        border: pixels cut from every side first.
    """
    from skimage.metrics import peak_signal_noise_ratio

    first, second = _inside(image, border), _inside(truth, border)
    if np.array_equal(first, second):
        return float("inf")
    return float(peak_signal_noise_ratio(second, first, data_range=255))  # type: ignore[no-untyped-call]


def ssim(image: NDArray[np.generic], truth: NDArray[np.generic], *, border: int) -> float:
    """Return the structural similarity (Wang et al. 2004, eq. 13), mean over the valid region and channels.

    An 11×11 Gaussian window of σ 1.5, K₁ = 0.01, K₂ = 0.03, range 255.

    Args:
        image: H×W(×C) on the scale 0–255, sides at least 11 after the cut.
        truth: the same shape and scale.
        border: pixels cut from every side first.
    """
    from skimage.metrics import structural_similarity

    value = structural_similarity(  # type: ignore[no-untyped-call]
        _inside(truth, border),
        _inside(image, border),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if image.ndim == 3 else None,
    )
    return float(value)


def _inside(image: NDArray[np.generic], border: int) -> Array:
    height, width = image.shape[:2]
    return np.asarray(image[border : height - border, border : width - border], dtype=np.float64)


def psnr_b(image: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    """Return PSNR-B in dB (Yim and Bovik, IEEE TIP 20(1), 2011, eqs. 8–15): blocks of 8 cost extra.

    Colour: the mean of the channels' own values.

    Args:
        image: H×W(×C) on the scale 0–255, whose 8×8 blocks begin at its top left; sides of 9 at least.
        truth: the same shape and scale.
    """
    planes = [np.asarray(a, dtype=np.float64).reshape(*a.shape[:2], -1) for a in (image, truth)]
    decibels = []
    for channel in range(planes[0].shape[2]):
        tested, clean = (plane[:, :, channel] for plane in planes)
        error = float(np.mean((tested - clean) ** 2)) + blocking(tested)
        decibels.append(float("inf") if error == 0 else 10 * np.log10(255.0**2 / error))
    return float(np.mean(decibels))


def blocking(plane: Array) -> float:
    """Return the blocking effect factor of H×W: how much rougher steps across block borders are than others.

    BEF = η · (D_B − D_BC), with D_B and D_BC the mean squared differences of neighbours across and not across
    borders of 8×8 blocks, and η = log₂ 8 ÷ log₂ min(H, W); 0 where D_B is not the larger.
    """
    across, within = [], []
    for steps in (np.diff(plane, axis=0), np.diff(plane, axis=1).T):
        is_border = np.arange(1, steps.shape[0] + 1) % 8 == 0
        across.append(steps[is_border].ravel() ** 2)
        within.append(steps[~is_border].ravel() ** 2)
    excess = float(np.concatenate(across).mean() - np.concatenate(within).mean())
    return float(max(0.0, excess) * np.log2(8) / np.log2(min(plane.shape)))
