"""What happens in a run, as data; `console` and `jsonl` each show it their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class Event:
    """Base of all events; `fields` is what scripts see."""

    name: ClassVar[str]

    def __init_subclass__(cls, name: str) -> None:
        cls.name = name

    def fields(self) -> dict[str, Any]:
        """Return the event as a JSON object, its name first, without what is unknown or not for scripts."""
        hidden = {entry.name for entry in fields(self) if entry.metadata.get("hidden")}
        shown = {
            name: value for name, value in asdict(self).items() if value is not None and name not in hidden
        }
        return {"event": self.name, **shown}


@dataclass(frozen=True)
class PlanMade(Event, name="plan"):
    """What is going to be done.

    Attributes:
        tile: the side in input pixels, 0 for whole images.
        warnings: how the weights are others than were asked for; None where they are not.
    """

    files: int
    model: str
    variant: str
    weights: str
    device: str
    precision: str
    tile: int
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class FileStarted(Event, name="file_started"):
    """It is a photo's turn; ``index`` is its number, from 1, among the ``of`` files of the plan."""

    input: str
    index: int | None = None
    of: int | None = None


@dataclass(frozen=True)
class FileDone(Event, name="file_done"):
    """A result was written.

    Attributes:
        input, output: paths, or "-".
        width, height: of the result.
        seconds: from the turn of the photo to the finished file.
        tiles: how many went through networks.
        warnings: what could not be kept or done as asked.
        details: what was found in the photo and chosen for it: "weights", "sigma", "quality", …
        left: nothing was to be done: the result is the picture as it was.
        notes: the details in words; not for scripts.
        index, of: see `FileStarted`.
        line: what is to be recorded of a result in a store, see `photos.write.WrittenInfo`; not for scripts.
    """

    input: str
    output: str
    width: int
    height: int
    seconds: float
    tiles: int
    warnings: tuple[str, ...] = ()
    details: Mapping[str, str | float] = field(default_factory=dict)
    left: bool = False
    notes: tuple[str, ...] = field(default=(), metadata={"hidden": True})
    index: int | None = None
    of: int | None = None
    line: Mapping[str, Any] | None = field(default=None, metadata={"hidden": True})


@dataclass(frozen=True)
class FileSkipped(Event, name="file_skipped"):
    """No result was written, for a reason."""

    input: str
    output: str
    reason: str


@dataclass(frozen=True)
class FileFailed(Event, name="file_failed"):
    """A photo could not be restored; ``code`` is one of the fixed codes of `errors`."""

    input: str
    code: str
    message: str


@dataclass(frozen=True)
class RunSummary(Event, name="summary"):
    """How a run ended: how many photos; ``left`` of those done were left as they were.

    Megapixels are of the outputs.
    """

    done: int
    skipped: int
    failed: int
    seconds: float
    megapixels: float
    left: int = 0


@dataclass(frozen=True)
class PageMade(Event, name="page"):
    """A page that shows photos beside their results was written; ``photos`` have pictures on it."""

    output: str
    photos: int
    bytes: int


@dataclass(frozen=True)
class RunError(Event, name="error"):
    """What ended the run: one of the codes of `errors`, what is wrong, and what to do (may be empty)."""

    code: str
    message: str
    hint: str


class Reporter(Protocol):
    """Receives what happens in a run; called from one thread only."""

    def event(self, event: Event) -> None:
        """Report an event."""

    def tiles(self, name: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` tiles of the photo ``name`` are finished."""

    def note(self, text: str) -> None:
        """Show a message; the same text only once."""

    def warn(self, text: str) -> None:
        """Say once what is not as it was asked for."""

    def close(self) -> None:
        """End all progress bars."""
