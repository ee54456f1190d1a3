"""``restore denoise``: take noise out of photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.options import MODEL, SharedOptions, option
from restorecli.commands.values import level, one_of
from restorecli.errors import UsageError

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

NOISES = ("gaussian", "real")
STRONGEST = 100.0


@dataclass(frozen=True)
class DenoiseOptions(CommandOptions):
    """Take noise out of photos.

    Example: restore denoise --sigma auto scans/ -o clean/

    Example: restore denoise --noise real phone/
    """

    command = "denoise"

    sigma: Annotated[
        str,
        option(
            "--sigma",
            help="Strength of the noise: its standard deviation for values of 0–255. auto: estimated per "
            "photo; a clean photo is left alone.",
            panel=MODEL,
            metavar="auto|N",
        ),
    ] = "auto"
    noise: Annotated[
        str,
        option(
            "--noise",
            help="gaussian: of one strength everywhere; real: as small cameras make it, whose strength the "
            "network finds itself.",
            panel=MODEL,
            metavar="gaussian|real",
        ),
    ] = "gaussian"

    def __post_init__(self) -> None:
        one_of(self.noise, "--noise", NOISES)
        if self.noise == "real" and self.sigma != "auto":
            raise UsageError("--sigma has no effect with --noise real", "leave one of them out")
        level(self.sigma, "--sigma", 0, STRONGEST)

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the one request, with the noise level as a map where the network takes it."""
        from restorecli.commands.requests import request

        sigma = level(self.sigma, "--sigma", 0, STRONGEST)
        maps = frozenset({"noise map"}) if self.noise == "gaussian" else frozenset()
        return [request("denoise", shared, degradation=self.noise, level=sigma, extra_inputs=maps)]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage."""
        from restorecli.stages import Stage
        from restorecli.tasks.denoise import Denoise
        from restorecli.tasks.same_size import SameSize

        (wanted,) = self.requests(shared)
        return [Stage(SameSize("denoise") if self.noise == "real" else Denoise(wanted.level), wanted)]
