"""Noise as it stands in a camera's JPEG: made in the sensor, correlated by what the camera does after it.

A clean picture is taken back to linear light and to the sensor's own channel levels, gets shot and read noise
in its Bayer samples, is demosaiced and developed again; then the noise alone is smoothed as noise reduction
does, luma by a little and chroma by more, sometimes sharpened, and the picture may be compressed.

Sources: T. Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 3 (tone curve,
white balance, shot and read noise with ``log read = 2.18 log shot + 1.2 ± 0.26``). Correlation lengths and
strengths are set so that, over draws of ISO 1600 to 6400, they span those measured on real pairs (CC15 and
JPEG crops of five cameras): luma 0.58 to 0.61 at one pixel and 0.13 to 0.26 at two; red minus luma 0.90 at
one pixel, 0.73 to 0.82 at two, 0.39 to 0.60 at four, 0.07 to 0.29 at eight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter

from restorecli.imaging.bayer import malvar
from restorecli.imaging.cfa import sample
from restorecli.quality.degrade import Bytes, jpeg, to_bytes

Float = NDArray[np.float32]

YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)  # ITU-T T.871 (JFIF), full range
_RGB = np.linalg.inv(YCBCR).astype(np.float32)
_BILINEAR = {
    "G": np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4,
    "RB": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4,
}
_CURVE = np.linspace(0, 1, 2048) ** 3  # dense near black, where the tone curve is steep


@dataclass(frozen=True)
class Camera:
    """What one shot of one camera does.

    Attributes:
        shot: variance of the shot noise at full scale (1 is white) in the sensor's linear values.
        read: variance of the read noise.
        balance: white balance gains of red, green and blue.
        mixing: how much of each other channel the colour matrix takes off, 0 for none.
        contrast: share of the smoothstep S-curve in the tone curve.
        toe: encoded level of a channel, 0–1, below which its noise shrinks, as black is crushed; 0 for none.
        smooth_demosaicing: bilinear, which smooths noise; otherwise Malvar, He and Cutler's.
        luma_blur: sigma in pixels by which noise reduction smooths the luma of the noise.
        luma_drift: share of the luma noise's standard deviation that is slow, of ``drift_blur`` pixels.
        drift_blur: sigma in pixels.
        sharpening: amount of an unsharp mask on the luma of the noise.
        luma_left: standard deviation of the luma noise after noise reduction, relative to that before it.
        chroma_blur: sigma in pixels by which chroma is smoothed.
        chroma_ratio: standard deviation of the noise of Cb and Cr (BT.601) relative to that of the luma
            that is left; None for what the noise of the sensor has.
        by_channel: noise reduction smooths red, green and blue by themselves, not luma and chroma; red and
            blue, whose samples lie further apart, by a third of ``chroma_blur`` more.
        quality: of the JPEG, None for no compression.
        subsampling: of its chroma.
    """

    shot: float
    read: float
    balance: tuple[float, float, float]
    mixing: float
    contrast: float
    toe: float
    smooth_demosaicing: bool
    luma_blur: float
    luma_drift: float
    drift_blur: float
    sharpening: float
    luma_left: float
    chroma_blur: float
    chroma_ratio: float | None
    by_channel: bool
    quality: int | None
    subsampling: str = "4:2:0"


def draw_camera(rng: np.random.Generator, shot: tuple[float, float] = (5e-5, 1.2e-2)) -> Camera:
    """Draw a camera and its shot; ``shot`` is the range of the shot noise, drawn evenly in its logarithm."""
    level = float(np.exp(rng.uniform(*np.log(shot))))
    read = float(np.exp(2.18 * np.log(level) + 1.2 + 0.26 * rng.standard_normal()))
    compressed = rng.random() < 0.7
    smooths = rng.random() < 0.85  # else as a RAW developer without noise reduction gives it
    return Camera(
        shot=level,
        read=read,
        balance=(float(rng.uniform(1.4, 2.6)), 1.0, float(rng.uniform(1.3, 2.4))),
        mixing=float(rng.uniform(0, 0.3)),
        contrast=float(rng.uniform(0, 1)),
        toe=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.5 else 0.0,
        smooth_demosaicing=bool(rng.random() < 0.6),
        luma_blur=float(rng.uniform(0.3, 1.05)) if smooths else 0.0,
        luma_drift=float(rng.uniform(0, 0.5)) if rng.random() < 0.5 else 0.0,
        drift_blur=float(rng.uniform(2, 5)),
        sharpening=float(rng.uniform(0, 1.5)) if rng.random() < 0.2 else 0.0,
        luma_left=float(rng.uniform(0.5, 1.0)) if smooths else 1.0,
        chroma_blur=float(np.exp(rng.uniform(*np.log((1.0, 5.0))))) if smooths else 0.0,
        chroma_ratio=float(rng.uniform(0.25, 1.0)) if smooths else None,
        by_channel=bool(rng.random() < 0.5) and smooths,
        quality=100 - int(21 * rng.uniform() ** 2) if compressed else None,
        subsampling=("4:2:0", "4:2:2", "4:4:4")[int(rng.choice(3, p=(0.5, 0.25, 0.25)))],
    )


def shoot(clean: Bytes, camera: Camera, rng: np.random.Generator) -> Bytes:
    """Give a clean picture the noise of ``camera``.

    Args:
        clean: H×W×3 sRGB, uint8.
        camera: what happens to it.
        rng: the noise.

    Returns:
        H×W×3 uint8.
    """
    noise = reduced(developed_noise(clean, camera, rng), camera)
    encoded = clean.astype(np.float32) / np.float32(255)
    if camera.toe:
        noise = noise * np.minimum(encoded / np.float32(camera.toe), 1)
    noisy = to_bytes(encoded + noise)
    return noisy if camera.quality is None else jpeg(noisy, camera.quality, camera.subsampling)


def developed_noise(clean: Bytes, camera: Camera, rng: np.random.Generator) -> Float:
    """Return what the sensor's noise adds to the developed picture before noise reduction, H×W×3 in 0–1."""
    encoded = clean.astype(np.float32) / np.float32(255)
    forward = _tone_curve(camera.contrast)
    linear = np.interp(encoded, forward, _CURVE).astype(np.float32)
    balance = np.array(camera.balance, np.float32)
    deviation = np.sqrt(np.maximum(camera.shot * linear / balance + camera.read, 0))
    raw = rng.standard_normal(clean.shape, dtype=np.float32) * deviation
    noise = _demosaiced(raw, camera.smooth_demosaicing) * balance @ _colour_matrix(camera.mixing).T
    developed = np.interp(linear + noise, _CURVE, forward).astype(np.float32)
    added: Float = developed - encoded
    return added


def reduced(noise: Float, camera: Camera) -> Float:
    """Return H×W×3 noise as the camera's noise reduction, sharpening and colour smoothing leave it."""
    if camera.by_channel:
        wider = float(np.hypot(camera.luma_blur, camera.chroma_blur / 3))
        blurs = (wider, camera.luma_blur, wider)
        return np.stack([_plane_left(noise[..., i], blur, camera) for i, blur in enumerate(blurs)], -1)
    parts = noise @ YCBCR.T
    result = [_plane_left(parts[..., 0], camera.luma_blur, camera)]
    for chroma in (parts[..., 1], parts[..., 2]):
        smooth = gaussian_filter(chroma, camera.chroma_blur)
        wanted = chroma.std() if camera.chroma_ratio is None else camera.chroma_ratio * result[0].std()
        result.append(_of_strength(smooth, float(wanted)))
    return np.stack(result, -1) @ _RGB.T


def _plane_left(noise: Float, blur: float, camera: Camera) -> Float:
    """Smooth the noise of luma, or of a colour, H×W, sharpen it and mix its slow part in."""
    fine = gaussian_filter(noise, blur)
    if camera.sharpening:
        fine = fine + camera.sharpening * (fine - gaussian_filter(fine, 1.0))
    slow = gaussian_filter(noise, camera.drift_blur) if camera.luma_drift else np.zeros_like(noise)
    mixed = _of_strength(fine, (1 - camera.luma_drift**2) ** 0.5) + _of_strength(slow, camera.luma_drift)
    return _of_strength(mixed, camera.luma_left * float(noise.std()))


def _of_strength(noise: Float, deviation: float) -> Float:
    """Scale noise to a standard deviation; what is nothing stays nothing."""
    now = float(noise.std())
    return noise * np.float32(deviation / now if now > 1e-9 else 0)


def _tone_curve(contrast: float) -> NDArray[np.float64]:
    """Return the encoded values of `_CURVE`: sRGB's transfer function (IEC 61966-2-1), then an S-curve."""
    encoded = np.where(_CURVE <= 0.0031308, 12.92 * _CURVE, 1.055 * _CURVE ** (1 / 2.4) - 0.055)
    curve: NDArray[np.float64] = (1 - contrast) * encoded + contrast * encoded**2 * (3 - 2 * encoded)
    return curve


def _colour_matrix(mixing: float) -> Float:
    """Return a camera-to-sRGB matrix whose rows sum to one: gray stays gray."""
    return ((1 + 2 * mixing + mixing) * np.eye(3) - mixing * np.ones((3, 3))).astype(np.float32)


def _demosaiced(raw: Float, smooth: bool) -> Float:
    if not smooth:
        return malvar(sample(raw, "RGGB"), "RGGB")
    rows, columns = np.indices(raw.shape[:2]) % 2
    places = ((rows == 0) & (columns == 0), rows != columns, (rows == 1) & (columns == 1))
    kernels = (_BILINEAR["RB"], _BILINEAR["G"], _BILINEAR["RB"])
    planes = [
        convolve(raw[..., i] * place, kernel, mode="mirror")
        for i, (place, kernel) in enumerate(zip(places, kernels, strict=True))
    ]
    return np.stack(planes, -1)
