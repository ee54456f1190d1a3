"""``restore denoise``: take noise out of photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, option
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import level, one_of
from restorecli.errors import UsageError

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

NOISES = ("auto", "gaussian", "real")
STRONGEST = 100.0
MOST_STRENGTH = 2.0
ALIGNED = {"alignment": 2}
"""Tiles begin at even pixels: Bayer mosaics and halved chroma repeat every two, and networks learn it."""


@dataclass(frozen=True)
class DenoiseOptions(CommandOptions):
    """Take noise out of photos.

    Example: restore denoise photos/

    Example: restore denoise --strength 0.7 scans/ -o clean/

    Example: restore denoise --model rnan --sigma 25 tests/
    """

    command = "denoise"

    strength: Annotated[
        float,
        option(
            "--strength",
            help="How much: 0 leaves photos as they are, 0.5 takes half of the noise out, 1 all of it; above,"
            " the result is gone over again, which takes twice as long.",
            panel=MODEL,
            metavar="0..2",
        ),
    ] = 1.0
    noise: Annotated[
        str,
        option(
            "--noise",
            help="gaussian: white noise, of one strength everywhere; real: as cameras make it. auto: what "
            "the weights are for; the default ones are for both.",
            panel=MODEL,
            metavar="auto|gaussian|real",
        ),
    ] = "auto"
    sigma: Annotated[
        str,
        option(
            "--sigma",
            help="For those who know: standard deviation of white noise for values of 0–255, for weights "
            "made for one. No photo is then left alone. auto: estimated per photo.",
            panel=MODEL,
            metavar="auto|N",
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        one_of(self.noise, "--noise", NOISES)
        if self.noise == "real" and self.sigma != "auto":
            raise UsageError("--sigma has no effect with --noise real", "leave one of them out")
        level(self.sigma, "--sigma", 0, STRONGEST)
        if not 0 <= self.strength <= MOST_STRENGTH:
            raise UsageError(f"--strength {self.strength:g} is not between 0 and {MOST_STRENGTH:g}")

    def recorded(self, shared: SharedOptions) -> dict[str, str]:
        """Return the options as earlier versions record the same work, whose results so stay accepted."""
        options = super().recorded(shared)
        if self.strength == 1:
            del options["strength"]
        if self.noise == "auto" and self.sigma != "auto":  # a sigma is that of Gaussian noise
            options["noise"] = "gaussian"
        return options

    def raw_noise(self, shared: SharedOptions) -> tuple[float | None, float | None]:
        """Take noise out of camera RAW's mosaic, unless this command's own network is asked for by name."""
        if self.noise == "real" or shared.model or shared.variant or shared.weights:
            return 0.0, None
        sigma = level(self.sigma, "--sigma", 0, STRONGEST)
        if sigma is not None:
            return None, sigma * self.strength
        return (None if self.strength == 1 else self.strength), None

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the one request, with the noise level as a map where the network takes it."""
        from restorecli.commands.requests import request

        kind = None if self.noise == "auto" else self.noise
        maps = frozenset({"noise map"}) if self.noise != "real" else frozenset()
        sigma = level(self.sigma, "--sigma", 0, STRONGEST)
        return [request("denoise", shared, degradation=kind, level=sigma, extra_inputs=maps)]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage; where the noise is "auto", the weights decide which one is looked for."""
        from restorecli.stages import Stage
        from restorecli.tasks.denoise import Denoise

        (wanted,) = self.requests(shared)
        noise = self.noise
        if noise == "auto":
            entry = models.resolve(wanted).entry
            noise = "real" if entry is None or entry.undoes("real") else "gaussian"
        return [Stage(Denoise(wanted.level, noise, self.strength), wanted, run=ALIGNED)]
