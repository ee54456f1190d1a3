"""Hands chunks of photos to workers, and passes on what they tell: one loop, whoever works.

A worker that dies loses its chunk: what is left of it is tried again, three times, then photo by photo; a
photo of which a worker dies even then has failed. What other runs make at the same time is left to them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag
from typing import Protocol

from restorecli.cluster.chunks import Chunk, Claim, cut, names_of
from restorecli.cluster.claims import Claims
from restorecli.errors import RestoreError, WorkerLostError, WriteError
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.pipeline.photo import Outcome, failure, settled
from restorecli.pipeline.tally import Tally
from restorecli.report.events import (
    Event,
    FileDone,
    FileFailed,
    FileSkipped,
    FileStarted,
    Reporter,
)

TRIES = 3
"""How often what is left of a chunk is tried again as a whole."""
_PAUSE = 1.0  # seconds between looks at whether another run has made a result

Tell = Callable[[Chunk, Event], None]
IsDone = Callable[[PlannedPhoto], bool]


@dataclass(frozen=True)
class Ended:
    """A chunk that a worker has let go of.

    Attributes:
        chunk: it; what is left in it was not done.
        died: whether the worker died of it.
        error: what ended the worker's run, where that was no photo's own fault.
    """

    chunk: Chunk
    died: bool = False
    error: RestoreError | None = None


class Crew(Protocol):
    """Workers that take chunks."""

    @property
    def size(self) -> int:
        """How many workers there are."""

    def has_room(self) -> bool:
        """Whether one can take another chunk."""

    def hand_out(self, chunk: Chunk) -> None:
        """Give a chunk to one that has room."""

    def wait(self, tell: Tell) -> list[Ended]:
        """Pass on what has happened, and return the chunks that ended; soon, even if nothing has happened."""


def run(
    plan: Plan,
    crew: Crew,
    report: Reporter,
    cancelled: Flag,
    *,
    look: Callable[[], IsDone],
    fail_fast: bool = False,
) -> Tally:
    """Have the photos of a plan restored.

    Args:
        plan: what to do, names decided.
        crew: who does it.
        report: gets every event, from this thread.
        cancelled: when set, no chunk is handed out any more; those in flight are waited for.
        look: looks at the records as they are now, and returns what tells whether a photo's result is there
            and up to date.
        fail_fast: hand nothing out any more once a photo has failed.

    Returns:
        The counts.

    Raises:
        RestoreError: an error that is not one photo's own.
    """
    began = time.monotonic()
    claims = Claims(plan.seen)
    loop = _Loop(crew, claims, report, cancelled, look, fail_fast)
    try:
        loop.run(plan.photos)
    finally:
        loop.let_go()
        claims.close()
        report.event(loop.tally.summary(time.monotonic() - began))
        report.close()
    return loop.tally


class _Loop:
    """One run: what waits, what is in flight, and what has come of it."""

    def __init__(
        self,
        crew: Crew,
        claims: Claims,
        report: Reporter,
        cancelled: Flag,
        look: Callable[[], IsDone],
        fail_fast: bool,
    ) -> None:
        self.tally = Tally()
        self._crew, self._claims, self._report = crew, claims, report
        self._cancelled, self._look, self._fail_fast = cancelled, look, fail_fast
        self._waiting: deque[Chunk] = deque()
        self._elsewhere: list[PlannedPhoto] = []
        self._open: dict[int, Claim] = {}
        self._in_flight = 0
        self._error: RestoreError | None = None

    def run(self, photos: Sequence[PlannedPhoto]) -> None:
        """Go through all photos, then through those that other runs had begun."""
        todo = []
        for photo in photos:
            known = settled(photo)
            if known is None:
                todo.append(photo)
            else:
                self._emit(known)
        self._waiting.extend(cut(todo, self._crew.size))
        self._work()
        while self._elsewhere and not self._stops:
            left, self._elsewhere = self._elsewhere, []
            with suppress(OSError):  # then what others have made counts as being made, until the next round
                self._claims.catch_up()
            is_done = self._look()
            undone = []
            for photo in left:
                if is_done(photo):
                    self._emit(FileSkipped(photo.name, str(photo.target), "done by another run meanwhile"))
                else:
                    undone.append(photo)
            self._waiting.extend(cut(undone, self._crew.size))
            self._work()
            if self._elsewhere and not self._cancelled.wait(_PAUSE):
                self._report.note("waiting for another run, which makes some of the results")
        if self._error is not None:
            raise self._error
        self.tally.interrupted = self._cancelled.is_set()

    @property
    def _stops(self) -> bool:
        failed = self._fail_fast and self.tally.failed > 0
        return self._cancelled.is_set() or failed or self._error is not None

    def _work(self) -> None:
        while True:
            while self._waiting and not self._stops and self._crew.has_room():
                chunk = self._waiting.popleft()
                if chunk.claim is None:
                    self._claim(chunk)
                if chunk.photos:
                    self._crew.hand_out(chunk)
                    self._in_flight += 1
            if not self._in_flight:
                return
            for ended in self._crew.wait(self._tell):
                self._in_flight -= 1
                self._after(ended)

    def _claim(self, chunk: Chunk) -> None:
        """Claim a chunk's results, and leave out what other runs make."""
        target = chunk.photos[0].target
        assert target is not None  # standard output stays with one process
        names = [name for photo in chunk.photos for name in names_of(photo)]
        try:
            claim = self._claims.of(target.parent).take(names)
        except OSError as error:
            text = f"{target.parent}: cannot be written: {error.strerror or error}"
            for photo in chunk.photos:
                self._fail(photo, WriteError(text))
            chunk.photos.clear()
            return
        chunk.claim = self._open[id(claim)] = claim
        self._elsewhere += [photo for photo in chunk.photos if not claim.names.issuperset(names_of(photo))]
        chunk.photos = [photo for photo in chunk.photos if claim.names.issuperset(names_of(photo))]
        claim.left = {name for photo in chunk.photos for name in names_of(photo)}
        self._finish_if_made(claim)

    def _tell(self, chunk: Chunk, event: Event) -> None:
        if isinstance(event, FileStarted):
            self._report.event(event)
        elif isinstance(event, FileDone | FileSkipped | FileFailed):
            photo = chunk.take(event.input)
            if photo is not None:
                self._made(chunk.claim, photo, event)
                self._emit(event)

    def _made(self, claim: Claim | None, photo: PlannedPhoto, event: Outcome) -> None:
        if claim is None:
            return
        claim.left.difference_update(names_of(photo))
        if isinstance(event, FileDone) and event.line is not None:
            claim.lines.append(event.line)
        self._finish_if_made(claim)

    def _finish_if_made(self, claim: Claim) -> None:
        if not claim.left and self._open.pop(id(claim), None) is not None:
            self._finish(claim)

    def _finish(self, claim: Claim) -> None:
        try:
            self._claims.of(claim.folder).finish(claim)
        except OSError as error:
            text = f"{claim.folder}: what was made cannot be recorded: {error.strerror or error}"
            self._report.warn(text)

    def let_go(self) -> None:
        """Record what was made of chunks that were not finished."""
        for claim in self._open.values():
            self._finish(claim)
        self._open.clear()

    def _after(self, ended: Ended) -> None:
        chunk = ended.chunk
        if ended.error is not None:
            self._error = self._error or ended.error
        elif ended.died and chunk.photos:
            self._after_death(chunk)
        elif chunk.photos and not self._cancelled.is_set():  # its worker had not come to it
            self._waiting.appendleft(chunk)

    def _after_death(self, chunk: Chunk) -> None:
        if chunk.single:
            photo = chunk.photos.pop()
            text = f"{photo.name}: the process that restored it died, again when it had this photo alone"
            self._fail(photo, WorkerLostError(text, "look for its memory, and try it on one machine"), chunk)
        elif chunk.tries < TRIES:
            chunk.tries += 1
            self._waiting.appendleft(chunk)
        else:
            singles = [Chunk([photo], chunk.claim, single=True) for photo in chunk.photos]
            self._waiting.extendleft(reversed(singles))

    def _fail(self, photo: PlannedPhoto, error: RestoreError, chunk: Chunk | None = None) -> None:
        event = failure(photo, error)
        assert event is not None  # it is the photo's own
        if chunk is not None:
            self._made(chunk.claim, photo, event)
        self._emit(event)

    def _emit(self, event: Outcome) -> None:
        self.tally.add(event)
        self._report.event(event)
