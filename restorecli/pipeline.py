"""The story of the tool: photos are read, restored and written, the three overlapping.

Readers decode a few photos ahead, this thread takes them through the stages (`stages`), writers encode behind
it. What waits between them is bounded by number and by bytes, so the device never waits for a decoder and
memory does not grow with the folder. A photo that fails is reported and the next one goes on.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

import psutil

from restorecli.engine.run import Cancelled
from restorecli.errors import OutOfMemoryError, PhotoError, RestoreError, UnreadableError, WriteError
from restorecli.photos.naming import PlannedPhoto
from restorecli.photos.read import read
from restorecli.photos.write import WrittenInfo
from restorecli.report.events import FileDone, FileFailed, FileSkipped, Reporter, RunSummary
from restorecli.report.stopwatch import Stopwatch
from restorecli.results import Encoding, Result, Source, write_result
from restorecli.stages import Details, Networks, Stage, pass_through

WAITING_SHARE = 0.25  # of the machine's memory, for results that wait to be written


@dataclass(frozen=True)
class Run:
    """One run over planned photos.

    Attributes:
        photos: what to do, names decided.
        stages: what every photo goes through.
        networks: where the stages get theirs.
        encoding: how to write.
        jobs: reader threads, and as many writer threads.
        fail_fast: stop at the first photo that fails.
        stdin: where the photo called "-" is read from.
        stdout: where a photo without a target is written to.
        watch: told where the time goes: "decode" and "encode" in their threads; in this one "restore", of
            which "device" in the engine, and "wait for decoding" and "wait for encoding".
    """

    photos: tuple[PlannedPhoto, ...]
    stages: tuple[Stage, ...]
    networks: Networks
    encoding: Encoding = field(default_factory=Encoding)
    jobs: int = 2
    fail_fast: bool = False
    stdin: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)
    stdout: BinaryIO = field(default_factory=lambda: sys.stdout.buffer)
    watch: Stopwatch = field(default_factory=Stopwatch)


@dataclass
class Tally:
    """What has come of the photos so far."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    failed_codes: set[str] = field(default_factory=set)
    megapixels: float = 0.0
    interrupted: bool = False


@dataclass(frozen=True)
class _Writing:
    """A result on its way to its file."""

    photo: PlannedPhoto
    future: Future[tuple[WrittenInfo, float]]
    size: int
    began: float
    tiles: int
    warnings: tuple[str, ...]
    details: Details


def run(work: Run, report: Reporter, cancelled: Flag) -> Tally:
    """Restore every photo of ``work`` and report what happens.

    Args:
        work: photos, task, network, encoding.
        report: told of everything, from this thread.
        cancelled: when set, the run stops at the next tile, finishes the files it is writing and says how
            far it got.

    Returns:
        The counts; `Tally.interrupted` when it was cancelled.

    Raises:
        RestoreError: an error that is not one photo's own (a device that is gone).
    """
    began, tally = time.monotonic(), Tally()
    writings: deque[_Writing] = deque()
    readers = ThreadPoolExecutor(work.jobs, thread_name_prefix="read")
    writers = ThreadPoolExecutor(work.jobs, thread_name_prefix="write")
    try:
        for photo, document in _documents(work, readers, report, tally, cancelled):
            with _photo_errors(photo, report, tally):
                with work.watch.of("wait for decoding"):
                    source = document()
                writings.append(_restore(work, photo, source, writers, report, cancelled))
            _collect(writings, work, report, tally, all_of_them=False)
            if work.fail_fast and tally.failed:
                break
    except (KeyboardInterrupt, Cancelled):
        cancelled.set()
        tally.interrupted = True
    finally:
        readers.shutdown(wait=True, cancel_futures=True)
        _collect(writings, work, report, tally, all_of_them=True)
        writers.shutdown(wait=True)
        seconds = time.monotonic() - began
        report.event(
            RunSummary(tally.done, tally.skipped, tally.failed, round(seconds, 3), round(tally.megapixels, 3))
        )
        report.close()
    return tally


def _documents(
    work: Run, readers: ThreadPoolExecutor, report: Reporter, tally: Tally, cancelled: Flag
) -> Iterator[tuple[PlannedPhoto, Callable[[], Source]]]:
    """Yield the photos to restore in order, ``jobs`` of them being decoded ahead."""
    ahead: deque[tuple[PlannedPhoto, Future[Source]]] = deque()
    for photo in work.photos:
        if cancelled.is_set():
            raise Cancelled
        if photo.skip:
            tally.skipped += 1
            report.event(FileSkipped(_name(photo), str(photo.target or "-"), photo.skip))
        elif photo.error is not None:
            _fail(photo, photo.error, report, tally)
            if work.fail_fast:
                break
        else:
            ahead.append((photo, readers.submit(_read, photo, work)))
        if len(ahead) > work.jobs:
            first, future = ahead.popleft()
            yield first, future.result
    while ahead:
        first, future = ahead.popleft()
        yield first, future.result


def _read(photo: PlannedPhoto, work: Run) -> Source:
    with work.watch.of("decode"):
        if photo.found.is_stdin:
            data = work.stdin.read()
            return Source(read(data, name="standard input"), data)
        return Source(read(photo.found.path))


def _restore(
    work: Run,
    photo: PlannedPhoto,
    source: Source,
    writers: ThreadPoolExecutor,
    report: Reporter,
    cancelled: Flag,
) -> _Writing:
    """Take every page through the stages, say what was found, and hand the result to a writer."""
    began = time.monotonic()
    pages = []
    for number, page in enumerate(source.document.pages, 1):
        with work.watch.of("restore"):
            passed = pass_through(
                page,
                work.stages,
                work.networks,
                progress=lambda done, total: report.tiles(_name(photo), done, total),
                cancelled=cancelled,
            )
        work.watch.add("device", passed.seconds)
        pages.append(passed)
        if passed.notes:
            place = f" page {number}" if len(source.document.pages) > 1 else ""
            report.note(f"{_name(photo)}{place}: {', '.join(passed.notes)}")
    result = Result(source, tuple(pages))
    warnings = [*photo.warnings, *(text for passed in pages for text in passed.warnings)]
    return _Writing(
        photo=photo,
        future=writers.submit(_write, work, photo, result),
        size=sum(passed.photo.pixels.nbytes for passed in pages),
        began=began,
        tiles=sum(passed.tiles for passed in pages),
        warnings=tuple(warnings),
        details=result.details,
    )


def _write(work: Run, photo: PlannedPhoto, result: Result) -> tuple[WrittenInfo, float]:
    """Write a result; return what was written and when it was finished."""
    with work.watch.of("encode"):
        return write_result(result, photo, work.encoding, work.stdout), time.monotonic()


def _collect(
    writings: deque[_Writing], work: Run, report: Reporter, tally: Tally, *, all_of_them: bool
) -> None:
    """Report written files; wait while more results are held than may wait."""
    limit = WAITING_SHARE * psutil.virtual_memory().total
    while writings:
        waiting = sum(writing.size for writing in writings)
        full = len(writings) > work.jobs or (len(writings) > 1 and waiting > limit)
        if not (all_of_them or full or writings[0].future.done()):
            return
        writing = writings.popleft()
        with _photo_errors(writing.photo, report, tally):
            with work.watch.of("wait for encoding"):
                info, finished = writing.future.result()
            tally.done += 1
            tally.megapixels += info.width * info.height / 1e6
            report.event(
                FileDone(
                    _name(writing.photo),
                    str(writing.photo.target or "-"),
                    info.width,
                    info.height,
                    round(finished - writing.began, 3),
                    writing.tiles,
                    tuple(dict.fromkeys((*writing.warnings, *info.warnings))),
                    writing.details,
                )
            )


class _photo_errors:  # noqa: N801 - reads as a statement
    """Turn an error of one photo into an event; let what concerns the whole run through."""

    def __init__(self, photo: PlannedPhoto, report: Reporter, tally: Tally) -> None:
        self.photo, self.report, self.tally = photo, report, tally

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, MemoryError):
            error = OutOfMemoryError(f"{_name(self.photo)}: not enough memory", "try a smaller --tile")
        if isinstance(error, PhotoError):
            _fail(self.photo, error, self.report, self.tally)
            return True
        if isinstance(error, RestoreError) or not isinstance(error, Exception):
            return False
        # A fault of ours on one odd file must not cost the others; it is named as what it is.
        wrapped = (WriteError if isinstance(error, OSError) else UnreadableError)(
            f"{_name(self.photo)}: unexpected {type(error).__name__}: {error}"
        )
        _fail(self.photo, wrapped, self.report, self.tally)
        return True


def _fail(photo: PlannedPhoto, error: PhotoError, report: Reporter, tally: Tally) -> None:
    tally.failed += 1
    tally.failed_codes.add(error.code)
    message = error.message if not error.hint else f"{error.message} ({error.hint})"
    report.event(FileFailed(_name(photo), error.code, message))


def _name(photo: PlannedPhoto) -> str:
    return "-" if photo.found.is_stdin else str(Path(photo.found.path))
