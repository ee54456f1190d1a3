"""What happens to one photo: read, taken through the stages, written, and what came of it as an event.

The three steps are functions of their own, so that an executor may run them in different threads; `process`
runs them one after the other. Nothing is kept between photos.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

import numpy as np

from restorecli.engine.run import RunResult
from restorecli.errors import OutOfMemoryError, PhotoError, RestoreError, TooLargeError, UnreadableError
from restorecli.photo import Photo
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.read import identify, read, read_stream
from restorecli.photos.stores import store
from restorecli.photos.stores.path import StorePath
from restorecli.pipeline.gate import Gate
from restorecli.pipeline.large import explained, large_bytes, open_large
from restorecli.pipeline.needs import Going, free_bytes, needed_bytes
from restorecli.pipeline.together import taken_together
from restorecli.report.events import FileDone, FileFailed, FileSkipped, Reporter
from restorecli.report.stopwatch import Stopwatch
from restorecli.report.streams import binary_output
from restorecli.results import Encoding, Result, Source, destination, rounding_for, write_result
from restorecli.running import Request
from restorecli.stages import Networks, Passed, Stage, on_its_way, pass_through

_NOTHING = np.zeros((0, 0, 3), np.float32)

Outcome = FileDone | FileSkipped | FileFailed
Admit = Callable[[int, str], None]


def alone(needed: int, name: str) -> None:
    """Refuse a photo for which the memory does not suffice though nothing else is held.

    Raises:
        TooLargeError: with what it takes and what there is.
    """
    Gate(free_bytes).enter(0, needed, name)


@dataclass(frozen=True)
class Setup:
    """What all photos of a run share.

    Attributes:
        stages: what every photo goes through.
        networks: where the stages get theirs.
        encoding: how to write.
        frames: what becomes of animations, see `photos.read.read`.
        stdin: where the photo called "-" is read from.
        stdout: where a photo without a target is written to.
        file_timeout: seconds that a photo may take, waiting for others not counted, infinity for any time;
            None where only reading is limited, by `threads.READING_LIMIT`.
        watch: adds up where the time goes: "decode", "restore" (of which "device" in the engine), "encode".
        together: small photos of one size may go through a network together, as suits a GPU.
    """

    stages: tuple[Stage, ...]
    networks: Networks
    encoding: Encoding = field(default_factory=Encoding)
    frames: str = ""
    stdin: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)
    stdout: BinaryIO = field(default_factory=binary_output)
    file_timeout: float | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)
    together: bool = False


def _is_held(photo: Photo) -> bool:
    """Whether a photo's pixels are in memory, not in its file or that of its result."""
    return photo.parts is None and (photo.rounded is None or photo.rounded.spooled is None)


@dataclass(frozen=True)
class Restored:
    """A photo that has gone through the stages and is to be written.

    Attributes:
        planned: its input and its target.
        result: what is to be written.
        began: when its restoration began, by `time.monotonic`.
    """

    planned: PlannedPhoto
    result: Result
    began: float

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels that are held until they are written."""
        photos = (passed.photo for passed in self.result.pages)
        return sum(photo.pixels.nbytes for photo in photos if _is_held(photo))


def process(planned: PlannedPhoto, setup: Setup, report: Reporter, cancelled: Flag) -> Outcome:
    """Read, restore and write a photo in this thread.

    Args:
        planned: what to do, names decided.
        setup: what it shares with other photos.
        report: gets the photo's progress; the event is returned, not reported.
        cancelled: when set, the photo is given up at the next tile.

    Returns:
        What came of it, whether done, skipped or failed.

    Raises:
        RestoreError: an error that is not this photo's own (a device that was lost).
        Cancelled: ``cancelled`` was set.
    """
    known = settled(planned)
    if known is not None:
        return known
    try:
        # Nothing here may hold what was read while its result is written.
        restored = restore_photo(planned, read_photo(planned, setup), setup, report, cancelled)
        return write_photo(restored, setup)
    except Exception as error:
        event = failure(planned, error)
        if event is None:
            raise
        return event


def settled(planned: PlannedPhoto) -> FileSkipped | FileFailed | None:
    """Return what is known of a photo from its plan alone; None where it is to be restored."""
    if planned.skip:
        return _skipped(planned, planned.skip)
    return None if planned.error is None else failure(planned, planned.error)


def read_photo(planned: PlannedPhoto, setup: Setup, admit: Admit = alone) -> Source:
    """Decode a photo's file, a pipe or standard input.

    Args:
        planned: what to read.
        setup: what it shares with other photos.
        admit: called with the bytes of memory the photo will take by its header; may wait for them,
            or refuse.

    Raises:
        PhotoError: see `photos.read.read`.
    """
    with _reading_errors(planned):
        name = "standard input" if planned.found.is_stdin else planned.name
        data = _streamed(planned, setup, name)
        path = planned.found.path
        source = path if data is None and isinstance(path, Path) else data or b""
        kind, extents, length = identify(source, name)
        streamed = not isinstance(planned.target, Path)
        going = Going(setup.stages, kind, planned.format, setup.encoding.depth, streamed)
        large, reason = open_large(planned, extents, length, going, name)
        if large is not None:
            admit(large_bytes(extents[0], setup.stages), name)
            return Source(large)
        try:
            admit(needed_bytes(extents, length, going), name)
            with setup.watch.of("decode"):
                return Source(read(source, name=name, frames=setup.frames), data)
        except TooLargeError as error:
            raise explained(error, reason) from error


def _streamed(planned: PlannedPhoto, setup: Setup, name: str) -> bytes | None:
    """Return the bytes of what is no file of this machine, or can be read once only; None for files."""
    if planned.found.is_stdin:
        return read_stream(setup.stdin, name)
    path = planned.found.path
    if isinstance(path, StorePath):
        return store.read(path)
    if not planned.found.is_stream:
        return None
    with path.open("rb") as stream:
        return read_stream(stream, name)


@contextmanager
def _reading_errors(planned: PlannedPhoto) -> Iterator[None]:
    """Name what a disk or a share says while a file is read: no fault of writing."""
    try:
        yield
    except OSError as error:
        raise UnreadableError(f"{planned.name}: cannot be read: {error.strerror or error}") from error


def restore_photo(
    planned: PlannedPhoto, source: Source, setup: Setup, report: Reporter, cancelled: Flag
) -> Restored:
    """Take every page through the stages.

    Raises:
        PhotoError, RestoreError, Cancelled: see `stages.pass_through`.
    """
    began = time.monotonic()
    pages = []
    for page in source.document.pages:
        try:
            with setup.watch.of("restore"):
                passed = pass_through(
                    page,
                    setup.stages,
                    setup.networks,
                    progress=lambda done, total: report.tiles(planned.name, done, total),
                    cancelled=cancelled,
                    rounding=rounding_for(page, planned, setup.encoding, source.document.fingerprint),
                )
        finally:
            if page.parts is not None:
                page.parts.close()
        setup.watch.add("device", passed.seconds)
        pages.append(passed)
    return Restored(planned, Result(_without_pixels(source, pages), tuple(pages)), began)


def restore_together(
    photos: Sequence[tuple[PlannedPhoto, Source]], setup: Setup, report: Reporter, cancelled: Flag
) -> list[Restored | Exception]:
    """Take photos of one page and the same size through the stages side by side.

    Returns:
        What is to be written of each, or the error that ended it.

    Raises:
        Cancelled: ``cancelled`` was set.
    """
    began = time.monotonic()

    def alone(index: int, request: Request) -> RunResult:
        name = photos[index][0].name
        return request.answered(lambda done, total: report.tiles(name, done, total), cancelled)

    with setup.watch.of("restore"):
        ways = [
            on_its_way(
                source.document.pages[0],
                setup.stages,
                setup.networks,
                rounding_for(source.document.pages[0], planned, setup.encoding),
            )
            for planned, source in photos
        ]
        ended = taken_together(ways, alone, cancelled)
    restored: list[Restored | Exception] = []
    for (planned, source), passed in zip(photos, ended, strict=True):
        if isinstance(passed, Exception):
            restored.append(passed)
            continue
        setup.watch.add("device", passed.seconds)
        result = Result(_without_pixels(source, [passed]), (passed,))
        restored.append(Restored(planned, result, began))
    return restored


def _without_pixels(source: Source, passed: Sequence[Passed]) -> Source:
    """Let go of the input's pixels where they were restored: they need not wait for the result's file."""
    pairs = zip(source.document.pages, passed, strict=True)
    pages = (page if page is one.photo else replace(page, pixels=_NOTHING, alpha=None) for page, one in pairs)
    return replace(source, document=replace(source.document, pages=tuple(pages)))


def write_photo(restored: Restored, setup: Setup) -> FileDone | FileSkipped:
    """Write a result and return what was written, or why nothing was.

    Raises:
        PhotoError: see `photos.write.write`.
    """
    planned, result, pages = restored.planned, restored.result, restored.result.pages
    if result.untouched and setup.encoding.unneeded == "skip" and planned.target is not None:
        return _skipped(planned, ", ".join(result.notes))
    place = destination(result, planned, setup.encoding)
    with setup.watch.of("encode"):
        info = write_result(result, place, planned, setup.encoding, setup.stdout)
    warnings = (*planned.warnings, *(text for passed in pages for text in passed.warnings), *info.warnings)
    return FileDone(
        planned.name,
        str(place.target or "-"),
        info.width,
        info.height,
        round(time.monotonic() - restored.began, 3),
        sum(passed.tiles for passed in pages),
        tuple(dict.fromkeys(warnings)),
        result.details,
        result.untouched,
        result.notes,
        planned.index,
        planned.of,
        info.line,
    )


def _skipped(planned: PlannedPhoto, reason: str) -> FileSkipped:
    return FileSkipped(planned.name, str(planned.target or "-"), reason)


def failure(planned: PlannedPhoto, error: Exception) -> FileFailed | None:
    """Return the event of a photo's error; None for an error that concerns the whole run."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError(f"{planned.name}: not enough memory", "try a smaller --tile")
    elif not isinstance(error, RestoreError):
        # A bug that one unusual file triggers must not end the run for the others; it is named as what it is.
        error = UnreadableError(f"{planned.name}: unexpected {type(error).__name__}: {error}")
    if not isinstance(error, PhotoError):
        return None
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return FileFailed(planned.name, error.code, message)
