"""``restore compare``: a page of photos beside their results, from two folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from restorecli.commands.declare import INPUTS, OUTPUT, RUN, option
from restorecli.errors import ExitCode


def compare(
    before: Annotated[Path, typer.Argument(help="A folder of photos, or one photo.", metavar="BEFORE")],
    after: Annotated[Path, typer.Argument(help="Their results: a folder, or one photo.", metavar="AFTER")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The page to write.", rich_help_panel=OUTPUT, metavar="FILE.html"
        ),
    ] = Path("compare.html"),
    recursive: Annotated[
        bool, option("--recursive/--no-recursive", "-r/-R", help="Descend into folders.", panel=INPUTS)
    ] = True,
    as_json: Annotated[bool, option("--json", help="Print what was made as JSON.", panel=RUN)] = False,
    quiet: Annotated[bool, option("--quiet", "-q", help="Errors only.", panel=RUN)] = False,
) -> None:
    """Write a page that shows photos beside their results, with a slider; opens in any browser.

    Example: restore compare photos/ photos_denoise/ -o page.html

    Example: restore compare before.jpg after.png
    """
    from restorecli.cli.process import interrupted, stopped_by
    from restorecli.comparison.folders import match
    from restorecli.comparison.page import Page
    from restorecli.comparison.target import check_target
    from restorecli.report.console import ConsoleReporter
    from restorecli.report.events import PageMade, Reporter
    from restorecli.report.jsonl import JsonLines

    check_target(output, "-o")
    report: Reporter = (
        JsonLines(sys.stdout, None if quiet else sys.stderr) if as_json else ConsoleReporter(-quiet)
    )
    matched = match(before, after, recursive=recursive)
    page = Page(output, len(matched.pairs), f"{before.name or before} and {after.name or after}")
    with stopped_by(lambda: None):
        from restorecli.comparison.collect import of_pairs

        written = of_pairs(page, matched, interrupted, say=report.warn)
    report.event(PageMade(str(output), written.photos, written.bytes))
    if interrupted.is_set():
        raise typer.Exit(ExitCode.INTERRUPTED)
    if page.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)
