"""``restore dejpeg``: take the artifacts of JPEG compression out of photos."""

from __future__ import annotations

from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options


@with_shared_options
def dejpeg(
    *,
    quality: Annotated[
        str,
        option(
            "--quality",
            help="The JPEG quality, 1 to 100, that did the harm. auto: from the file's own tables, or from "
            "the blocks in its pixels; a clean photo is left alone.",
            panel=MODEL,
            metavar="auto|N",
        ),
    ] = "auto",
    options: SharedOptions,
) -> None:
    """Take blocks and ringing of JPEG compression out of photos.

    Example: restore dejpeg photos/

    Example: find . -name '*.jpg' -print0 | restore dejpeg --files-from - -0 -o fixed/
    """
    from restorecli.cli.checked import level
    from restorecli.cli.requests import request
    from restorecli.cli.restoring import restore, with_raw
    from restorecli.stages import Stage
    from restorecli.tasks.dejpeg import Dejpeg

    wanted = level(quality, "--quality", 1, 100)
    asked = request("dejpeg", options, level=wanted, extra_inputs=frozenset({"quality map"}))
    stage = Stage(Dejpeg(wanted), asked)
    restore(lambda _: with_raw([stage], options), "dejpeg", {"quality": quality}, options)
