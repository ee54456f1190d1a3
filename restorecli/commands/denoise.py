"""``restore denoise``: take noise out of photos."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from restorecli.cli.options import MODEL, SharedOptions, option, with_shared_options
from restorecli.errors import UsageError

NOISES = ("gaussian", "real")
STRONGEST = 100.0


@with_shared_options
def denoise(
    *,
    sigma: Annotated[
        str,
        option(
            "--sigma",
            help="Strength of the noise: its standard deviation for values of 0–255. auto: estimated per "
            "photo; a clean photo is left alone.",
            panel=MODEL,
            metavar="auto|N",
        ),
    ] = "auto",
    noise: Annotated[
        str,
        option(
            "--noise",
            help="gaussian: of one strength everywhere; real: as small cameras make it, whose strength the "
            "network finds itself.",
            panel=MODEL,
            metavar="gaussian|real",
        ),
    ] = "gaussian",
    options: SharedOptions,
) -> None:
    """Take noise out of photos.

    Example: restore denoise --sigma auto scans/ -o clean/

    Example: restore denoise --noise real phone/
    """
    if noise not in NOISES:
        raise UsageError(f"--noise {noise}", f"choose {' or '.join(NOISES)}")
    if noise == "real" and sigma != "auto":
        raise UsageError("--sigma says nothing to --noise real", "leave one of them out")
    from restorecli.cli.checked import level
    from restorecli.cli.requests import request
    from restorecli.cli.restoring import restore, with_raw
    from restorecli.stages import Stage
    from restorecli.tasks.denoise import Denoise
    from restorecli.tasks.same_size import SameSize

    wanted = request("denoise", options, degradation=noise, level=level(sigma, "--sigma", 0, STRONGEST))
    if noise == "real":
        stage = Stage(SameSize("denoise"), wanted)
    else:
        stage = Stage(Denoise(wanted.level), replace(wanted, extra_inputs=frozenset({"noise map"})))
    restore(lambda _: with_raw([stage], options), "denoise", {"sigma": sigma, "noise": noise}, options)
