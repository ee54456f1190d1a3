"""What happens in a run, as data; `console` and `jsonl` each show it their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class Event:
    """Base of all events; `fields` is what scripts see."""

    name: ClassVar[str]

    def __init_subclass__(cls, name: str) -> None:
        cls.name = name

    def fields(self) -> dict[str, Any]:
        """Return the event as a JSON object, its name first."""
        return {"event": self.name, **asdict(self)}


@dataclass(frozen=True)
class PlanMade(Event, name="plan"):
    """What is going to be done; ``tile`` is the side in input pixels, 0 for whole images."""

    files: int
    model: str
    variant: str
    weights: str
    device: str
    precision: str
    tile: int


@dataclass(frozen=True)
class FileDone(Event, name="file_done"):
    """A photo was restored; ``width`` and ``height`` are the output's.

    ``details`` holds what was found in the photo and chosen for it: "weights", "sigma", "quality", …
    """

    input: str
    output: str
    width: int
    height: int
    seconds: float
    tiles: int
    warnings: tuple[str, ...] = ()
    details: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class FileSkipped(Event, name="file_skipped"):
    """A photo was left alone, for a reason."""

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
    """How a run ended; megapixels are of the outputs."""

    done: int
    skipped: int
    failed: int
    seconds: float
    megapixels: float


class Reporter(Protocol):
    """Receives what happens in a run; called from one thread only."""

    def event(self, event: Event) -> None:
        """Report an event."""

    def tiles(self, name: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` tiles of the photo ``name`` are finished."""

    def note(self, text: str) -> None:
        """Show a message; the same text only once."""

    def close(self) -> None:
        """End all progress bars."""
