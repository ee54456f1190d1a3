"""What can be had without a learned network: the classical methods that results are set beside."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from restorecli.imaging import bayer
from restorecli.photo import FloatArray
from restorecli.quality.degrade import Bytes, jpeg, to_bytes

USUAL_MEAN = 0.45
"""Mean of usual photos, 0–1 with sRGB's curve, to which a dark one is brightened."""


def lanczos(image: Bytes, scale: int) -> Bytes:
    """Enlarge H×W×C uint8 by Lanczos interpolation over three lobes (Pillow's)."""
    height, width = image.shape[:2]
    small = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    large = np.asarray(small.resize((width * scale, height * scale), Image.Resampling.LANCZOS))
    return large.reshape(height * scale, width * scale, -1)


def non_local_means(noisy: FloatArray, sigma: float) -> Bytes:
    """Denoise by non-local means (Buades, Coll and Morel, CVPR 2005; scikit-image's fast form).

    Patches of 5×5, searched within 6 pixels, h = 0.6 σ with the noise's own distance subtracted.

    Args:
        noisy: H×W×C float32, 0–1 and beyond.
        sigma: of the noise, on the 0–255 scale.
    """
    from skimage.restoration import denoise_nl_means

    level, gray = sigma / 255, noisy.shape[2] == 1
    clean = denoise_nl_means(
        noisy[:, :, 0] if gray else noisy,
        patch_size=5,
        patch_distance=6,
        h=0.6 * level,
        sigma=level,
        fast_mode=True,
        channel_axis=None if gray else 2,
    )
    return to_bytes(np.asarray(clean).reshape(noisy.shape))


def plain_non_local_means(noisy: FloatArray, sigma: float) -> Bytes:
    """Denoise by non-local means where the noise is not white, so that its distance cannot be subtracted.

    Patches of 7×7, searched within 11 pixels, h = 0.8 σ, as scikit-image advises for noise that is not known.

    Args:
        noisy: H×W×C float32, 0–1.
        sigma: how strong the noise is taken to be, on the 0–255 scale.
    """
    from skimage.restoration import denoise_nl_means

    picture = noisy[:, :, 0] if noisy.shape[2] == 1 else noisy
    channels = None if noisy.shape[2] == 1 else 2
    clean = denoise_nl_means(picture, 7, 11, h=0.8 * sigma / 255, fast_mode=True, channel_axis=channels)
    return to_bytes(np.asarray(clean).reshape(noisy.shape))


def wavelets(noisy: FloatArray, sigma: float) -> Bytes:
    """Denoise by shrinking wavelet coefficients (BayesShrink, Chang, Yu and Vetterli, IEEE TIP 2000).

    Args:
        noisy: H×W×3 float32, 0–1.
        sigma: of the noise, on the 0–255 scale.
    """
    from skimage.restoration import denoise_wavelet

    clean = denoise_wavelet(noisy, sigma=sigma / 255, convert2ycbcr=True, channel_axis=2, rescale_sigma=True)
    return to_bytes(np.asarray(clean))


def has_wavelets() -> bool:
    """Tell whether PyWavelets is installed."""
    return find_spec("pywt") is not None


def total_variation(noisy: FloatArray, sigma: float) -> Bytes:
    """Denoise by total variation (Chambolle, JMIV 2004) with a weight that grows with the noise.

    Args:
        noisy: H×W×3 float32, 0–1.
        sigma: of the noise, on the 0–255 scale.
    """
    from skimage import restoration

    clean: Any = restoration.denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        noisy, weight=1.2 * sigma / 255, channel_axis=2
    )
    return to_bytes(np.asarray(clean))


def shifted_jpeg(image: Bytes, quality: int) -> Bytes:
    """Take out blocks by compressing again at all 64 shifts of the block grid, and averaging.

    A. Nosratinia, Enhancement of JPEG-compressed images by re-application of JPEG, J. VLSI Signal Processing
    27, 2001.

    Args:
        image: H×W×C uint8, as decoded from a JPEG of ``quality``.
        quality: libjpeg's, 1–100.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="edge")
    total = np.zeros(image.shape, np.float64)
    for top in range(8):
        for left in range(8):
            moved = np.ascontiguousarray(padded[top : top + height + 8, left : left + width + 8])
            again = compressed(moved, quality)
            total += again[8 - top : 8 - top + height, 8 - left : 8 - left + width]
    return np.rint(total / 64).astype(np.uint8)


def compressed(image: Bytes, quality: int) -> Bytes:
    """Return H×W×C uint8 through JPEG: one channel as gray, three with 4:2:0 chroma."""
    plane = image[:, :, 0] if image.shape[2] == 1 else image
    return jpeg(plane, quality).reshape(image.shape)


def bilinear(mosaic: FloatArray, pattern: str) -> Bytes:
    """Demosaic H×W by bilinear interpolation: H×W×3."""
    return to_bytes(bayer.bilinear(mosaic, pattern))


def malvar(mosaic: FloatArray, pattern: str) -> Bytes:
    """Demosaic H×W by Malvar, He and Cutler's linear filters (ICASSP 2004): H×W×3."""
    return to_bytes(bayer.malvar(mosaic, pattern))


def has_menon() -> bool:
    """Tell whether colour-demosaicing, which has Menon's method, is installed."""
    return find_spec("colour_demosaicing") is not None


def menon(mosaic: FloatArray, pattern: str) -> Bytes:
    """Demosaic H×W by Menon, Andriani and Calvagno's directional filtering (IEEE TIP 16(1), 2007): H×W×3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports names that newer releases of SciPy call old
        from colour_demosaicing import demosaicing_CFA_Bayer_Menon2007

    return to_bytes(np.asarray(demosaicing_CFA_Bayer_Menon2007(mosaic.astype(np.float64), pattern)))


def unsharp_mask(image: Bytes) -> Bytes:
    """Sharpen H×W×C by Pillow's unsharp mask as it is set by default (radius 2 pixels, 150 %)."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    sharp = np.asarray(picture.filter(ImageFilter.UnsharpMask()))
    return sharp.reshape(image.shape)


def brightening_curve(image: FloatArray) -> Bytes:
    """Brighten H×W×C (0–1) by Zero-DCE's curve, x + a·x·(1 − x) eight times, with one a for the whole image.

    That a (0 to 1) is taken which brings the mean nearest to `USUAL_MEAN`.

    Source: C. Guo et al., "Zero-reference deep curve
    estimation for low-light image enhancement", CVPR 2020, equation 2.
    """
    low, high = 0.0, 1.0
    result = np.clip(image, 0, 1)
    for _ in range(12):
        share = (low + high) / 2
        result = np.clip(image, 0, 1)
        for _ in range(8):
            result = result + np.float32(share) * result * (1 - result)
        low, high = (low, share) if float(result.mean()) > USUAL_MEAN else (share, high)
    return to_bytes(result)
