"""Reporters of workers, whose runs are parts of another one."""

from __future__ import annotations

from collections.abc import Callable

from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, FileStarted, Reporter

OF_PHOTOS = (FileStarted, FileDone, FileSkipped, FileFailed)


class Telling:
    """A `Reporter` that passes on the events of photos, and nothing of the run.

    Args:
        tell: gets these events.
        whole: the reporter of the whole run, where it is in this process; shows tiles and notes.
    """

    def __init__(self, tell: Callable[[Event], None], whole: Reporter | None = None) -> None:
        self._tell = tell
        self._whole = whole

    def event(self, event: Event) -> None:
        """Pass on an event of a photo."""
        if isinstance(event, OF_PHOTOS):
            self._tell(event)

    def tiles(self, name: str, done: int, total: int) -> None:
        """Show the progress of a photo."""
        if self._whole is not None:
            self._whole.tiles(name, done, total)

    def note(self, text: str) -> None:
        """Show a message."""
        if self._whole is not None:
            self._whole.note(text)

    def warn(self, text: str) -> None:
        """Show what is not as it was asked for."""
        if self._whole is not None:
            self._whole.warn(text)

    def close(self) -> None:
        """The whole run goes on."""
