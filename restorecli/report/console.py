"""Talk for people on standard error: bars on a terminal, lines otherwise, at the end a summary by kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from tqdm import tqdm

from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, PageMade, PlanMade, RunSummary
from restorecli.report.kinds import Kinds
from restorecli.report.words import labelled, printable

STYLES = {
    "note": "cyan",
    "warning": "yellow",
    "skipped": "yellow",
    "failed": "red",
    "done": "green",
}
LABEL = 8  # columns


class ConsoleReporter:
    """A `Reporter` for people.

    Args:
        verbosity: −1 errors only, 0 usual, 1 every file, 2 more.
        console: where to; standard error by default.
    """

    def __init__(self, verbosity: int = 0, console: Console | None = None) -> None:
        self.verbosity = verbosity
        self.console = console or Console(stderr=True, highlight=False)
        self.bars = self.console.is_terminal and verbosity >= 0
        self.files: tqdm[Any] | None = None
        self.current: tqdm[Any] | None = None
        self.kinds = Kinds()
        self.said: set[str] = set()
        self.planned = 0

    @property
    def one_by_one(self) -> bool:
        """Whether what is to be said of a photo is said at once, not by kind at the end."""
        return self.verbosity > 0 or self.planned <= 1

    def event(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, PlanMade):
            self._plan(event)
        elif isinstance(event, FileDone):
            self._advance()
            self._done(event)
        elif isinstance(event, FileSkipped):
            self._advance()
            self._of_photo("skipped", event.reason, event.input, event.output)
        elif isinstance(event, FileFailed):
            self._advance()
            reason = event.message.removeprefix(f"{event.input}: ")
            self._say("failed", f"{event.input}: {reason}")
        elif isinstance(event, RunSummary):
            self.close()
            self._summary(event)
        elif isinstance(event, PageMade) and self.verbosity >= 0:
            size = f"{event.bytes / 1e6:.1f} MB"
            self._say("", f"{event.output}: {event.photos} photo{'s' * (event.photos != 1)}, {size}")

    def tiles(self, name: str, done: int, total: int) -> None:
        """Move the bar of the photo at work; photos of one tile get none."""
        if not self.bars or total < 2:
            return
        if self.current is None or done == 1 or self.current.total != total:
            self._end_tiles()
            self.current = tqdm(
                total=total, unit="tile", desc=printable(name[-32:]), position=1, leave=False, file=sys.stderr
            )
        self.current.update(done - self.current.n)
        if done == total:
            self._end_tiles()

    def note(self, text: str) -> None:
        """Say something, once in a run."""
        self._once("note", text)

    def warn(self, text: str) -> None:
        """Say what is not as it was asked for, once in a run."""
        self._once("warning", text)

    def close(self) -> None:
        """End all bars."""
        self._end_tiles()
        if self.files is not None:
            self.files.close()
            self.files = None

    def _once(self, label: str, text: str) -> None:
        if self.verbosity >= 0 and text not in self.said:
            self.said.add(text)
            self._say(label, text)

    def _plan(self, plan: PlanMade) -> None:
        self.planned = plan.files
        if self.verbosity >= 0:
            tile = f"tiles of {plan.tile}" if plan.tile else "whole images"
            self._say(
                "",
                f"{_files(plan.files)} · {plan.weights} ({plan.variant}) · {plan.device} · "
                f"{plan.precision} · {tile}",
            )
        if self.bars:
            self.files = tqdm(total=plan.files, unit="file", desc="photos", position=0, file=sys.stderr)

    def _done(self, event: FileDone) -> None:
        if self.verbosity > 0:
            size = f"{event.width}×{event.height}"
            self._say("done", f"{event.output} {size} in {event.seconds:.1f} s")
        if self.one_by_one and event.notes:
            self._of_photo("note", ", ".join(event.notes), event.input, event.output)
        for note in () if self.one_by_one else event.notes:
            self._of_photo("note", note, event.input, event.output)
        for warning in event.warnings:
            if warning not in self.said:  # what holds for the whole run was said at its beginning
                self._of_photo("warning", warning, event.input, event.output)

    def _of_photo(self, label: str, text: str, photo: str, result: str) -> None:
        if self.verbosity < 0:
            return
        if self.one_by_one:
            self._say(label, f"{photo}: {text}")
        else:
            self.kinds.add(label, text, photo, result, Path(result).name)

    def _advance(self) -> None:
        self._end_tiles()
        if self.files is not None:
            self.files.update(1)

    def _end_tiles(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None

    def _say(self, label: str, text: str) -> None:
        prefix = label.ljust(LABEL) if label else ""
        said = labelled(self.console, prefix, text, STYLES.get(label, ""))
        if self.files is None:
            self._print(said)
        else:
            with tqdm.external_write_mode(file=sys.stderr):
                self._print(said)

    def _print(self, said: Text) -> None:
        self.console.print(said, soft_wrap=True)  # it is wrapped already

    def _summary(self, summary: RunSummary) -> None:
        if self.verbosity < 0:
            return
        for kind in self.kinds:
            such = f", such as {kind.example}" if kind.label == "warning" and kind.count > 1 else ""
            which = f"{_files(kind.count)}{such}" if kind.count > 1 else kind.example
            self._say(kind.label, f"{kind.text} ({which})")
        rest = self.planned - summary.done - summary.skipped - summary.failed
        if rest > 0:
            self._say("", f"{rest} of {self.planned} not done: run the same command again to continue")
        rate = (
            f", {summary.megapixels / summary.seconds:.2f} MP/s"
            if summary.seconds > 0 and summary.done
            else ""
        )
        counts = [f"{summary.done - summary.left} restored"]
        if summary.left:
            counts.append(f"{summary.left} left as {'it was' if summary.left == 1 else 'they were'}")
        counts += [f"{summary.skipped} skipped", f"{summary.failed} failed"]
        took = f"in {summary.seconds:.1f} s ({summary.megapixels:.1f} megapixels{rate})"
        self._say("", f"{', '.join(counts)} {took}")


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"
