"""``restore upscale``: enlarge photos ×2, ×3 or ×4."""

from __future__ import annotations

from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

SCALES = (2, 3, 4)


@with_shared_options
def upscale(
    *,
    scale: Annotated[int, option("--scale", "-x", help="2, 3 or 4.", panel=MODEL, metavar="2|3|4")] = 4,
    options: SharedOptions,
) -> None:
    """Enlarge photos with a super-resolution network.

    Example: restore upscale -x4 --model nlsn photos/

    Example: curl … | restore upscale -x2 - -o out.png
    """
    if scale not in SCALES:
        raise UsageError(f"no network enlarges by {scale}", "choose -x 2, 3 or 4")
    from restorecli.cli.restoring import restore
    from restorecli.models.resolve import ModelRequest
    from restorecli.tasks.upscale import Upscale

    request = ModelRequest(
        task="upscale",
        model=options.model,
        variant=options.variant,
        scale=scale,
        weights=options.weights,
        license_policy=options.license_policy,
    )
    restore(request, lambda network: Upscale(scale, enlarge_first=network.scale == 1), options)
