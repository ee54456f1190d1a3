"""Many photos on this machine: decoding, restoring and encoding overlap.

Reader threads decode a few photos ahead, this thread takes them through the stages, writer threads encode
behind it. What waits between them is bounded by number and by bytes, so the device never waits for a decoder
and memory does not grow with the folder. A photo that fails is reported, and the run continues.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event as Flag

import psutil

from restorecli.engine.run import Cancelled
from restorecli.errors import RestoreError
from restorecli.photos.naming import PlannedPhoto
from restorecli.pipeline.photo import (
    Outcome,
    Setup,
    failure,
    read_photo,
    restore_photo,
    settled,
    write_photo,
)
from restorecli.pipeline.tally import Tally
from restorecli.report.events import FileDone, FileSkipped, FileStarted, Reporter
from restorecli.results import Source

WAITING_SHARE = 0.25  # of the machine's memory, for results that wait to be written

Emit = Callable[[Outcome], None]


@dataclass(frozen=True)
class _Writing:
    """A result on its way to its file."""

    planned: PlannedPhoto
    event: Future[FileDone | FileSkipped]
    nbytes: int


def run(
    photos: Sequence[PlannedPhoto],
    setup: Setup,
    report: Reporter,
    cancelled: Flag,
    *,
    jobs: int = 2,
    fail_fast: bool = False,
) -> Tally:
    """Restore ``photos`` and report what happens.

    Args:
        photos: what to do, names decided.
        setup: what they share; its watch also gets "wait for decoding" and "wait for encoding".
        report: gets every event, from this thread.
        cancelled: when set, the run stops at the next tile, finishes the files it is writing and says how
            far it got.
        jobs: reader threads, and as many writer threads.
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

    writings: deque[_Writing] = deque()
    readers = ThreadPoolExecutor(jobs, thread_name_prefix="read")
    writers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
    try:
        for planned, decoding in _decoding_ahead(photos, setup, readers, jobs):
            if cancelled.is_set():
                raise Cancelled
            if isinstance(decoding, Future):
                report.event(FileStarted(planned.name, planned.index, planned.of))
                with _errors_reported(planned, emit):
                    with setup.watch.of("wait for decoding"):
                        source = decoding.result()
                    restored = restore_photo(planned, source, setup, report, cancelled)
                    written = writers.submit(write_photo, restored, setup)
                    writings.append(_Writing(planned, written, restored.nbytes))
            else:
                emit(decoding)
            _collect(writings, setup, emit, may_wait=jobs)
            if fail_fast and tally.failed:
                break
    except (KeyboardInterrupt, Cancelled):
        cancelled.set()
        tally.interrupted = True
    except RestoreError:
        ended_early = True
        raise
    finally:
        readers.shutdown(wait=True, cancel_futures=True)
        _collect(writings, setup, emit, may_wait=0)
        writers.shutdown(wait=True)
        if ended_early:
            report.note(_left_undone(photos, tally))
        report.event(tally.summary(time.monotonic() - began))
        report.close()
    return tally


def _decoding_ahead(
    photos: Sequence[PlannedPhoto], setup: Setup, readers: ThreadPoolExecutor, jobs: int
) -> Iterator[tuple[PlannedPhoto, Future[Source] | Outcome]]:
    """Yield the photos in order, ``jobs`` of them being decoded ahead; those that are settled, as events."""
    ahead: deque[tuple[PlannedPhoto, Future[Source] | Outcome]] = deque()
    decoding = 0
    for planned in photos:
        known = settled(planned)
        ahead.append((planned, known or readers.submit(read_photo, planned, setup)))
        decoding += known is None
        while ahead and (decoding > jobs or not isinstance(ahead[0][1], Future)):
            decoding -= isinstance(ahead[0][1], Future)
            yield ahead.popleft()
    yield from ahead


def _collect(writings: deque[_Writing], setup: Setup, emit: Emit, *, may_wait: int) -> None:
    """Report written files; wait while more results are held than may wait to be written."""
    limit = WAITING_SHARE * psutil.virtual_memory().total
    while writings:
        held = sum(writing.nbytes for writing in writings)
        full = len(writings) > may_wait or (len(writings) > 1 and held > limit)
        if not (full or writings[0].event.done()):
            return
        writing = writings.popleft()
        with _errors_reported(writing.planned, emit):
            with setup.watch.of("wait for encoding"):
                event = writing.event.result()
            emit(event)


def _left_undone(photos: Sequence[PlannedPhoto], tally: Tally) -> str:
    """Say what an error that ended the run left undone; photos are told of in their order."""
    told = tally.done + tally.skipped + tally.failed
    return f"{len(photos) - told} of {len(photos)} photos were not restored, {photos[told].name} the first"


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
