"""``restore demosaic``: from camera RAW, or a mosaic stored as a picture, to a finished picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from restorecli.cli.options import MODEL, OUTPUT, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

DEVELOPED = {"--highlights": "clip", "--color-space": "srgb", "--exposure": 0.0}


@with_shared_options
def demosaic(
    *,
    pattern: Annotated[
        str,
        option(
            "--pattern",
            help="For mosaics stored as pictures: the colours of the top left 2×2 pixels, row by row. auto: "
            "as camera RAW says, and found in pictures that hold zeros for the colours a pixel lacks.",
            panel=MODEL,
            metavar="auto|RGGB|GRBG|GBRG|BGGR",
        ),
    ] = "auto",
    white_balance: Annotated[
        str,
        option(
            "--white-balance",
            help="camera: as shot; auto: the picture's mean is gray; daylight; none.",
            panel=OUTPUT,
            metavar="camera|auto|daylight|none",
        ),
    ] = "camera",
    color_space: Annotated[
        str,
        option(
            "--color-space",
            help="Of the result. linear: sRGB's primaries without a curve; camera: the camera's own, linear.",
            panel=OUTPUT,
            metavar="srgb|display-p3|prophoto|camera|linear",
        ),
    ] = "srgb",
    highlights: Annotated[
        str,
        option(
            "--highlights",
            help="clip: white from where the first colour clips; blend: keep what the others still hold, "
            "darker by what that takes.",
            panel=OUTPUT,
            metavar="clip|blend",
        ),
    ] = "clip",
    exposure: Annotated[
        float,
        option(
            "--exposure",
            help="Stops by which the result is brighter; negative: darker.",
            panel=OUTPUT,
            metavar="EV",
        ),
    ] = 0.0,
    options: SharedOptions,
) -> None:
    """Make pictures of camera RAW files: 16-bit TIFF, or linear DNG with -f dng.

    Example: restore demosaic raws/ -o tiffs/

    Example: restore demosaic --white-balance daylight -f dng a.NEF
    """
    chosen = {"--highlights": highlights, "--color-space": color_space, "--exposure": exposure}
    dng = wants_dng(options)
    if dng and chosen != DEVELOPED:
        names = ", ".join(name for name, value in chosen.items() if value != DEVELOPED[name])
        raise UsageError(
            f"{names}: a DNG is developed by the program that opens it", "leave it out, or choose -f tiff"
        )
    from restorecli.cli.requests import request
    from restorecli.cli.restoring import restore
    from restorecli.stages import Stage
    from restorecli.tasks.demosaic import Demosaic, mosaic_run

    pattern = pattern if pattern == "auto" else pattern.upper()
    task = Demosaic(pattern, white_balance, highlights, color_space, exposure, camera_rgb=dng)
    own = {
        "pattern": pattern,
        "white_balance": white_balance,
        "color_space": color_space,
        "highlights": highlights,
        "exposure": f"{exposure:g}",
        "dng": str(dng),
    }
    stage = Stage(task, request("demosaic", options), run=mosaic_run)
    restore(lambda _: [stage], task.suffix, own, options)


def wants_dng(options: SharedOptions) -> bool:
    """Whether results are written as DNG: by --format, or by the name of the one result."""
    wanted = options.format.lower().lstrip(".")
    return wanted == "dng" or (wanted == "keep" and Path(options.output or "").suffix.lower() == ".dng")
