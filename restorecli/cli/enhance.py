"""``restore enhance``: light for photos that are too dark, or a retoucher's tones."""

from __future__ import annotations

from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

STYLES = ("low-light", "retouch")


@with_shared_options
def enhance(
    *,
    style: Annotated[
        str,
        option(
            "--style",
            help="low-light: brighten photos taken in the dark; retouch: the tones of a professional "
            "retoucher.",
            panel=MODEL,
            metavar="low-light|retouch",
        ),
    ] = "low-light",
    options: SharedOptions,
) -> None:
    """Brighten dark photos, or retouch tones. The weights are large and are downloaded once.

    Example: restore enhance night/

    Example: restore enhance --style retouch photo.jpg
    """
    if style not in STYLES:
        raise UsageError(f"--style {style}", f"choose {' or '.join(STYLES)}")
    from restorecli.cli.requests import request
    from restorecli.cli.restoring import restore, with_raw
    from restorecli.stages import Stage
    from restorecli.tasks.same_size import SameSize

    stage = Stage(SameSize("enhance"), request("enhance", options, degradation=style))
    restore(lambda _: with_raw([stage], options), "enhance", {"style": style}, options)
