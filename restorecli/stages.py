"""One photo through the stages of a run: examined, given the network it needs, restored, passed on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from restorecli import giants
from restorecli.loading import Fixed, Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.rows import MakeRounding
from restorecli.running import Asking, Running, alone, restored, weighed
from restorecli.tasks.base import Need, Task

Details = Mapping[str, str | float]
LEFT = "left_as_it_is"
"""What details call the reason why nothing was to be done."""


@dataclass(frozen=True)
class Stage:
    """A task and the weights to do it with.

    Attributes:
        task: what to undo.
        request: which model; channels and level are filled in per photo.
        only_raw: only for camera RAW that is not developed yet (demosaicing before another task).
        run: fields of `engine.settings.RunSettings` that this stage fixes, or a function giving them.
        judges_input: the photo as it was read must need this too, not only what the stages before made of it;
            camera RAW is judged once it is developed.
    """

    task: Task
    request: ModelRequest
    only_raw: bool = False
    run: Fixed = field(default_factory=dict)
    judges_input: bool = False


class Networks(Protocol):
    """Where stages get their networks; `loading.Models` is one."""

    def get(self, request: ModelRequest, run: Fixed) -> Loaded:
        """Return the network for ``request``, ready."""


@dataclass(frozen=True)
class Passed:
    """A photo after the stages.

    Attributes:
        photo: the result; the very photo that was given where all stages left it alone.
        tiles: how many tiles it took.
        used: the weights it went through, in order.
        notes: what was found and chosen for it, for the user.
        details: the same for machines.
        warnings: what did not go as asked, beyond the photo's own warnings.
        seconds: spent in the engine.
        covered: tasks that were done along with others.
        did: the tasks that changed the photo, in order.
    """

    photo: Photo
    tiles: int = 0
    used: tuple[Resolved, ...] = ()
    notes: tuple[str, ...] = ()
    details: Details = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    covered: frozenset[str] = frozenset()
    did: tuple[str, ...] = ()


def pass_through(
    photo: Photo,
    stages: Sequence[Stage],
    networks: Networks,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
    rounding: MakeRounding | None = None,
) -> Passed:
    """Take ``photo`` through ``stages``.

    Args:
        photo: as read.
        stages: in order; each gets what the one before it made.
        networks: where the networks come from.
        progress: called with finished and all tiles, per run of a network.
        cancelled: when set, the run stops at the next tile.
        rounding: where given, the result of the last stage may be rounded row by row for its file, which
            takes a fraction of the memory.

    Raises:
        PhotoError: this photo cannot be restored.
        RestoreError: no photo can: weights or device are missing.
        Cancelled: ``cancelled`` was set.
    """
    return alone(on_its_way(photo, stages, networks, rounding), progress, cancelled)


def on_its_way(
    photo: Photo, stages: Sequence[Stage], networks: Networks, rounding: MakeRounding | None = None
) -> Asking[Passed]:
    """Take ``photo`` through ``stages`` as `pass_through` does; whoever drives it runs the networks."""
    passed = Passed(photo)
    foreseen = needs_of_input(photo, stages)
    for index, stage in enumerate(stages):
        wanted = not stage.only_raw or passed.photo.raw is not None
        if wanted and stage.request.task not in passed.covered:
            last = rounding if stage is stages[-1] else None
            need = foreseen.get(index)
            if need is None or not (need.leave or passed.photo is photo):
                need = giants.examined(stage.task, passed.photo)
            need = told(need, stage, stages)
            name = "" if len(tasks_of(stages)) == 1 else stage.request.task
            if need.leave:
                passed = _left(passed, need, name)
            else:
                passed = yield from _through(passed, stage, need, name, networks, last)
    return passed if len(tasks_of(stages)) == 1 else _concluded(passed)


def needs_of_input(photo: Photo, stages: Sequence[Stage]) -> dict[int, Need]:
    """Return what stages that judge the photo as it was read ask for, by index; nothing for camera RAW."""
    if photo.raw is not None:
        return {}
    needs: dict[int, Need] = {}
    beside: dict[str, Need] = {}
    for index, stage in enumerate(stages):
        if stage.judges_input:
            needs[index] = beside.get(stage.request.task) or giants.examined(stage.task, photo)
            beside |= needs[index].beside
    return needs


def tasks_of(stages: Sequence[Stage]) -> set[str]:
    """Return the tasks that every photo is given to."""
    return {stage.request.task for stage in stages if not stage.only_raw}


def told(need: Need, stage: Stage, stages: Sequence[Stage]) -> Need:
    """Return ``need`` with notes that say which stage they are of, where there are several."""
    if stage.only_raw:
        return replace(need, notes=("camera RAW, developed first", *need.notes))
    if len(tasks_of(stages)) < 2:
        return need
    name = stage.request.task
    said = tuple(f"{name}: {note}" for note in need.notes)
    return replace(need, notes=said or (() if need.leave else (name,)))


def _left(passed: Passed, need: Need, name: str) -> Passed:
    """Say why a stage left the photo alone; by ``name`` where it is one of several."""
    if name:
        note, key = f"no {name}: {need.leave}", f"no_{name}"
    else:
        note, key = f"left as it is: {need.leave}", LEFT
    details = {**passed.details, **need.details, key: need.leave}
    return replace(passed, notes=(*passed.notes, *need.notes, note), details=details)


def _concluded(passed: Passed) -> Passed:
    """Say which tasks changed the photo, or that none did."""
    details = dict(passed.details)
    if passed.did:
        details["done"] = ", ".join(dict.fromkeys(passed.did))
    else:
        details[LEFT] = "; ".join(str(text) for name, text in details.items() if name.startswith("no_"))
    return replace(passed, details=details)


def _through(
    passed: Passed,
    stage: Stage,
    need: Need,
    name: str,
    networks: Networks,
    rounding: MakeRounding | None,
) -> Asking[Passed]:
    did = (*passed.did, stage.request.task)
    if not need.network:
        made = stage.task.finish(stage.task.prepare(passed.photo, need, Network()), ())
        notes, details = (*passed.notes, *need.notes), {**passed.details, **need.details}
        return replace(passed, photo=made, notes=notes, details=details, did=did)
    loaded = networks.get(request_for(stage.request, need), stage.run)
    running = Running(stage.task, loaded)
    first = None
    if need.weigh is not None:
        need, first = yield from weighed(passed.photo, need, running, name)
        if need.leave:
            return _left(replace(passed, seconds=passed.seconds + running.seconds), need, name)
    photo = yield from restored(passed.photo, need, running, first, rounding)
    return Passed(
        photo=photo,
        tiles=passed.tiles + running.tiles,
        used=(*passed.used, loaded.resolved),
        notes=(*passed.notes, *need.notes, *_notes(need, loaded.resolved), *running.notes),
        details={**passed.details, **need.details, **_details(loaded.resolved)},
        warnings=(*passed.warnings, *running.warnings),
        seconds=passed.seconds + running.seconds,
        covered=passed.covered.union(running.covers),
        did=(*did, *running.covers),
    )


def request_for(request: ModelRequest, need: Need) -> ModelRequest:
    """Fill in what a photo needs; the level it has is stronger than none, not than what was asked for.

    A photo of an unusual kind gets the weights for it, whichever network was asked for; a file that was given
    is used all the same.
    """
    level = request.level if need.level is None else need.level
    request = replace(request, channels=need.channels, level=level)
    if not need.degradation or request.weights is not None:
        return request
    return replace(request, degradation=need.degradation, model=None, variant=None)


def _notes(need: Need, resolved: Resolved) -> tuple[str, ...]:
    """Say which weights were taken, where it is the photo that decided."""
    if need.level is None or resolved.level is None:
        return ()
    return (f"by {resolved.name}",)


def _details(resolved: Resolved) -> dict[str, str | float]:
    return {} if resolved.level is None else {"level": resolved.level}
