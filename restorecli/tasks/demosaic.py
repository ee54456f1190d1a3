"""Demosaic: camera RAW to a finished picture, and mosaics stored as pictures to colour.

The networks know white-balanced pictures with sRGB's curve. So RAW, which comes linear with black taken off,
is white-balanced, scaled so that white is 1 and given that curve before the network, and made linear again
behind it; `develop` does the rest. A mosaic in another phase than the network's is extended by one row or
column, never flipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from restorecli.errors import UnsupportedError, WeightsError
from restorecli.imaging import bayer, develop
from restorecli.imaging.choices import check_choices
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear
from restorecli.imaging.orientation import upright
from restorecli.imaging.resample import resize
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo, Raw
from restorecli.tasks.base import Job, Need, to_pixels, to_tensor

NO_MATRIX = "the camera's colours are not known: its red, green and blue were used as the output's"
UNBALANCED = develop.Balance(develop.NEUTRAL, "none")
# What a network was trained to see → which symmetries keep the phase (with even sides).
_SYMMETRIES = {
    "malvar-RGGB": ("identity", "transpose"),
    "zeros-GRBG": ("identity", "anti-transpose"),
}
MOSAIC_RUN: Mapping[str, Any] = {"alignment": 2, "transforms": ("identity",)}


def mosaic_run(network: Network) -> Mapping[str, Any]:
    """Return the fields of `engine.settings.RunSettings` that keep a mosaic's phase for ``network``."""
    return {**MOSAIC_RUN, "transforms": _SYMMETRIES[network.demosaic_input]}


@dataclass(frozen=True)
class MosaicNeed(Need):
    """What a photo asks for.

    Attributes:
        balance: the white balance of RAW.
    """

    balance: develop.Balance = UNBALANCED


@dataclass(frozen=True)
class MosaicJob(Job):
    """A photo on its way.

    Attributes:
        start: rows and columns that were put before the mosaic.
        gains: the white balance of RAW.
        white: the balanced value that was made 1.
        linear: RAW that needs no network, balanced and scaled.
    """

    start: tuple[int, int] = (0, 0)
    gains: develop.Gains = develop.NEUTRAL
    white: float = 1.0
    linear: FloatArray | None = None


@dataclass(frozen=True)
class Demosaic:
    """Make a picture of camera RAW, or of a mosaic stored as a picture. The defaults suit further tasks.

    Attributes:
        pattern: of a mosaic stored as a picture, one of `bayer.PATTERNS`; "auto" finds that of one with
            zeros. RAW says its own.
        white_balance: one of `develop.WHITE_BALANCES`.
        highlights: one of `develop.HIGHLIGHTS`.
        color_space: one of `develop.COLOUR_SPACES`.
        exposure: in stops.
        camera_rgb: leave RAW in the camera's linear RGB with the white balance divided out, neither cropped
            nor turned upright, for a linear DNG; white balance then only serves the interpolation, and
            highlights, space and exposure are the next program's.

    Raises:
        UsageError: an attribute is none of its choices.
    """

    pattern: str = "auto"
    white_balance: str = "camera"
    highlights: str = "clip"
    color_space: str = "srgb"
    exposure: float = 0.0
    camera_rgb: bool = False

    def __post_init__(self) -> None:
        check_choices(self.pattern, self.white_balance, self.highlights, self.color_space, self.exposure)

    @property
    def suffix(self) -> str:
        """What output names end in."""
        return "demosaic"

    def examine(self, photo: Photo) -> MosaicNeed:
        """Find the pattern and the white balance.

        Raises:
            UnsupportedError: a picture that holds no mosaic, or does not say which.
        """
        raw = photo.raw
        if raw is None:
            if self.camera_rgb:
                raise UnsupportedError(
                    "a mosaic stored as a picture has no camera data for a DNG", "choose --format tiff"
                )
            pattern, _ = picture_mosaic(photo, self.pattern)
            return MosaicNeed(details={"pattern": pattern})
        found = develop.balance(photo.pixels, raw, self.white_balance)
        notes = [found.note] if found.note else []
        if not raw.pattern:
            notes.append("the file holds no mosaic: developed without a network")
        if not self.camera_rgb:
            notes += self._said(raw, found)
        details = {
            "pattern": raw.pattern or "none",
            "white_balance": found.source,
            "gains": " ".join(f"{gain:.4f}" for gain in found.gains),
        }
        return MosaicNeed(notes=tuple(notes), details=details, network=bool(raw.pattern), balance=found)

    def prepare(self, photo: Photo, need: Need, network: Network) -> MosaicJob:
        """Give the network the mosaic with sRGB's curve, in the phase and the form it was trained on.

        Raises:
            WeightsError: the network was not made for mosaics.
        """
        if photo.raw is None:
            pattern, mosaic = picture_mosaic(photo, self.pattern)
            tensor, start = network_input(mosaic, pattern, network)
            return MosaicJob(photo, (tensor,), start)
        raw = photo.raw
        assert isinstance(need, MosaicNeed)
        gains = need.balance.gains
        white = develop.white(gains, raw.saturation, self._highlights)
        red, green, blue = (gain / white for gain in gains)
        values = develop.balanced(photo.pixels, raw.pattern, (red, green, blue))
        if self._highlights == "clip":
            np.minimum(values, 1, out=values)
        if not raw.pattern:
            return MosaicJob(photo, (), gains=gains, white=white, linear=values)
        tensor, start = network_input(linear_to_srgb(values[:, :, 0]), raw.pattern, network)
        return MosaicJob(photo, (tensor,), start, gains, white)

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Develop RAW; for a mosaic stored as a picture, put the colours in its place."""
        assert isinstance(job, MosaicJob)
        photo, (top, left) = job.photo, job.start
        inside = (slice(top, top + photo.height), slice(left, left + photo.width))
        if photo.raw is None:
            least, most = min(0.0, float(photo.pixels.min())), max(1.0, float(photo.pixels.max()))
            return replace(photo, pixels=np.clip(to_pixels(outputs[0])[inside], least, most))
        colours = job.linear if job.linear is not None else _linear(to_pixels(outputs[0])[inside])
        if self.camera_rgb:
            red, green, blue = (job.white / gain for gain in job.gains)
            colours = develop.balanced(colours, "", (red, green, blue))
            return replace(photo, pixels=colours, raw=replace(photo.raw, pattern=""))
        return self._developed(photo, photo.raw, colours, job)

    @property
    def _highlights(self) -> str:
        return "blend" if self.camera_rgb else self.highlights

    def _said(self, raw: Raw, balance: develop.Balance) -> list[str]:
        notes = []
        stops = np.log2(
            develop.white(balance.gains, raw.saturation, "blend")
            / develop.white(balance.gains, raw.saturation, "clip")
        )
        if self.highlights == "blend" and stops > 0.05:
            notes.append(f"{stops:.1f} stops darker, so that the highlights fit")
        if raw.pixel_aspect != 1:
            height, width = square(*raw.crop[2:], raw.pixel_aspect)
            notes.append(f"pixels are not square: resized to {width}×{height} before turning")
        return notes

    def _developed(self, photo: Photo, raw: Raw, colours: FloatArray, job: MosaicJob) -> Photo:
        top, left, height, width = raw.crop
        colours = np.ascontiguousarray(colours[top : top + height, left : left + width])
        clip = develop.white(job.gains, raw.saturation, "clip") / job.white
        for rows in develop.bands(colours.shape[0]):
            if self.highlights == "blend":
                colours[rows] = develop.blend(colours[rows], clip)
            else:
                np.minimum(colours[rows], 1, out=colours[rows])
        develop.render(colours, raw, self.color_space, self.exposure)
        profile, working = develop.profile(raw, self.color_space)
        unknown = develop.space_from_camera(raw.camera_from_xyz, "srgb") is None
        if raw.pixel_aspect != 1:
            colours = resize(colours, *square(height, width, raw.pixel_aspect))
        return replace(
            photo,
            pixels=np.ascontiguousarray(upright(colours, raw.orientation)),
            raw=None,
            metadata=replace(photo.metadata, profile=profile, working=working),
            warnings=(*photo.warnings, NO_MATRIX) if unknown else photo.warnings,
        )


def picture_mosaic(photo: Photo, pattern: str) -> tuple[str, FloatArray]:
    """Return the pattern and the H×W mosaic of an ordinary picture; its values are display values already.

    Args:
        photo: of one channel, of three equal ones, or of three where those a pixel does not hold are zero.
        pattern: one of `bayer.PATTERNS`, or "auto".

    Raises:
        UnsupportedError: it holds no such mosaic.
    """
    pixels = photo.pixels
    if min(pixels.shape[:2]) < 2:
        raise UnsupportedError("a picture of fewer than 2×2 pixels is no Bayer mosaic")
    found = bayer.recognise_zeros(pixels)
    if found is not None and pattern in ("auto", found):
        return found, bayer.sample(pixels, found)
    if found is not None:
        raise UnsupportedError(f"the mosaic is {found}, not {pattern}", f"leave out --pattern {pattern}")
    single = photo.is_gray or bool((pixels == pixels[:, :, :1]).all())
    if pattern != "auto" and single:
        return pattern, pixels[:, :, 0]
    if single:
        raise UnsupportedError(
            "a gray picture does not say whether it is a mosaic, and which",
            "if it is one, name the colours of its top left 2×2 pixels: --pattern RGGB",
        )
    raise UnsupportedError(
        "the picture has its colours already: neither camera RAW nor a mosaic",
        "a mosaic has one channel, or three where the colours that a pixel does not hold are zero",
    )


def network_input(mosaic: FloatArray, pattern: str, network: Network) -> tuple[Tensor, tuple[int, int]]:
    """Return what ``network`` takes of an H×W mosaic, and how many rows and columns were put before it.

    Sides are made even by reflection, so that symmetries which keep the phase exist.

    Returns:
        1×3×H'×W' float32 in the values of the mosaic.

    Raises:
        WeightsError: the network enlarges or takes no colour.
    """
    if (network.scale, network.in_channels, network.out_channels) != (1, 3, 3):
        raise WeightsError(
            "the weights do not take a mosaic of three channels and keep its size",
            "choose another --model or --weights",
        )
    form, wanted = network.demosaic_input.split("-")
    mosaic, start = bayer.to_phase(mosaic, pattern, wanted)
    mosaic = np.pad(mosaic, [(0, side % 2) for side in mosaic.shape], mode="reflect")
    colours = bayer.malvar(mosaic, wanted) if form == "malvar" else bayer.as_zeros(mosaic, wanted)
    return to_tensor(colours), start


def square(height: int, width: int, aspect: float) -> tuple[int, int]:
    """Return the sides that make pixels of width ÷ height ``aspect`` square, none of them smaller."""
    return (round(height / aspect), width) if aspect < 1 else (height, round(width * aspect))


def _linear(colours: FloatArray) -> FloatArray:
    """Return H×W×3 with sRGB's curve undone, in an array of its own."""
    result = np.empty(colours.shape, np.float32)
    for rows in develop.bands(colours.shape[0]):
        result[rows] = srgb_to_linear(colours[rows])
    return result
