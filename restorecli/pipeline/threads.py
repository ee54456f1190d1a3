"""Many photos on this machine: decoding, restoring and encoding overlap.

Reader threads decode a few photos ahead, this thread takes them through the stages, writer threads encode
behind it. What waits between them is bounded by number and by bytes, so the device never waits for a decoder
and memory does not grow with the folder. A photo that fails is reported, and the run continues.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from threading import Event as Flag

from restorecli.engine.order import Cancelled
from restorecli.errors import RestoreError, TimedOutError
from restorecli.host import total_bytes
from restorecli.photo import Document
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline.gate import Gate
from restorecli.pipeline.needs import free_bytes
from restorecli.pipeline.photo import (
    Outcome,
    Restored,
    Setup,
    failure,
    read_photo,
    restore_photo,
    restore_together,
    settled,
    write_photo,
)
from restorecli.pipeline.tally import Tally
from restorecli.pipeline.together import in_groups
from restorecli.pipeline.workers import GLANCE, Job, Workers
from restorecli.report.events import FileDone, FileSkipped, FileStarted, Reporter
from restorecli.results import Source

WAITING_SHARE = 0.25  # of the memory that may be used, for results that wait to be written
READING_LIMIT = 600.0  # seconds after which a file is given up where the user sets no limit

Emit = Callable[[Outcome], None]


@dataclass(frozen=True)
class _Reading:
    """A photo that is being decoded; its number counts those that are."""

    number: int
    planned: PlannedPhoto
    job: Job[Source]


@dataclass(frozen=True)
class _Writing:
    """A result on its way to its file."""

    number: int
    planned: PlannedPhoto
    job: Job[FileDone | FileSkipped]
    nbytes: int
    left: float | None


def run(
    photos: Sequence[PlannedPhoto],
    setup: Setup,
    report: Reporter,
    cancelled: Flag,
    *,
    jobs: int = 2,
    writers: int | None = None,
    fail_fast: bool = False,
) -> Tally:
    """Restore ``photos`` and report what happens.

    Args:
        photos: what to do, names decided.
        setup: what they share; its watch also gets "wait for decoding" and "wait for encoding".
        report: gets every event, from this thread.
        cancelled: when set, the run stops at the next tile, finishes the files it is writing and says how
            far it got.
        jobs: reader threads.
        writers: writer threads; as many by default.
        fail_fast: stop at the first photo that fails.

    Returns:
        The counts; `Tally.interrupted` when it was cancelled.

    Raises:
        RestoreError: an error that is not one photo's own (a device that was lost).
    """
    began, tally, ended_early = time.monotonic(), Tally(), False

    def emit(event: Outcome) -> None:
        tally.add(event)
        report.event(event)

    writers = jobs if writers is None else writers
    line = _Line(setup, emit, cancelled, jobs, writers)
    try:
        for group in in_groups(line.decoding_ahead(photos), line.looked_at):
            if cancelled.is_set():
                raise Cancelled
            readings = [each for each in group if isinstance(each, _Reading)]
            for reading in readings:
                planned = reading.planned
                report.event(FileStarted(planned.name, planned.index, planned.of))
            if readings:
                line.restore(readings, report)
            for known in group:
                if not isinstance(known, _Reading):
                    emit(known)
            line.collect(may_wait=writers)
            if fail_fast and tally.failed:
                break
    except (KeyboardInterrupt, Cancelled):
        cancelled.set()
        tally.interrupted = True
    except RestoreError:
        ended_early = True
        raise
    finally:
        line.close()
        if ended_early:
            report.note(_left_undone(photos, tally))
        report.event(tally.summary(time.monotonic() - began))
        report.close()
    return tally


class _Line:
    """The photos of one run on their way from readers to writers."""

    def __init__(self, setup: Setup, emit: Emit, cancelled: Flag, jobs: int, writers: int) -> None:
        self._setup, self._emit, self._cancelled, self._jobs = setup, emit, cancelled, jobs
        self._readers, self._writers = Workers(jobs, "read"), Workers(writers, "write")
        self._gate = Gate(free_bytes)
        self._writings: deque[_Writing] = deque()

    def decoding_ahead(self, photos: Sequence[PlannedPhoto]) -> Iterator[_Reading | Outcome]:
        """Yield the photos in order, some being decoded ahead; those that are settled, as events."""
        ahead: deque[_Reading | Outcome] = deque()
        decoding = number = 0
        for planned in photos:
            known = settled(planned)
            if known is None:
                job = self._readers.submit(self._read, number, planned)
                ahead.append(_Reading(number, planned, job))
                number += 1
                decoding += 1
            else:
                ahead.append(known)
            while ahead and (decoding > self._jobs or not isinstance(ahead[0], _Reading)):
                decoding -= isinstance(ahead[0], _Reading)
                yield ahead.popleft()
        yield from ahead

    def looked_at(self, reading: _Reading | Outcome) -> Document | None:
        """What was decoded, where photos may be taken together; None also where one must not wait for it."""
        setup = self._setup
        if not (setup.together and isinstance(reading, _Reading)) or setup.file_timeout not in (None, inf):
            return None
        while not reading.job.wait(GLANCE):
            if self._gate.is_full or self._cancelled.is_set() or reading.job.takes_longer_than(READING_LIMIT):
                return None
        try:
            return reading.job.result().document
        except Exception:  # noqa: BLE001 - it is told where the photo's turn comes
            return None

    def _read(self, job: Job[Source], number: int, planned: PlannedPhoto) -> Source:
        def admit(needed: int, name: str) -> None:
            with job.waiting():
                self._gate.enter(number, needed, name)
            self._gate.passed(number)

        try:
            return read_photo(planned, self._setup, admit)
        finally:
            self._gate.passed(number)

    def restore(self, group: Sequence[_Reading], report: Reporter) -> None:
        """Take photos through the stages and hand them to writers; tell where that fails."""
        if len(group) == 1:
            self._restore_one(group[0], report)
        else:
            self._restore_together(group, report)

    def _restore_together(self, group: Sequence[_Reading], report: Reporter) -> None:
        left_over = {reading.number for reading in group}
        try:
            photos = [(reading.planned, self._decoded(reading)) for reading in group]
            for reading in group:
                reading.job.forget()
            ended = restore_together(photos, self._setup, report, self._cancelled)
            for reading, restored in zip(group, ended, strict=True):
                with _errors_reported(reading.planned, self._emit):
                    if isinstance(restored, Exception):
                        raise restored
                    self._write(reading, restored, None)
                    left_over.remove(reading.number)
        finally:
            for number in left_over:
                self._gate.leave(number)

    def _write(self, reading: _Reading, restored: Restored, left: float | None) -> None:
        job = self._writers.submit(self._written_by_thread, restored, reading.number)
        self._writings.append(_Writing(reading.number, reading.planned, job, restored.nbytes, left))

    def _written_by_thread(
        self, _job: Job[FileDone | FileSkipped], restored: Restored, number: int
    ) -> FileDone | FileSkipped:
        try:
            return write_photo(restored, self._setup)
        finally:  # at once: the main thread may be waiting for a photo that waits for this one's memory
            self._gate.leave(number)

    def _restore_one(self, reading: _Reading, report: Reporter) -> None:
        planned, number, setup = reading.planned, reading.number, self._setup
        handed_over = False
        try:
            with _errors_reported(planned, self._emit):
                source = self._decoded(reading)
                reading.job.forget()
                left = None if setup.file_timeout is None else setup.file_timeout - reading.job.seconds
                began = time.monotonic()
                restored = _within(left, setup, planned, source, report, self._cancelled)
                left = None if left is None else left - (time.monotonic() - began)
                self._write(reading, restored, left)
                handed_over = True
        finally:
            if not handed_over:
                self._gate.leave(number)

    def _decoded(self, reading: _Reading) -> Source:
        limit = self._setup.file_timeout
        if limit is None and not reading.planned.found.is_stdin:
            limit = READING_LIMIT
        try:
            with self._setup.watch.of("wait for decoding"):
                return reading.job.result(
                    limit, self._cancelled, _too_long(reading.planned, "reading", limit)
                )
        except TimedOutError:
            self._readers.replace_one()
            raise

    def collect(self, *, may_wait: int) -> None:
        """Tell of written files; wait while more results are held than may wait to be written."""
        limit = WAITING_SHARE * total_bytes()
        while self._writings:
            held = sum(writing.nbytes for writing in self._writings)
            full = len(self._writings) > may_wait or (len(self._writings) > 1 and held > limit)
            if not (full or self._writings[0].job.done):
                return
            writing = self._writings.popleft()
            with _errors_reported(writing.planned, self._emit):
                self._emit(self._written(writing))
            self._gate.leave(writing.number)

    def _written(self, writing: _Writing) -> FileDone | FileSkipped:
        what = _too_long(writing.planned, "writing", self._setup.file_timeout)
        try:
            with self._setup.watch.of("wait for encoding"):
                return writing.job.result(writing.left, None, what)
        except TimedOutError:
            self._writers.replace_one()
            raise

    def close(self) -> None:
        """Let go of what is being read, and finish what is being written."""
        self._gate.close()
        self._readers.close()
        self.collect(may_wait=0)
        self._writers.close()


class _Deadline(Flag):
    """Set when the run is cancelled, or when a photo's time is over."""

    def __init__(self, cancelled: Flag, left: float | None) -> None:
        super().__init__()
        self._cancelled = cancelled
        self._end = None if left is None else time.monotonic() + left

    def is_set(self) -> bool:
        """Whether work is to stop."""
        return self._cancelled.is_set() or (self._end is not None and time.monotonic() > self._end)


def _within(
    left: float | None,
    setup: Setup,
    planned: PlannedPhoto,
    source: Source,
    report: Reporter,
    cancelled: Flag,
) -> Restored:
    """Restore a photo in the seconds that are left to it.

    Raises:
        TimedOutError: they do not suffice.
    """
    try:
        return restore_photo(planned, source, setup, report, _Deadline(cancelled, left))
    except Cancelled:
        if cancelled.is_set():
            raise
        raise TimedOutError(*_too_long(planned, "restoring", setup.file_timeout)) from None


def _too_long(planned: PlannedPhoto, what: str, limit: float | None) -> tuple[str, str]:
    text = f"{planned.name}: given up, {what} it takes longer than {limit or READING_LIMIT:g} s in all"
    return text, "raise --file-timeout if it is only slow"


def _left_undone(photos: Sequence[PlannedPhoto], tally: Tally) -> str:
    """Say what an error that ended the run left undone; photos are reported in their order."""
    done = tally.done + tally.skipped + tally.failed
    return f"{len(photos) - done} of {len(photos)} photos were not restored, {photos[done].name} the first"


@contextmanager
def _errors_reported(planned: PlannedPhoto, emit: Emit) -> Iterator[None]:
    """Turn an error of one photo into its event; let through what concerns the whole run."""
    try:
        yield
    except Exception as error:
        event = failure(planned, error)
        if event is None:
            raise
        emit(event)
