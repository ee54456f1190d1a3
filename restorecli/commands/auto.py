"""``restore auto``: look at each photo and do what it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from restorecli.commands.base import CommandOptions
from restorecli.commands.declare import MODEL, option
from restorecli.commands.dejpeg import DejpegOptions
from restorecli.commands.denoise import DenoiseOptions
from restorecli.commands.options import SharedOptions
from restorecli.commands.upscale import MOST, UpscaleOptions
from restorecli.commands.values import between
from restorecli.errors import UsageError

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage

NOT_FOR_ALL = ("model", "variant", "weights")
"""Shared options that are about the network of one task: several tasks have no use for them."""


@dataclass(frozen=True)
class AutoOptions(CommandOptions):
    """Look at each photo and do what it needs.

    Camera RAW is developed and denoised, JPEG artifacts and noise are taken out where they are, and nothing
    else is touched.

    Example: restore auto photos/

    Example: restore auto photos/ --upscale 2 -o big/

    Example: restore auto photos/ --dry-run
    """

    command = "auto"
    not_shared = NOT_FOR_ALL
    says_each = True

    upscale: Annotated[
        str,
        option(
            "--upscale",
            help=f"Enlarge every photo at the end, above 1 and up to {MOST} times.",
            panel=MODEL,
            metavar="off|N",
        ),
    ] = "off"

    def __post_init__(self) -> None:
        if self.upscale != "off":
            self._enlarged(between(self.upscale, "--upscale", 0, 1000, "neither off nor a number"))

    def _enlarged(self, scale: float) -> UpscaleOptions:
        if not 1 < scale <= MOST:
            raise UsageError(
                f"--upscale {self.upscale} must be above 1 and at most {MOST}",
                "choose 2, 3 or 4, for example",
            )
        return UpscaleOptions(scale)

    @property
    def suffix(self) -> str:
        """What names of results end in."""
        return "-".join([self.command, *(step.suffix for step in self._steps[2:])])

    @property
    def _steps(self) -> list[CommandOptions]:
        """What a photo may need, in order: artifacts first, since a denoiser takes blocks for edges."""
        steps: list[CommandOptions] = [DejpegOptions(), DenoiseOptions()]
        return steps if self.upscale == "off" else [*steps, self._enlarged(float(self.upscale))]

    def check(self, shared: SharedOptions) -> None:
        """Refuse what is about the network of a single task.

        Raises:
            UsageError: naming the option.
        """
        for name in NOT_FOR_ALL:
            if getattr(shared, name) is not None:
                raise UsageError(
                    f"auto chooses the networks of several tasks, and --{name} is about one",
                    f"give it to a step: restore run 'dejpeg | denoise --{name} …' PHOTOS",
                )

    def requests(self, shared: SharedOptions) -> list[ModelRequest]:
        """Return the requests of all that a photo may need."""
        return [wanted for step in self._steps for wanted in step.requests(shared)]

    def stages(self, shared: SharedOptions, models: Models) -> list[Stage]:
        """Return what a photo may need; what it does need is decided on the photo as it was read."""
        from restorecli.tasks.base import Task
        from restorecli.tasks.cautious import CautiousDejpeg, CautiousDenoise

        cautious: dict[str, Task] = {"dejpeg": CautiousDejpeg(), "denoise": CautiousDenoise()}
        stages = [stage for step in self._steps for stage in step.stages(shared, models)]
        return [
            replace(stage, task=cautious[stage.request.task], judges_input=True)
            if stage.request.task in cautious
            else stage
            for stage in stages
        ]
