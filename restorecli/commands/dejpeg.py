"""``restore dejpeg``: take the artifacts of JPEG compression out of photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, option
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import level

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage


@dataclass(frozen=True)
class DejpegOptions(CommandOptions):
    """Take blocks and ringing of JPEG compression out of photos.

    Example: restore dejpeg photos/

    Example: find . -name '*.jpg' -print0 | restore dejpeg --files-from - -0 -o fixed/
    """

    command = "dejpeg"

    quality: Annotated[
        str,
        option(
            "--quality",
            help="The JPEG quality, 1 to 100, that the photo was saved with. auto: from the file's own "
            "tables, or from the blocks in its pixels; a clean photo is left alone.",
            panel=MODEL,
            metavar="auto|N",
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        level(self.quality, "--quality", 1, 100)

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the one request, with the quality as a map where the network takes it."""
        from restorecli.commands.requests import request

        quality = level(self.quality, "--quality", 1, 100)
        return [request("dejpeg", shared, level=quality, extra_inputs=frozenset({"quality map"}))]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return the one stage."""
        from restorecli.stages import Stage
        from restorecli.tasks.dejpeg import Dejpeg

        return [Stage(Dejpeg(wanted.level), wanted) for wanted in self.requests(shared)]
