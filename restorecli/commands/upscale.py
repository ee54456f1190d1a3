"""``restore upscale``: enlarge photos."""

from __future__ import annotations

from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

DEGRADATIONS = ("bicubic", "real")
MOST = 16


@with_shared_options
def upscale(
    *,
    scale: Annotated[
        float,
        option(
            "--scale",
            "-x",
            help=f"Above 1, up to {MOST}; 2, 3 and 4 need no resizing beside the network.",
            panel=MODEL,
            metavar="N",
        ),
    ] = 4.0,
    degradation: Annotated[
        str | None,
        option(
            "--degradation",
            help="What made the photos small. bicubic: careful shrinking, which keeps detail true; real: "
            "cameras, scanners, JPEG, blur. Default: bicubic where the model has both.",
            panel=MODEL,
            metavar="bicubic|real",
        ),
    ] = None,
    options: SharedOptions,
) -> None:
    """Enlarge photos with a super-resolution network.

    Example: restore upscale -x4 --model nlsn photos/

    Example: curl … | restore upscale -x2 - -o out.png
    """
    if not 1 < scale <= MOST:
        raise UsageError(f"-x {scale:g} is not above 1 and up to {MOST}", "choose -x 2, 3 or 4, for example")
    if degradation not in (None, *DEGRADATIONS):
        raise UsageError(f"--degradation {degradation}", f"choose {' or '.join(DEGRADATIONS)}")
    from restorecli.cli.restoring import restore, with_raw
    from restorecli.cli.upscale_stages import upscale_stages

    restore(
        lambda models: with_raw(upscale_stages(scale, degradation, models, options), options),
        f"upscale-x{scale:g}",
        {"degradation": degradation or "usual"},
        options,
    )
