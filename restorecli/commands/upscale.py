"""``restore upscale``: enlarge photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, option
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import one_of
from restorecli.errors import UsageError

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

DEGRADATIONS = ("bicubic", "real")
STYLES = ("clean", "sharp")
SHARP = "real-sharp"
"""What the catalogue calls what weights undo that also sharpen; see `registry.ModelEntry.degradation`."""
MOST = 16


@dataclass(frozen=True)
class UpscaleOptions(CommandOptions):
    """Enlarge photos with a super-resolution network.

    Example: restore upscale -x4 --model nlsn photos/

    Example: restore upscale -x4 --style sharp web/

    Example: curl … | restore upscale -x2 - -o out.png
    """

    command = "upscale"

    scale: Annotated[
        float,
        option(
            "--scale",
            "-x",
            help=f"Above 1, up to {MOST}; 2, 3 and 4 need no resizing after the network.",
            panel=MODEL,
            metavar="N",
        ),
    ] = 4.0
    degradation: Annotated[
        str | None,
        option(
            "--degradation",
            help="What made the photos small. bicubic: careful shrinking, which keeps detail true; real: "
            "cameras, scanners, JPEG, blur. Default: bicubic where the model has both.",
            panel=MODEL,
            metavar="|".join(DEGRADATIONS),
        ),
    ] = None
    style: Annotated[
        str,
        option(
            "--style",
            help="clean: no detail that the photo does not show. sharp: stronger edges and texture, some of "
            "it guessed; for photos from cameras, scanners and the web (it means --degradation real).",
            panel=MODEL,
            metavar="|".join(STYLES),
        ),
    ] = STYLES[0]

    def __post_init__(self) -> None:
        if not 1 < self.scale <= MOST:
            raise UsageError(
                f"-x {self.scale:g} must be above 1 and at most {MOST}", "choose -x 2, 3 or 4, for example"
            )
        if self.degradation is not None:
            one_of(self.degradation, "--degradation", DEGRADATIONS)
        one_of(self.style, "--style", STYLES)
        if self.style == "sharp" and self.degradation == "bicubic":
            raise UsageError(
                "--style sharp is for photos from cameras, scanners and the web, not for careful shrinking",
                "leave out --degradation bicubic, or choose --style clean",
            )

    @property
    def undone(self) -> str | None:
        """What the weights must undo, as the catalogue calls it; None for the usual."""
        return SHARP if self.style == "sharp" else self.degradation

    @property
    def suffix(self) -> str:
        """What names of results end in."""
        return f"{self.command}-x{self.scale:g}"

    def recorded(self, shared: SharedOptions) -> dict[str, str]:
        """Return what is undone; the scale is part of the suffix, which is recorded too."""
        return {"degradation": self.undone or "usual"}

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return a request per network that the enlargement goes through."""
        from restorecli.commands.requests import request
        from restorecli.commands.upscale_steps import requests_for

        return requests_for(self.scale, request("upscale", shared, degradation=self.undone))

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return a stage per network that the enlargement goes through."""
        from restorecli.commands.upscale_stages import upscale_stages

        return upscale_stages(self.scale, self.requests(shared), models)
