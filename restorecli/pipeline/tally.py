"""What has come of the photos of a run, counted from their events."""

from __future__ import annotations

from dataclasses import dataclass, field

from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, RunSummary


@dataclass
class Tally:
    """What has come of the photos so far.

    Attributes:
        done, skipped, failed: how many photos.
        left: how many of those done were left as they were.
        failed_codes: the codes of those that failed.
        megapixels: of the results.
        interrupted: whether the run was cancelled.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    left: int = 0
    failed_codes: set[str] = field(default_factory=set)
    megapixels: float = 0.0
    interrupted: bool = False

    def add(self, event: Event) -> None:
        """Count a photo's event; other events change nothing."""
        if isinstance(event, FileDone):
            self.done += 1
            self.left += event.left
            self.megapixels += event.width * event.height / 1e6
        elif isinstance(event, FileSkipped):
            self.skipped += 1
        elif isinstance(event, FileFailed):
            self.failed += 1
            self.failed_codes.add(event.code)

    def summary(self, seconds: float) -> RunSummary:
        """Return the event that ends a run of ``seconds``."""
        return RunSummary(
            self.done, self.skipped, self.failed, round(seconds, 3), round(self.megapixels, 3), self.left
        )
