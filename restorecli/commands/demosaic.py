"""``restore demosaic``: from camera RAW, or a mosaic stored as a picture, to a finished picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, OUTPUT, option
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import between, one_of
from restorecli.errors import UsageError

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

SWITCH = ("on", "off")
DEVELOPED = {"--highlights": "clip", "--color-space": "srgb", "--exposure": 0.0}


@dataclass(frozen=True)
class DemosaicOptions(CommandOptions):
    """Make pictures of camera RAW files: 16-bit TIFF, or linear DNG with -f dng.

    Example: restore demosaic raws/ -o tiffs/

    Example: restore demosaic --white-balance daylight -f dng a.NEF
    """

    command = "demosaic"
    develops_raw = True

    pattern: Annotated[
        str,
        option(
            "--pattern",
            help="For mosaics stored as pictures: the colours of the top left 2×2 pixels, row by row. auto: "
            "as camera RAW says, and found in pictures that hold zeros for the colours a pixel lacks.",
            panel=MODEL,
            metavar="auto|RGGB|GRBG|GBRG|BGGR|XTRANS",
        ),
    ] = "auto"
    denoise: Annotated[
        str,
        option(
            "--denoise",
            help="Take noise out of the mosaic: auto: as much as the camera made; off; or a factor, 0.5 for "
            "half of it. Mosaics stored as pictures keep theirs unless a factor is given.",
            panel=MODEL,
            metavar="auto|off|STRENGTH",
        ),
    ] = "auto"
    hot_pixels: Annotated[
        str,
        option(
            "--hot-pixels",
            help="Find hot and dead pixels of camera RAW and replace them.",
            panel=MODEL,
            metavar="on|off",
        ),
    ] = "on"
    white_balance: Annotated[
        str,
        option(
            "--white-balance",
            help="camera: as shot; auto: gray world, the picture's mean is gray; daylight; none.",
            panel=OUTPUT,
            metavar="camera|auto|daylight|none",
        ),
    ] = "camera"
    color_space: Annotated[
        str,
        option(
            "--color-space",
            help="Of the result. linear: sRGB's primaries without a curve; camera: the camera's own, linear.",
            panel=OUTPUT,
            metavar="srgb|display-p3|prophoto|camera|linear",
        ),
    ] = "srgb"
    highlights: Annotated[
        str,
        option(
            "--highlights",
            help="clip: white from where the first channel clips; blend: keep what the other channels hold, "
            "in a darker picture.",
            panel=OUTPUT,
            metavar="clip|blend",
        ),
    ] = "clip"
    exposure: Annotated[
        float,
        option(
            "--exposure",
            help="Stops by which the result is brighter; negative: darker.",
            panel=OUTPUT,
            metavar="EV",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        if self.pattern != "auto":
            object.__setattr__(self, "pattern", self.pattern.upper())
        one_of(self.hot_pixels, "--hot-pixels", SWITCH)
        strength(self.denoise)

    def check(self, shared: SharedOptions) -> None:
        """Refuse what is none of the choices and, for DNG, what the program that opens it decides.

        Raises:
            UsageError: naming the options.
        """
        from restorecli.imaging.choices import check_choices, check_strength

        check_choices(self.pattern, self.white_balance, self.highlights, self.color_space, self.exposure)
        check_strength(strength(self.denoise))
        chosen = {
            "--highlights": self.highlights,
            "--color-space": self.color_space,
            "--exposure": self.exposure,
        }
        names = ", ".join(name for name, value in chosen.items() if value != DEVELOPED[name])
        if names and wants_dng(shared):
            raise UsageError(
                f"{names}: a DNG is developed by the program that opens it", "leave it out, or choose -f tiff"
            )

    def recorded(self, shared: SharedOptions) -> dict[str, str]:
        """Return the options, and whether a DNG is made."""
        exposure, dng = f"{self.exposure:g}", str(wants_dng(shared))
        return {**super().recorded(shared), "exposure": exposure, "dng": dng}

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the one request."""
        from restorecli.commands.requests import request

        return [request("demosaic", shared)]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage."""
        from restorecli.stages import Stage
        from restorecli.tasks.demosaic import Demosaic, mosaic_run

        task = Demosaic(
            self.pattern,
            self.white_balance,
            self.highlights,
            self.color_space,
            self.exposure,
            camera_rgb=wants_dng(shared),
            denoise=strength(self.denoise),
            hot_pixels=self.hot_pixels == "on",
        )
        return [Stage(task, wanted, run=mosaic_run) for wanted in self.requests(shared)]


def strength(denoise: str) -> float | None:
    """Return how much of the noise --denoise takes out; None for as much as suits the photo.

    Raises:
        UsageError: it is neither auto, off nor a positive number.
    """
    if denoise in ("auto", "off"):
        return None if denoise == "auto" else 0.0
    return between(denoise, "--denoise", 0, math.inf, "neither auto, off nor a number")


def wants_dng(shared: SharedOptions) -> bool:
    """Whether results are written as DNG: by --format, or by the name of the one result."""
    wanted = shared.format.lower().lstrip(".")
    return wanted == "dng" or (wanted == "keep" and Path(shared.output or "").suffix.lower() == ".dng")
