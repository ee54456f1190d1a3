"""What happens to one photo: read, taken through the stages, written, and what came of it as an event.

The three steps are functions of their own, so that an executor may run them in different threads; `process`
runs them one after the other. Nothing is kept between photos.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import BinaryIO

from restorecli.errors import OutOfMemoryError, PhotoError, RestoreError, UnreadableError, WriteError
from restorecli.photos.naming import PlannedPhoto
from restorecli.photos.read import read, read_stream
from restorecli.report.events import FileDone, FileFailed, FileSkipped, Reporter
from restorecli.report.stopwatch import Stopwatch
from restorecli.results import Encoding, Result, Source, destination, write_result
from restorecli.stages import Networks, Stage, pass_through

Outcome = FileDone | FileSkipped | FileFailed


@dataclass(frozen=True)
class Setup:
    """What all photos of a run share.

    Attributes:
        stages: what every photo goes through.
        networks: where the stages get theirs.
        encoding: how to write.
        stdin: where the photo called "-" is read from.
        stdout: where a photo without a target is written to.
        watch: adds up where the time goes: "decode", "restore" (of which "device" in the engine), "encode".
    """

    stages: tuple[Stage, ...]
    networks: Networks
    encoding: Encoding = field(default_factory=Encoding)
    stdin: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)
    stdout: BinaryIO = field(default_factory=lambda: sys.stdout.buffer)
    watch: Stopwatch = field(default_factory=Stopwatch)


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
        return sum(passed.photo.pixels.nbytes for passed in self.result.pages)


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
        source = read_photo(planned, setup)
        return write_photo(restore_photo(planned, source, setup, report, cancelled), setup)
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


def read_photo(planned: PlannedPhoto, setup: Setup) -> Source:
    """Decode a photo's file, or standard input.

    Raises:
        PhotoError: see `photos.read.read`.
    """
    with setup.watch.of("decode"):
        if planned.found.is_stdin:
            data = read_stream(setup.stdin, "standard input")
            return Source(read(data, name="standard input"), data)
        if planned.found.is_stream:
            try:
                with planned.found.path.open("rb") as stream:
                    data = read_stream(stream, planned.name)
            except OSError as error:
                raise UnreadableError(f"{planned.name}: cannot be opened: {error.strerror}") from error
            return Source(read(data, name=planned.name), data)
        return Source(read(planned.found.path))


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
        with setup.watch.of("restore"):
            passed = pass_through(
                page,
                setup.stages,
                setup.networks,
                progress=lambda done, total: report.tiles(planned.name, done, total),
                cancelled=cancelled,
            )
        setup.watch.add("device", passed.seconds)
        pages.append(passed)
    return Restored(planned, Result(source, tuple(pages)), began)


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
    )


def _skipped(planned: PlannedPhoto, reason: str) -> FileSkipped:
    return FileSkipped(planned.name, str(planned.target or "-"), reason, planned.index, planned.of)


def failure(planned: PlannedPhoto, error: Exception) -> FileFailed | None:
    """Return the event of a photo's error; None for an error that concerns the whole run."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError(f"{planned.name}: not enough memory", "try a smaller --tile")
    elif not isinstance(error, RestoreError):
        # A bug that one unusual file triggers must not end the run for the others; it is named as what it is.
        kind = WriteError if isinstance(error, OSError) else UnreadableError
        error = kind(f"{planned.name}: unexpected {type(error).__name__}: {error}")
    if not isinstance(error, PhotoError):
        return None
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return FileFailed(planned.name, error.code, message, planned.index, planned.of)
