"""The story of the tool: photos are read, restored and written, the three overlapping.

Readers decode a few photos ahead, this thread runs the network, writers encode behind it. What waits between
them is bounded by number and by bytes, so the device never waits for a decoder and memory does not grow with
the folder. A photo that fails is reported and the next one goes on.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

import psutil

from restorecli.engine.prepare import Prepared
from restorecli.engine.run import Cancelled
from restorecli.engine.run import run as run_engine
from restorecli.errors import OutOfMemoryError, PhotoError, RestoreError, UnreadableError, WriteError
from restorecli.photo import Depth, Document
from restorecli.photos.naming import PlannedPhoto
from restorecli.photos.read import read
from restorecli.photos.records import Record
from restorecli.photos.write import WrittenInfo, write
from restorecli.report.events import FileDone, FileFailed, FileSkipped, Reporter, RunSummary
from restorecli.tasks.base import Task

WAITING_SHARE = 0.25  # of the machine's memory, for results that wait to be written


@dataclass(frozen=True)
class Encoding:
    """How results are written: see `photos.write.write`."""

    depth: Depth | None = None
    jpeg_quality: int = 95
    strip: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run over planned photos.

    Attributes:
        photos: what to do, names decided.
        task: what to undo.
        prepared: the network, ready on its devices.
        encoding: how to write.
        jobs: reader threads, and as many writer threads.
        fail_fast: stop at the first photo that fails.
        warnings: what is true of every result (a fallback to light weights).
        stdin: where the photo called "-" is read from.
        stdout: where a photo without a target is written to.
    """

    photos: tuple[PlannedPhoto, ...]
    task: Task
    prepared: Prepared
    encoding: Encoding = Encoding()
    jobs: int = 2
    fail_fast: bool = False
    warnings: tuple[str, ...] = ()
    stdin: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)
    stdout: BinaryIO = field(default_factory=lambda: sys.stdout.buffer)


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
                writings.append(_restore(work, photo, document(), writers, report, cancelled))
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
) -> Iterator[tuple[PlannedPhoto, Callable[[], Document]]]:
    """Yield the photos to restore in order, ``jobs`` of them being decoded ahead."""
    ahead: deque[tuple[PlannedPhoto, Future[Document]]] = deque()
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
            ahead.append((photo, readers.submit(_read, photo, work.stdin)))
        if len(ahead) > work.jobs:
            first, future = ahead.popleft()
            yield first, future.result
    while ahead:
        first, future = ahead.popleft()
        yield first, future.result


def _read(photo: PlannedPhoto, stdin: BinaryIO) -> Document:
    if photo.found.is_stdin:
        return read(stdin.read(), name="standard input")
    return read(photo.found.path)


def _restore(
    work: Run,
    photo: PlannedPhoto,
    document: Document,
    writers: ThreadPoolExecutor,
    report: Reporter,
    cancelled: Flag,
) -> _Writing:
    """Run the network over every page of ``document`` and hand the result to a writer."""
    began, tiles, pages = time.monotonic(), 0, []
    warnings: list[str] = [*work.warnings, *photo.warnings]
    for page in document.pages:
        job = work.task.prepare(page)
        outputs = []
        for tensor in job.inputs:
            result = run_engine(
                work.prepared,
                tensor,
                progress=lambda done, total: report.tiles(_name(photo), done, total),
                cancelled=cancelled,
            )
            outputs.append(result.output)
            tiles += result.tiles
            warnings += result.warnings
        pages.append(work.task.finish(job, outputs))
    restored = replace(document, pages=tuple(pages))
    future = writers.submit(_write, work, photo, restored)
    size = sum(page.pixels.nbytes for page in pages)
    return _Writing(photo, future, size, began, tiles, tuple(dict.fromkeys((*warnings, *restored.warnings))))


def _write(work: Run, photo: PlannedPhoto, document: Document) -> tuple[WrittenInfo, float]:
    """Write a result; return what was written and when it was finished."""
    encoding = work.encoding
    record = None
    if photo.target is not None:
        record = Record(photo.found.path, document.fingerprint, encoding.settings)
    info = write(
        document,
        photo.target if photo.target is not None else work.stdout,
        format=photo.format,
        depth=encoding.depth,
        jpeg_quality=encoding.jpeg_quality,
        strip=encoding.strip,
        provenance=encoding.provenance,
        record=record,
    )
    return info, time.monotonic()


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
