"""A network at work on one photo: on samples of it, once, or again on what it gave.

Functions here are generators: they ask for a run of a network and go on with its result, so that whoever
drives them may run several photos' networks together (`pipeline.together`), or each at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import Tensor

from restorecli import giants
from restorecli.engine.blend import Deliver
from restorecli.engine.cutting import Pixels
from restorecli.engine.prepare import Prepared
from restorecli.engine.run import RunResult
from restorecli.engine.run import run as run_engine
from restorecli.errors import UnsupportedError
from restorecli.loading import Loaded
from restorecli.photo import Photo
from restorecli.rows import MakeRounding, RowsOfResult, row_jobs, sides_of_result
from restorecli.tasks.base import Job, Need, Task, partly
from restorecli.tasks.estimate.taken_out import taken_out
from restorecli.trial import samples


@dataclass(frozen=True)
class Request:
    """A run of a network that a photo on its way waits for.

    Attributes:
        prepared: the network.
        image: see `engine.run.run`, as are the others.
        deliver: takes the rows; None where the result is to hold the output.
        peak: of the samples that rows are rounded to; None for rows in float32.
    """

    prepared: Prepared
    image: Tensor | Pixels
    deliver: Deliver | None = None
    peak: int | None = None
    done_rows: int = 0

    def answered(
        self,
        progress: Callable[[int, int], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> RunResult:
        """Run the network for this photo alone."""
        return run_engine(
            self.prepared,
            self.image,
            progress=progress,
            cancelled=cancelled,
            deliver=self.deliver,
            peak=self.peak,
            done_rows=self.done_rows,
        )


T = TypeVar("T")
Asking = Generator[Request, RunResult, T]
"""Work that asks for runs of networks and returns a T in the end."""


class Running:
    """A network at work on one photo; adds up what that took."""

    def __init__(self, task: Task, loaded: Loaded) -> None:
        self.task = task
        self.warnings = list(loaded.resolved.warnings)
        self.tiles, self.seconds = 0, 0.0
        self.covers: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._loaded = loaded

    def once(
        self, photo: Photo, need: Need, share: float = 1.0, rounding: MakeRounding | None = None
    ) -> Asking[Photo]:
        """Return ``photo`` with ``share`` of what the network changes, rounded where that can be done."""
        if photo.parts is not None:
            return (yield from self._by_parts(photo, need, share, rounding))
        job = self.task.prepare(photo, need, self._loaded.network)
        self.covers = job.covers
        if rounding is not None:
            rounded = yield from self._by_rows(photo, job, share, rounding)
            if rounded is not None:
                return rounded
        outputs = []
        for tensor in job.inputs:
            outputs.append((yield from self._run(Request(self._loaded.prepared, tensor))))
        return partly(photo, self.task.finish(job, outputs), share)

    def _run(self, request: Request) -> Asking[Tensor]:
        result = yield request
        self.tiles += result.tiles
        self.seconds += result.seconds
        self.warnings += result.warnings
        return result.output

    def _by_rows(self, photo: Photo, job: Job, share: float, make: MakeRounding) -> Asking[Photo | None]:
        """Do a job whose rows are rounded as they come; None where that cannot be."""
        network = self._loaded.network
        jobs = row_jobs(self.task, job)
        rounding = make(photo, *sides_of_result(job, network)) if jobs else None
        if rounding is None:
            return None
        first = RowsOfResult(self.task, jobs[0], share, rounding, network)
        yield from self._run(Request(self._loaded.prepared, jobs[0].inputs[0], first.take, first.peak))
        for one in jobs[1:]:
            rows = RowsOfResult(self.task, one, share, rounding, network, alpha=True)
            yield from self._run(Request(self._loaded.prepared, one.inputs[0], rows.take, rows.peak))
        return first.photo()

    def _by_parts(
        self, photo: Photo, need: Need, share: float, rounding: MakeRounding | None
    ) -> Asking[Photo]:
        """Do `once` for a photo that is not held."""
        network = self._loaded.network
        rows = giants.rows_of_result(self.task, photo, need, share, network, rounding)
        done = rows.done_rows
        if done:
            self.notes += (f"rows 1 to {done} had been made by a run that was stopped",)
        if done < photo.height * network.scale:
            image = giants.Seen(photo, self.task, need, network)
            take = giants.letting_go(photo, rows, network.scale)
            try:
                yield from self._run(Request(self._loaded.prepared, image, take, rows.peak, done))
            except BaseException:
                rows.give_up()
                raise
        return rows.photo()


def alone(
    steps: Asking[T],
    progress: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> T:
    """Do work that asks for runs of networks, each run for it alone; see `engine.run.run`."""
    try:
        request = next(steps)
        while True:
            request = steps.send(request.answered(progress, cancelled))
    except StopIteration as end:
        made: T = end.value
        return made


def weighed(photo: Photo, need: Need, running: Running, name: str = "") -> Asking[tuple[Need, Photo | None]]:
    """Let the network show on parts of ``photo`` what it takes out, and have the task weigh it.

    Returns:
        What the photo needs, with notes that begin with ``name`` if there is one; and the photo after the
        network, where it was small enough to be tried as a whole.
    """
    parts, warnings = samples(photo), list(running.warnings)
    need, made = yield from tried(parts, need, running, name)
    if parts[0] is photo:
        return need, made[0]
    running.tiles, running.warnings = 0, warnings  # of the result, not of the trial
    return need, None


def tried(
    parts: Sequence[Photo], need: Need, running: Running, name: str = ""
) -> Asking[tuple[Need, list[Photo]]]:
    """Put parts of a photo through the network; return what the photo needs then, and the parts after it."""
    made = []
    for part in parts:
        made.append((yield from running.once(part, need)))
    if need.weigh is None:
        return need, made
    found = need.weigh(taken_out(list(zip(parts, made, strict=True))))
    need = replace(
        need,
        leave=found.leave,
        notes=(*need.notes, *(f"{name}: {note}" if name else note for note in found.notes)),
        details={**need.details, **found.details},
        shares=tuple(found.share * share for share in need.shares),
        weigh=None,
    )
    return need, made


def restored(
    photo: Photo, need: Need, running: Running, first: Photo | None, rounding: MakeRounding | None
) -> Asking[Photo]:
    """Return ``photo`` after every run that it needs; ``first`` is what the first one gave, where known."""
    if photo.parts is not None and len(need.shares) > 1:
        raise UnsupportedError("a photo of this size goes through a network once only", giants.HELP)
    for number, share in enumerate(need.shares, 1):
        if number == 1 and first is not None:
            photo = partly(photo, first, share)
        else:
            photo = yield from running.once(
                photo, need, share, rounding if number == len(need.shares) else None
            )
    return photo
