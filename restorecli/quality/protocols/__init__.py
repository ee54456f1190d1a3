"""One way to measure each task, the one its papers use."""

from __future__ import annotations

from collections.abc import Sequence

from restorecli.errors import UsageError
from restorecli.models.registry import TASKS
from restorecli.quality.protocols.base import Protocol
from restorecli.quality.protocols.dejpeg import DejpegProtocol
from restorecli.quality.protocols.demosaic import MOSAIC_ISOS, DemosaicProtocol, NoisyDemosaicProtocol
from restorecli.quality.protocols.denoise import DenoiseProtocol
from restorecli.quality.protocols.real_noise import ISOS, CameraProtocol
from restorecli.quality.protocols.same_size import BLURS, BlurProtocol, DarkProtocol
from restorecli.quality.protocols.upscale import RealUpscaleProtocol, UpscaleProtocol

__all__ = ["Protocol", "protocols"]


def protocols(
    task: str,
    *,
    scales: Sequence[int] = (),
    sigmas: Sequence[float] = (),
    qualities: Sequence[int] = (),
    isos: Sequence[int] | None = None,
    rounded: bool = False,
    gray: bool = False,
    pattern: str = "RGGB",
    degradation: str = "bicubic",
) -> list[Protocol]:
    """Return the protocols of ``task``, one per scale, sigma, quality, ISO speed or blur.

    Args:
        task: one of `models.registry.TASKS`.
        scales: of upscaling; none for ×4.
        sigmas: of noise on the 0–255 scale; none for 25.
        isos: noise is a camera's of these sensitivities, none for
            1600, 3200 and 6400 (mosaics: 800, 3200, 12800); None for white noise, and mosaics without any.
        qualities: of JPEG; none for 10.
        rounded: noisy images are clipped and rounded to 8 bit.
        gray: denoise and dejpeg are measured on luma.
        pattern: of mosaics: one of `bayer.PATTERNS` or "XTRANS".
        degradation: of upscaling: "bicubic" shrinking, or what makes "real" photos small.

    Raises:
        UsageError: there is no such task.
    """
    if task == "upscale":
        kind = RealUpscaleProtocol if degradation == "real" else UpscaleProtocol
        return [kind(scale) for scale in scales or (4,)]
    if task == "denoise" and isos is not None:
        return [CameraProtocol(iso, gray) for iso in isos or ISOS]
    if task == "denoise":
        return [DenoiseProtocol(sigma, rounded, gray) for sigma in sigmas or (25.0,)]
    if task == "dejpeg":
        return [DejpegProtocol(quality, gray) for quality in qualities or (10,)]
    if task == "demosaic" and isos is not None:
        return [NoisyDemosaicProtocol(pattern, iso) for iso in isos or MOSAIC_ISOS]
    if task == "demosaic":
        return [DemosaicProtocol(pattern)]
    if task == "deblur":
        return [BlurProtocol(blur) for blur in BLURS]
    if task == "enhance":
        return [DarkProtocol()]
    raise UsageError(f"unknown task: {task}", f"known: {', '.join(TASKS)}")
