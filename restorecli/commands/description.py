"""A run as data: what is done to every photo and how, without the photos, the networks and the machine.

It can be stored and sent to another process, which builds the same stages from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from restorecli.commands.base import CommandOptions
from restorecli.commands.demosaic import wants_dng
from restorecli.commands.options import SharedOptions
from restorecli.errors import UsageError

if TYPE_CHECKING:  # torch is imported only once stages are built
    from restorecli.loading import Models
    from restorecli.stages import Stage

OF_A_STEP = frozenset({"model", "variant", "weights", "license_policy"})
"""The shared options that a step may have of its own."""


@dataclass(frozen=True)
class Step:
    """One command of a run.

    Attributes:
        own: its own options.
        shared: the shared options of this step alone, names of `OF_A_STEP`.
    """

    own: CommandOptions
    shared: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.shared.keys() - OF_A_STEP:
            raise UsageError(f"{self.own.command}: {name} applies to the whole run", "give it once")


@dataclass(frozen=True)
class RunDescription:
    """Everything that was asked for: steps that every photo goes through in order, and what they share.

    Raises:
        UsageError: there is no step, or options do not go together.
    """

    steps: tuple[Step, ...]
    shared: SharedOptions = field(default_factory=SharedOptions)

    def __post_init__(self) -> None:
        if not self.steps:
            raise UsageError("a run needs at least one step", "name a command")
        for step in self.steps:
            step.own.check(self.shared_by(step))
        if len(self.steps) > 1 and wants_dng(self.shared):
            raise UsageError(
                "a DNG holds what the sensor saw, and further steps need a finished picture",
                "choose -f tiff, or leave the other steps out",
            )

    @classmethod
    def of(cls, own: CommandOptions, shared: SharedOptions) -> RunDescription:
        """Return the run of a single command."""
        return cls((Step(own),), shared)

    @property
    def suffix(self) -> str:
        """What names of results end in."""
        return "-".join(step.own.suffix for step in self.steps)

    def shared_by(self, step: Step) -> SharedOptions:
        """Return the shared options as ``step`` has them."""
        return replace(self.shared, **step.shared)

    def recorded(self) -> dict[str, str]:
        """Return the commands' own options for the record; those of several steps by number and command."""
        if len(self.steps) == 1:
            (step,) = self.steps
            return step.own.recorded(self.shared_by(step))
        return {
            f"{number} {step.own.command} {name}": value
            for number, step in enumerate(self.steps, 1)
            for name, value in step.own.recorded(self.shared_by(step)).items()
        }

    def stages(self, models: Models) -> list[Stage]:
        """Return what every photo goes through; camera RAW is developed by the usual model first.

        Args:
            models: where the networks come from.

        Raises:
            RestoreError: a model has no weights for it, or a file given cannot be used.
        """
        stages = [stage for step in self.steps for stage in step.own.stages(self.shared_by(step), models)]
        if self.steps[0].own.develops_raw:
            return stages
        return [self._raw_stage(), *stages]

    def _raw_stage(self) -> Stage:
        denoising = (step for step in self.steps if step.own.command == "denoise")
        first = next(denoising, self.steps[0])
        return _raw_stage(self.shared, *first.own.raw_noise(self.shared_by(first)))


def _raw_stage(shared: SharedOptions, strength: float | None, sigma: float | None) -> Stage:
    from restorecli.models.choose import ModelRequest
    from restorecli.stages import Stage
    from restorecli.tasks.demosaic import Demosaic, mosaic_run

    wanted = ModelRequest("demosaic", license_policy=shared.license_policy)
    task = Demosaic(denoise=strength, sigma=sigma)
    return Stage(task, wanted, only_raw=True, run=mosaic_run)
