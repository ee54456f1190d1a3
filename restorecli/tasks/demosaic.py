"""Demosaic: camera RAW to a finished picture, and mosaics stored as pictures to colour.

The networks know white-balanced pictures with sRGB's curve. So RAW, which comes linear with black taken off,
is rid of faulty pixels, white-balanced, scaled so that white is 1 and given that curve before the network,
and made linear again behind it; `developing` does the rest. Networks that take noise out are told how
uncertain every sample is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from restorecli.errors import UnsupportedError
from restorecli.imaging import develop, xtrans
from restorecli.imaging.cfa import period
from restorecli.imaging.choices import check_choices, check_strength
from restorecli.imaging.colour import linear_to_srgb
from restorecli.imaging.hot_pixels import NO_FAULTS, Faults, find
from restorecli.imaging.mean_kept import mean_kept
from restorecli.imaging.raw_noise import MAP_UNIT, noise_map
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo, Raw, RawNoise
from restorecli.tasks import mosaic_noise
from restorecli.tasks.base import Job, Need
from restorecli.tasks.developing import Look, developed, remarks, undeveloped, without_curve
from restorecli.tasks.mosaics import Shown, picture_mosaic, show, takes_noise

UNBALANCED = develop.Balance(develop.NEUTRAL, "none")
# What a network was trained to see → which symmetries keep the phase (with sides of whole cells).
_SYMMETRIES = {
    "malvar-RGGB": ("identity", "transpose"),
    "zeros-GRBG": ("identity", "anti-transpose"),
    "cells-XTRANS": ("identity", "flip-x", "flip-y", "rotate-180"),
}
LEFT_IN = "noise was left in: the weights do not take it out of mosaics"


def mosaic_run(network: Network) -> Mapping[str, Any]:
    """Return the fields of `engine.settings.RunSettings` that keep a mosaic's phase for ``network``."""
    form = network.demosaic_input
    alignment = xtrans.CELL if form == "cells-XTRANS" else 2
    return {"alignment": alignment, "transforms": _SYMMETRIES[form]}


@dataclass(frozen=True)
class MosaicNeed(Need):
    """What a photo asks for.

    Attributes:
        balance: the white balance of RAW.
        noise: to be taken out, in the mosaic's own units; None for none.
        faults: faulty pixels to be replaced.
    """

    balance: develop.Balance = UNBALANCED
    noise: RawNoise | None = None
    faults: Faults = NO_FAULTS


@dataclass(frozen=True)
class MosaicJob(Job):
    """A photo on its way.

    Attributes:
        shown: what the network is run on; None where there is none.
        gains: the white balance of RAW.
        white: the balanced value that was made 1.
        linear: RAW that needs no network, balanced and scaled.
        mosaic: H×W, the balanced and scaled samples where noise is taken out of them.
        noise: of these samples; None where it is not known.
    """

    shown: Shown | None = None
    gains: develop.Gains = develop.NEUTRAL
    white: float = 1.0
    linear: FloatArray | None = None
    mosaic: FloatArray | None = None
    noise: RawNoise | None = None


@dataclass(frozen=True)
class Demosaic:
    """Make a picture of camera RAW, or of a mosaic stored as a picture. The defaults suit further tasks.

    Attributes:
        pattern: of a mosaic stored as a picture, one of `bayer.PATTERNS` or "XTRANS"; "auto" finds that of
            one with zeros. RAW says its own.
        white_balance: one of `develop.WHITE_BALANCES`.
        highlights: one of `develop.HIGHLIGHTS`.
        color_space: one of `develop.COLOUR_SPACES`.
        exposure: in stops.
        camera_rgb: leave RAW in the camera's linear RGB with the white balance divided out, neither cropped
            nor turned upright, for a linear DNG, which gives the white balance as the camera's;
            highlights, space and exposure are the next program's.
        denoise: how much of the noise is taken out: 0 for nothing, 1 for what there is; None for 1 of RAW and
            nothing of a mosaic stored as a picture, which does not tell its noise.
        sigma: take white noise of this strength for granted, in values of 0–255 of the finished picture.
        hot_pixels: replace faulty pixels of RAW.

    Raises:
        UsageError: an attribute is none of its choices.
    """

    pattern: str = "auto"
    white_balance: str = "camera"
    highlights: str = "clip"
    color_space: str = "srgb"
    exposure: float = 0.0
    camera_rgb: bool = False
    denoise: float | None = None
    sigma: float | None = None
    hot_pixels: bool = True

    def __post_init__(self) -> None:
        check_choices(self.pattern, self.white_balance, self.highlights, self.color_space, self.exposure)
        check_strength(self.denoise)

    @property
    def suffix(self) -> str:
        """What output names end in."""
        return "demosaic"

    def examine(self, photo: Photo) -> MosaicNeed:
        """Find the pattern, the white balance, the noise and faulty pixels.

        Raises:
            UnsupportedError: a picture that holds no mosaic, or does not say which.
        """
        if photo.raw is None:
            return self._examine_picture(photo)
        raw = photo.raw
        balance = develop.balance(photo.pixels, raw, self.white_balance)
        notes = [balance.note] if balance.note else []
        if not raw.pattern:
            notes.append("the file holds no mosaic: developed without a network")
        if not self.camera_rgb:
            notes += remarks(raw, balance, self._look)
        details: dict[str, str | float] = {
            "pattern": _name(raw.pattern),
            "white_balance": balance.source,
            "gains": " ".join(f"{gain:.4f}" for gain in balance.gains),
        }
        if not raw.pattern:
            return MosaicNeed(notes=tuple(notes), details=details, network=False, balance=balance)
        mosaic = photo.pixels[:, :, 0]
        noise = mosaic_noise.of_raw(mosaic, raw) if self._strength or self.hot_pixels else None
        faults = self._faults(mosaic, raw, noise)
        if self.hot_pixels:
            details["faulty_pixels"] = faults.count
        if faults.count:
            notes.append(f"{faults.count} hot or dead pixels replaced")
        noise = self._wanted(noise)
        if noise is not None:
            notes.append(f"noise {'' if noise.source == mosaic_noise.MEASURED else 'of '}{noise.source}")
        return MosaicNeed(
            notes=tuple(notes),
            details={**details, **self._noise_details(noise)},
            degradation="xtrans" if period(raw.pattern) == xtrans.PERIOD else "",
            balance=balance,
            noise=noise,
            faults=faults,
        )

    def prepare(self, photo: Photo, need: Need, network: Network) -> MosaicJob:
        """Give the network the mosaic with sRGB's curve, in the phase and the form it was trained on.

        Raises:
            WeightsError: the network was not made for mosaics.
            UnsupportedError: it was made for mosaics of another kind.
        """
        assert isinstance(need, MosaicNeed)
        told = need.noise is not None or self.sigma is not None
        if told and need.network and not takes_noise(network):
            photo = replace(photo, warnings=(*photo.warnings, LEFT_IN))
        if photo.raw is None:
            pattern, mosaic = picture_mosaic(photo, self.pattern)
            uncertain = self._uncertainty(mosaic, pattern, need.noise, curved=False)
            shown = show(mosaic, pattern, network, uncertain)
            return MosaicJob(photo, (shown.tensor,), shown=shown)
        raw, gains = photo.raw, need.balance.gains
        white = develop.white(gains, raw.saturation, self._look.highlights)
        red, green, blue = (gain / white for gain in gains)
        pixels = need.faults.replaced(photo.pixels) if need.faults.count else photo.pixels
        values = develop.balanced(pixels, raw.pattern, (red, green, blue))
        if self._look.highlights == "clip":
            np.minimum(values, 1, out=values)
        if not raw.pattern:
            return MosaicJob(photo, (), gains=gains, white=white, linear=values)
        noise = need.noise.multiplied((red, green, blue)) if need.noise is not None else None
        lift = raw.lift[:, :, 0] if raw.lift is not None else None
        uncertain = self._uncertainty(values[:, :, 0], raw.pattern, noise, lift)
        shown = show(linear_to_srgb(values[:, :, 0]), raw.pattern, network, uncertain)
        if not told or not takes_noise(network):
            return MosaicJob(photo, (shown.tensor,), (), shown, gains, white)
        samples = values[:, :, 0]
        return MosaicJob(
            photo, (shown.tensor,), ("denoise",), shown, gains, white, mosaic=samples, noise=noise
        )

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Develop RAW; for a mosaic stored as a picture, put the colours in its place."""
        assert isinstance(job, MosaicJob)
        photo = job.photo
        if job.linear is not None:
            colours = job.linear
        else:
            assert job.shown is not None
            colours = job.shown.colours(outputs[0], photo.height, photo.width)
            if photo.raw is None:
                least, most = min(0.0, float(photo.pixels.min())), max(1.0, float(photo.pixels.max()))
                return replace(photo, pixels=np.clip(colours, least, most), colourless=False)
            colours = without_curve(colours)
            if job.mosaic is not None:
                mean_kept(colours, job.mosaic, photo.raw.pattern, job.noise)
        raw = photo.raw
        assert raw is not None
        if self.camera_rgb:
            return undeveloped(photo, colours, job.gains, job.white, denoised="denoise" in job.covers)
        return developed(photo, raw, colours, self._look, job.gains, job.white)

    @property
    def _look(self) -> Look:
        return Look("blend" if self.camera_rgb else self.highlights, self.color_space, self.exposure)

    @property
    def _strength(self) -> float:
        """How much of the noise of RAW is taken out."""
        return 1.0 if self.denoise is None else self.denoise

    def _examine_picture(self, photo: Photo) -> MosaicNeed:
        if self.camera_rgb:
            raise UnsupportedError(
                "a mosaic stored as a picture has no camera data for a DNG", "choose --format tiff"
            )
        pattern, mosaic = picture_mosaic(photo, self.pattern)
        noise = self._wanted(mosaic_noise.measured(mosaic, pattern)) if self.denoise else None
        return MosaicNeed(
            details={"pattern": _name(pattern), **self._noise_details(noise)},
            degradation="xtrans" if period(pattern) == xtrans.PERIOD else "",
            noise=noise,
        )

    def _faults(self, mosaic: FloatArray, raw: Raw, noise: RawNoise | None) -> Faults:
        if not self.hot_pixels:
            return NO_FAULTS
        if noise is not None and raw.lift is not None:
            noise = noise.multiplied((float(raw.lift.max()),) * 3)
        return find(mosaic, raw.pattern, noise)

    def _wanted(self, noise: RawNoise | None) -> RawNoise | None:
        """Return the noise that is to be taken out of what there is."""
        if noise is None or not self._strength or self.sigma is not None:
            return None
        return noise.stronger(self._strength)

    def _uncertainty(
        self,
        mosaic: FloatArray,
        pattern: str,
        noise: RawNoise | None,
        lift: FloatArray | None = None,
        *,
        curved: bool = True,
    ) -> FloatArray | None:
        if self.sigma is not None:
            return np.full(mosaic.shape, self.sigma / 255 / MAP_UNIT, np.float32)
        return None if noise is None else noise_map(mosaic, pattern, noise, lift, curved=curved)

    def _noise_details(self, noise: RawNoise | None) -> dict[str, str | float]:
        if self.sigma is not None:
            return {"denoise": 1.0, "noise": "given", "noise_sigma": self.sigma}
        if noise is None:
            return {"denoise": 0.0}
        strength = 1.0 if self.denoise is None else self.denoise
        plain = noise.stronger(1 / strength)
        shot, read = (float(f"{values[1]:.4g}") for values in (plain.shot, plain.read))
        return {"denoise": strength, "noise": noise.source, "noise_shot": shot, "noise_read": read}


def _name(pattern: str) -> str:
    """Return what users call a pattern."""
    return "X-Trans" if pattern in xtrans.PATTERNS else pattern or "none"
