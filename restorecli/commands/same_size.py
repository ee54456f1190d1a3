"""``restore deblur``: take out blur of motion or of missed focus."""

from __future__ import annotations

from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

BLURS = ("motion", "realblur-j", "realblur-r", "defocus")


@with_shared_options
def deblur(
    *,
    blur: Annotated[
        str,
        option(
            "--blur",
            help="What blurred the photos. motion: camera or subject moved in daylight; realblur-j, "
            "realblur-r: camera shake in low light, in developed photos (j) or linear ones (r); defocus: "
            "missed focus.",
            panel=MODEL,
            metavar="motion|realblur-j|realblur-r|defocus",
        ),
    ] = "motion",
    options: SharedOptions,
) -> None:
    """Take blur out of photos. The weights are large and are downloaded once.

    Example: restore deblur photos/

    Example: restore deblur --blur defocus photo.jpg
    """
    if blur not in BLURS:
        raise UsageError(f"--blur {blur}", f"choose one of {', '.join(BLURS)}")
    from restorecli.cli.requests import request
    from restorecli.cli.restoring import restore, with_raw
    from restorecli.stages import Stage
    from restorecli.tasks.same_size import SameSize

    stage = Stage(SameSize("deblur"), request("deblur", options, degradation=blur))
    restore(lambda _: with_raw([stage], options), "deblur", {"blur": blur}, options)
