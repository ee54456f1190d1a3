"""JPEG artifacts and noise of photos of all kinds, where nothing is to be changed that need not be.

What the two tasks decide alone is decided together here. Numbers below were measured on Kodak's photos with
white noise, B100 and CC15, compressed at qualities 15 to 95 (``docs/guides/auto.md``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from restorecli.photo import Photo
from restorecli.tasks.base import Need
from restorecli.tasks.dejpeg import Dejpeg
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.estimate.jpeg import quality_from_tables
from restorecli.tasks.estimate.noise import NoiseEstimate

HARDLY_COMPRESSED = 92
"""From this JPEG quality on artifacts are not seen: PSNR is about 38 dB and more."""
FINE_TABLES = 85
"""From this JPEG quality on noise has come through compression much as it was. Then it is better taken out by
itself: artifacts are the smaller part, and taking them out first smears the noise."""
WHITE = 0.8
"""So has noise of any quality that is still as strong between pixels as in means of 2×2, or nearly."""
BLOCKS = 75.0
"""Divided by the quality: as so much noise blocks and ringing appear to the estimate, below `FINE_TABLES`."""
HARDLY_SEEN = 1.875
"""Noise below this, at either scale, may as well be kept."""


@dataclass(frozen=True)
class CautiousDenoise(Denoise):
    """Undo noise that is surely there: neither fine texture nor what a strong compression has left."""

    def examine(self, photo: Photo) -> Need:
        """Ask for weights of the photo's noise, and leave it alone where there is hardly any."""
        need = self.examined(photo)
        if need.leave or "sigma" in need.details:
            return need
        return replace(need, leave="it is too small to measure its noise")

    def leave(self, estimate: NoiseEstimate, photo: Photo) -> str:
        """Return why a photo with this noise is best left as it is; empty where it is not."""
        quality = _quality(photo)
        blocks = BLOCKS / quality if quality < FINE_TABLES else 0.0
        beyond = replace(
            estimate, sigma=max(0.0, estimate.sigma - blocks), coarse=max(0.0, estimate.coarse - blocks)
        )
        if beyond.is_faint:
            return "it has no visible noise" if estimate.is_faint else "what looks like noise is compression"
        if beyond.strongest < HARDLY_SEEN:
            return "its noise is hardly seen"
        # Compression rounds noise away in some blocks and not in others: then it is no sign of texture.
        if quality >= FINE_TABLES and estimate.is_texture:
            return "what looks like noise differs from place to place: it is fine texture"
        return ""


@dataclass(frozen=True)
class CautiousDejpeg(Dejpeg):
    """Undo JPEG compression, unless the photo is of a good quality and noisy."""

    clean: ClassVar[int] = HARDLY_COMPRESSED

    def examine(self, photo: Photo) -> Need:
        """Ask for weights of the photo's quality, and leave it alone where it is clean already."""
        need = super().examine(photo)
        if need.leave or need.level is None:
            return need
        noise = CautiousDenoise().examine(photo)
        fine, coarse = (float(noise.details.get(name, 0)) for name in ("sigma", "sigma_coarse"))
        first = noise.leave or (need.level < FINE_TABLES and fine < WHITE * coarse)
        leave = "" if first else "its noise is taken out with what compression left"
        return replace(need, leave=leave, beside={"denoise": noise})


def _quality(photo: Photo) -> float:
    """Return the JPEG quality of the file's tables; 100 for other files."""
    return 100 if photo.quantisation is None else quality_from_tables(photo.quantisation).quality
