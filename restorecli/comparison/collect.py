"""Follows a run, and makes its page: every photo that has a result is compared with it in a thread beside."""

from __future__ import annotations

import filecmp
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

from restorecli.comparison.entry import Told, make_entry
from restorecli.comparison.folders import Matched
from restorecli.comparison.page import Page, Written
from restorecli.comparison.recorded import Recorded
from restorecli.errors import PhotoError, WriteError
from restorecli.photos.inputs import STDIN
from restorecli.pipeline.workers import Job, Workers
from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, PlanMade, RunSummary

_WAITING = 2  # photos; more, and the run waits for the page
_UNTOLD = frozenset({"left_as_it_is"})


class Kept:
    """Standard input or output, with a copy of what passes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.data = bytearray()

    def read(self, size: int = -1) -> bytes:
        """Read, and keep it."""
        read = self._stream.read(size)
        self.data += read
        return read

    def write(self, data: bytes) -> int:
        """Write, and keep it."""
        self.data += data
        return self._stream.write(data)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()


class Collector:
    """Makes the page of a run from its events.

    Args:
        page: gets the photos.
        stdin: of the run; its data are the photo "-".
        stdout: of the run; its data are the result "-".
    """

    def __init__(self, page: Page, stdin: Kept | None = None, stdout: Kept | None = None) -> None:
        self._page, self._stdin, self._stdout = page, stdin, stdout
        self._worker = Workers(1, "compare")
        self._jobs: deque[Job[None]] = deque()
        self._recorded = Recorded()
        self._weights = ""
        self._lost: WriteError | None = None
        self._summary: RunSummary | None = None

    def event(self, event: Event) -> None:
        """Take what happened."""
        if isinstance(event, FileDone):
            told = Told(event.input, event.output, event.notes or _in_words(event.details), event.warnings)
            if event.left:
                self._page.name(told, ", ".join(event.notes), failed=False)
            else:
                self.compare(told)
        elif isinstance(event, FileSkipped):
            self._skipped(event)
        elif isinstance(event, FileFailed):
            self._page.name(
                Told(event.input, ""), event.message.removeprefix(f"{event.input}: "), failed=True
            )
        elif isinstance(event, PlanMade):
            self._weights = event.weights
        elif isinstance(event, RunSummary):
            self._summary = event

    def _skipped(self, event: FileSkipped) -> None:
        """An earlier run's result is shown; what has none is named."""
        result = Path(event.output)
        if self._recorded.source_of(result) == os.path.realpath(event.input):
            details = self._recorded.details_of(result)
            told = Told(event.input, event.output, ("done by an earlier run", *_in_words(details)))
            if "left_as_it_is" in details:
                self._page.name(told, f"left as it is: {details['left_as_it_is']}", failed=False)
            else:
                self.compare(told)
        else:
            told = Told(event.input, event.output)
            self._page.name(told, event.reason, failed="left as it is" not in event.reason)

    def compare(self, told: Told) -> None:
        """Have a photo compared with its result; waits while others are."""
        if self._lost:
            return
        while len(self._jobs) >= _WAITING:
            self._jobs.popleft().result()
        self._jobs.append(self._worker.submit(self._entry, told))

    def _entry(self, _job: Job[None], told: Told) -> None:
        try:
            before = self._source(told.input, self._stdin)
            after = self._source(told.result, self._stdout)
            self._page.add(make_entry(before, after, told, self._page.share))
        except WriteError as error:  # the run goes on: its results are what counts
            self._lost = self._lost or error
        except Exception as error:  # noqa: BLE001 - nor may one unusual file end it
            self._page.name(told, _why(error), failed=True)

    def _source(self, name: str, kept: Kept | None) -> Path | bytes:
        if name == STDIN and kept is not None:
            return bytes(kept.data)
        return Path(name)

    def finish(self) -> Written:
        """Wait for the photos that are being compared, and write the page.

        Raises:
            WriteError: it cannot be written.
        """
        try:
            while self._jobs:
                self._jobs.popleft().result()
            if self._lost:
                raise self._lost
            return self._page.write(self._told())
        finally:
            self._worker.close()
            self._page.close()

    def _told(self) -> str:
        words = [time.strftime("%d %B %Y").lstrip("0")]
        if self._weights:
            words.insert(0, self._weights)
        if self._summary is not None:
            done = self._summary.done - self._summary.left
            counts = [f"{done} restored", f"{self._summary.left} left as they were"]
            counts += [f"{self._summary.skipped} done before or skipped"] if self._summary.skipped else []
            counts += [f"{self._summary.failed} failed"] if self._summary.failed else []
            words.insert(0, ", ".join(counts))
        return " · ".join(words)


def _why(error: Exception) -> str:
    if isinstance(error, PhotoError):
        return error.message
    if isinstance(error, MemoryError):
        return "showing it takes too much memory"
    return f"cannot be shown: unexpected {type(error).__name__}: {error}"


def _in_words(details: Mapping[str, str | float]) -> tuple[str, ...]:
    """Return a record's details as notes."""
    return tuple(
        f"{name.replace('_', ' ')} {value}" for name, value in details.items() if name not in _UNTOLD
    )


def of_pairs(page: Page, matched: Matched, cancelled: Flag, say: Callable[[str], None]) -> Written:
    """Make the page of photos whose results are known.

    Args:
        page: gets the photos.
        matched: the photos and their results.
        cancelled: when set, the page is written with what there is.
        say: gets what is not shown, and why.

    Raises:
        WriteError: it cannot be written.
    """
    collector, recorded = Collector(page), Recorded()
    for before, after in matched.pairs:
        if cancelled.is_set():
            break
        told = Told(str(before), str(after), _in_words(recorded.details_of(after)))
        if _same_bytes(before, after):
            page.name(told, "the same file in both", failed=False)
        else:
            collector.compare(told)
    for path, why in matched.alone:
        page.name(Told(str(path), ""), why, failed=True)
    written = collector.finish()
    for small in page.failed:
        say(f"{small.name}: {small.reason}")
    return written


def _same_bytes(before: Path, after: Path) -> bool:
    try:
        return filecmp.cmp(before, after, shallow=False)
    except OSError:
        return False
