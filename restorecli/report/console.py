"""Talk for people on standard error: bars on a terminal, lines otherwise, a summary table at the end."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, PlanMade, RunSummary


class ConsoleReporter:
    """A `Reporter` for people.

    Args:
        verbosity: −1 errors only, 0 usual, 1 every file, 2 more.
        console: where to; standard error by default.
    """

    def __init__(self, verbosity: int = 0, console: Console | None = None) -> None:
        self.verbosity = verbosity
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.bars = self.console.is_terminal and verbosity >= 0
        self.files: tqdm[Any] | None = None
        self.current: tqdm[Any] | None = None
        self.problems: list[FileFailed | FileSkipped] = []
        self.said: set[str] = set()
        self.planned = 0

    def event(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, PlanMade):
            self._plan(event)
        elif isinstance(event, FileDone):
            self._advance()
            self._done(event)
        elif isinstance(event, FileSkipped):
            self._advance()
            self.problems.append(event)
            if self.verbosity > 0:
                self._say(f"[yellow]skipped[/] {escape(event.input)}: {escape(event.reason)}")
        elif isinstance(event, FileFailed):
            self._advance()
            self.problems.append(event)
            self._say(f"[red]failed[/]  {escape(event.input)}: {escape(event.message)}")
        elif isinstance(event, RunSummary):
            self.close()
            self._summary(event)

    def tiles(self, name: str, done: int, total: int) -> None:
        """Move the bar of the photo at work; photos of one tile get none."""
        if not self.bars or total < 2:
            return
        if self.current is None or done == 1 or self.current.total != total:
            self._end_tiles()
            self.current = tqdm(
                total=total, unit="tile", desc=name[-32:], position=1, leave=False, file=sys.stderr
            )
        self.current.update(done - self.current.n)
        if done == total:
            self._end_tiles()

    def note(self, text: str) -> None:
        """Say something, once in a run."""
        if self.verbosity >= 0 and text not in self.said:
            self.said.add(text)
            self._say(f"[cyan]note[/]    {escape(text)}")

    def close(self) -> None:
        """End all bars."""
        self._end_tiles()
        if self.files is not None:
            self.files.close()
            self.files = None

    def _plan(self, plan: PlanMade) -> None:
        self.planned = plan.files
        if self.verbosity >= 0:
            tile = f"tiles of {plan.tile}" if plan.tile else "whole images"
            self._say(
                f"{plan.files} file{'s' * (plan.files != 1)} · {escape(plan.weights)} ({plan.variant}) · "
                f"{escape(plan.device)} · {plan.precision} · {tile}"
            )
        if self.bars:
            self.files = tqdm(total=plan.files, unit="file", desc="photos", position=0, file=sys.stderr)

    def _done(self, event: FileDone) -> None:
        if self.verbosity > 0:
            size = f"{event.width}×{event.height}"
            self._say(f"[green]done[/]    {escape(event.output)} {size} in {event.seconds:.1f} s")
        for warning in event.warnings:
            if self.verbosity > 0:
                self._say(f"        {escape(warning)}")
            else:
                self.note(f"{event.input}: {warning}" if warning not in self.said else warning)

    def _advance(self) -> None:
        self._end_tiles()
        if self.files is not None:
            self.files.update(1)

    def _end_tiles(self) -> None:
        if self.current is not None:
            self.current.close()
            self.current = None

    def _say(self, markup: str) -> None:
        if self.files is None:
            self.console.print(markup)
        else:
            with tqdm.external_write_mode(file=sys.stderr):
                self.console.print(markup)

    def _summary(self, summary: RunSummary) -> None:
        if self.verbosity < 0:
            return
        if self.problems and len(self.problems) <= 50:
            table = Table("file", "what", "why", title="Not restored", title_justify="left")
            for problem in self.problems:
                failed = isinstance(problem, FileFailed)
                why = problem.message if isinstance(problem, FileFailed) else problem.reason
                table.add_row(
                    escape(problem.input), "[red]failed[/]" if failed else "[yellow]skipped[/]", escape(why)
                )
            if any(isinstance(problem, FileFailed) for problem in self.problems) or self.verbosity > 0:
                self.console.print(table)
        left = self.planned - summary.done - summary.skipped - summary.failed
        if left > 0:
            self.console.print(f"{left} of {self.planned} not done: run the same command again to continue")
        rate = (
            f", {summary.megapixels / summary.seconds:.2f} MP/s"
            if summary.seconds > 0 and summary.done
            else ""
        )
        self.console.print(
            f"[bold]{summary.done} restored, {summary.skipped} skipped, {summary.failed} failed[/] "
            f"in {summary.seconds:.1f} s ({summary.megapixels:.1f} megapixels{rate})"
        )
