"""What a run would do to a photo, decided as the run decides it, with networks on samples at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.pipeline.needs import growth
from restorecli.running import Running, alone, tried
from restorecli.stages import Networks, Stage, needs_of_input, request_for
from restorecli.tasks.base import Need, partly
from restorecli.tasks.demosaic import MosaicNeed
from restorecli.tasks.mosaics import takes_noise
from restorecli.trial import FEW, samples


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


def foresee(photo: Photo, stages: Sequence[Stage], networks: Networks | None) -> list[Step]:
    """Return what the stages would do, those that would leave the photo alone among them.

    Of camera RAW it is not known before it is developed what its picture needs beyond that: stages that judge
    are left out for it.

    Args:
        photo: as read.
        stages: of the run.
        networks: where the stages get theirs, which show on samples of the photo what they would change,
            where that decides; None to do without.

    Raises:
        PhotoError: the photo cannot be restored.
        RestoreError: a network is missing.
    """
    foreseen = needs_of_input(photo, stages)
    judged: list[tuple[Stage, Need]] = []
    for index, stage in enumerate(stages):
        judged_later = photo.raw is not None and getattr(stage.task, "judges", False)
        if not (stage.only_raw and photo.raw is None) and not judged_later:
            judged.append((stage, foreseen.get(index) or stage.task.examine(photo)))
    if networks is not None:
        judged = _shown(photo, judged, networks)
    steps: list[Step] = []
    grown = Fraction(1)
    for stage, need in judged:
        runs = len(need.shares) if need.network and not need.leave else 0
        steps.append(Step(stage, need, int(photo.height * photo.width * grown) * runs))
        grown *= growth([stage])
    return steps


def _shown(
    photo: Photo, judged: Sequence[tuple[Stage, Need]], networks: Networks
) -> list[tuple[Stage, Need]]:
    """Return the stages and what they need once networks have shown on samples what they take out.

    Each sees what the stages before it have made of the samples.
    """
    wanted = [not need.leave and need.weigh is not None for _, need in judged]
    if True not in wanted:
        return list(judged)
    last = len(wanted) - 1 - wanted[::-1].index(True)
    parts = samples(photo, FEW)
    shown: list[tuple[Stage, Need]] = []
    for stage, need in judged[: last + 1]:
        if need.network and not need.leave:
            running = Running(stage.task, networks.get(request_for(stage.request, need), stage.run))
            need, made = alone(tried(parts, need, running))
            if not need.leave:
                share = need.shares[0]
                parts = tuple(partly(*pair, share) for pair in zip(parts, made, strict=True))
        shown.append((stage, need))
    return [*shown, *judged[last + 1 :]]


def done_along(step: Step, networks: Networks) -> tuple[str, ...]:
    """Return the tasks that a step does beside its own: noise is taken out of mosaics by some networks."""
    need = step.need
    if not isinstance(need, MosaicNeed) or need.noise is None or not need.network:
        return ()
    network: Network = networks.get(request_for(step.stage.request, need), step.stage.run).network
    return ("denoise",) if takes_noise(network) else ()
