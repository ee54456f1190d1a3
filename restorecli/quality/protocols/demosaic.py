"""Demosaicing: a Bayer or X-Trans mosaic, without noise or with a camera's; scores over RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restorecli.imaging import cfa, xtrans
from restorecli.imaging.choices import XTRANS
from restorecli.imaging.colour import linear_to_srgb
from restorecli.loading import Fixed
from restorecli.photo import FloatArray, Photo, Raw
from restorecli.quality import baselines, libraw
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.quality.raw_noise import at_iso, expose
from restorecli.tasks.base import Task
from restorecli.tasks.demosaic import Demosaic, mosaic_run
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.estimate.noise import noise_sigma

MOSAIC_ISOS = (800, 3200, 12800)
MEANS_STRENGTH = 2.0
"""Non-local means does best with this multiple of the noise that is found: of 0.5 to 4 on the sample photos,
at each of the three speeds. Total variation does best with 1."""


@dataclass(frozen=True)
class DemosaicProtocol(Protocol):
    """A mosaic without noise; scores over RGB, the whole image.

    Attributes:
        pattern: one of `bayer.PATTERNS`, or "XTRANS".
    """

    pattern: str = "RGGB"
    task: ClassVar[str] = "demosaic"

    @property
    def run(self) -> Fixed:
        """Keep the mosaic's phase."""
        return mosaic_run

    @property
    def name(self) -> str:
        """Short."""
        return f"demosaic-{self.pattern.lower()}"

    @property
    def title(self) -> str:
        """In a sentence."""
        return f"{self.sensor} mosaic without noise; PSNR (CPSNR) and SSIM over RGB, the whole image, 8 bit"

    @property
    def sensor(self) -> str:
        """The pattern as people call it."""
        return "X-Trans" if self.pattern == XTRANS else self.pattern

    @property
    def colours(self) -> str:
        """The pattern by its letters."""
        return xtrans.PATTERN if self.pattern == XTRANS else self.pattern

    def truth(self, image: Bytes) -> Bytes:
        """Gray becomes three equal channels."""
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Sample."""
        return as_float(cfa.sample(truth, self.colours))[:, :, None]

    def undo(self) -> Task:
        """Demosaic a mosaic stored as a picture."""
        return Demosaic(self.pattern)

    def methods(self) -> Sequence[Method]:
        """Bilinear, Malvar's filters, Menon for Bayer mosaics; LibRaw's for both."""
        pattern = self.colours
        own: Method = ("LibRaw", lambda mosaic: to_bytes(libraw.demosaiced(mosaic[:, :, 0], pattern)))
        if self.pattern == XTRANS:
            return [
                ("near samples", lambda mosaic: to_bytes(xtrans.interpolate(mosaic[:, :, 0], pattern))),
                own,
            ]
        methods: list[Method] = [
            ("bilinear", lambda mosaic: baselines.bilinear(mosaic[:, :, 0], pattern)),
            ("Malvar", lambda mosaic: baselines.malvar(mosaic[:, :, 0], pattern)),
        ]
        if baselines.has_menon():
            methods.append(("Menon", lambda mosaic: baselines.menon(mosaic[:, :, 0], pattern)))
        return [*methods, own]


@dataclass(frozen=True)
class NoisyDemosaicProtocol(DemosaicProtocol):
    """A mosaic in linear light with the noise of a usual camera; scores over RGB with sRGB's curve.

    Attributes:
        iso: the camera's speed, which tells how strong its noise is; see `raw_noise.at_iso`.
    """

    iso: float = 3200.0

    @property
    def name(self) -> str:
        """Short."""
        return f"{super().name}-iso{self.iso:g}"

    @property
    def title(self) -> str:
        """In a sentence."""
        return (
            f"{self.sensor} mosaic in linear light with shot and read noise as at ISO {self.iso:g}; "
            "PSNR and SSIM over RGB with sRGB's curve, the whole image, 8 bit"
        )

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Expose, and take the white balance off again, as a sensor counts."""
        exposure = at_iso(self.iso)
        rng = np.random.default_rng(seed)
        balanced = expose(as_float(truth), self.colours, exposure, rng)
        return self._times(balanced, [1 / gain for gain in exposure.gains])[:, :, None]

    def photo(self, degraded: FloatArray) -> Photo:
        """RAW that tells its white balance and its noise, as a DNG does."""
        exposure = at_iso(self.iso)
        raw = Raw(
            self.colours,
            {"camera": exposure.gains},
            None,
            orientation=1,
            crop=(0, 0, *degraded.shape[:2]),
            noise=exposure.sensor,
        )
        return Photo(degraded, format="raw", raw=raw)

    def undo(self) -> Task:
        """Demosaic and denoise at once."""
        return Demosaic()

    def two_steps(self) -> tuple[Task, Task]:
        """Demosaic the noise, then denoise."""
        return Demosaic(denoise=0.0), Denoise()

    def methods(self) -> Sequence[Method]:
        """LibRaw's demosaicing, and what scikit-image makes of it."""
        nlm, tv = baselines.non_local_means, baselines.total_variation
        methods: list[Method] = [
            ("LibRaw", lambda mosaic: to_bytes(self._libraw(mosaic))),
            ("LibRaw + non-local means", lambda mosaic: nlm(*self._with_sigma(mosaic, MEANS_STRENGTH))),
            ("LibRaw + total variation", lambda mosaic: tv(*self._with_sigma(mosaic))),
        ]
        if baselines.has_wavelets():
            wavelets = baselines.wavelets
            methods.append(("LibRaw + wavelets", lambda mosaic: wavelets(*self._with_sigma(mosaic))))
        return methods

    def _libraw(self, mosaic: FloatArray) -> FloatArray:
        gains = at_iso(self.iso).gains
        return linear_to_srgb(libraw.demosaiced(mosaic[:, :, 0], self.colours, gains))

    def _with_sigma(self, mosaic: FloatArray, times: float = 1.0) -> tuple[FloatArray, float]:
        """Return LibRaw's picture and a multiple of the noise found in it."""
        picture = self._libraw(mosaic)
        found = noise_sigma(picture)
        return picture, times * found.sigma if found else 0.0

    def _times(self, mosaic: FloatArray, factors: Sequence[float]) -> FloatArray:
        held = cfa.channels(mosaic.shape, self.colours)
        result: FloatArray = mosaic * np.array(factors, np.float32)[held]
        return result
