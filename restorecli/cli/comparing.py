"""The page of a run, made while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from restorecli.commands.description import RunDescription
from restorecli.comparison.collect import Collector, Kept
from restorecli.comparison.page import Page
from restorecli.photos.planned import PlannedPhoto
from restorecli.report.events import Event, PageMade, PlanMade, Reporter
from restorecli.report.streams import binary_output


class Followed:
    """A `Reporter` that has a collector hear every event too."""

    def __init__(self, report: Reporter, collector: Collector) -> None:
        self._report, self._collector = report, collector
        self.tiles, self.note, self.warn, self.close = report.tiles, report.note, report.warn, report.close

    def event(self, event: Event) -> None:
        """Report an event."""
        self._report.event(event)
        self._collector.event(event)


@contextmanager
def comparing(
    description: RunDescription, photos: Sequence[PlannedPhoto], planned: PlanMade, report: Reporter
) -> Iterator[tuple[Reporter, dict[str, Any]]]:
    """Give the reporter of a run that makes its page, if one is wanted, and further fields of its `Setup`.

    The page is written when the run is over, or was interrupted: then it shows what is done.

    Raises:
        WriteError: the page cannot be written.
    """
    target = description.shared.compare
    if target is None:
        yield report, {}
        return
    page = Page(target, len(photos), f"restore {description.suffix}: photos and results")
    streams: dict[str, Kept] = {}
    if any(photo.found.is_stdin for photo in photos):
        streams["stdin"] = Kept(sys.stdin.buffer)
    if any(photo.target is None and photo.error is None for photo in photos):
        streams["stdout"] = Kept(binary_output())
    collector = Collector(page, **streams)
    collector.event(planned)
    try:
        yield Followed(report, collector), dict(streams)
    finally:
        written = collector.finish()
        report.event(PageMade(str(target), written.photos, written.bytes))
