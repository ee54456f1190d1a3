"""What a run would do to a photo, decided as the run decides it, without running a network on the photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.pipeline.needs import growth
from restorecli.stages import Networks, Stage, needs_of_input, request_for
from restorecli.tasks.base import Need
from restorecli.tasks.demosaic import MosaicNeed
from restorecli.tasks.mosaics import takes_noise


@dataclass(frozen=True)
class Step:
    """A stage and what it would do.

    Attributes:
        stage: of the run.
        need: what it asks for, or why it leaves the photo alone.
        pixels: that its network would be given, each run of it counted.
    """

    stage: Stage
    need: Need
    pixels: int

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.stage.request.task


def foresee(photo: Photo, stages: Sequence[Stage]) -> list[Step]:
    """Return what the stages would do, those that would leave the photo alone among them.

    Of camera RAW it is not known before it is developed what its picture needs beyond that: stages that judge
    are left out for it.

    Args:
        photo: as read.
        stages: of the run.

    Raises:
        PhotoError: the photo cannot be restored.
    """
    foreseen = needs_of_input(photo, stages)
    steps: list[Step] = []
    grown = Fraction(1)
    for index, stage in enumerate(stages):
        judged_later = photo.raw is not None and getattr(stage.task, "judges", False)
        if (stage.only_raw and photo.raw is None) or judged_later:
            continue
        need = foreseen.get(index) or stage.task.examine(photo)
        runs = len(need.shares) if need.network and not need.leave else 0
        steps.append(Step(stage, need, int(photo.height * photo.width * grown) * runs))
        grown *= growth([stage])
    return steps


def done_along(step: Step, networks: Networks) -> tuple[str, ...]:
    """Return the tasks that a step does beside its own: noise is taken out of mosaics by some networks."""
    need = step.need
    if not isinstance(need, MosaicNeed) or need.noise is None or not need.network:
        return ()
    network: Network = networks.get(request_for(step.stage.request, need), step.stage.run).network
    return ("denoise",) if takes_noise(network) else ()
