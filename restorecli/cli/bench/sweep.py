"""``restore bench --sweep``: one setting varied, its curve, its best value, and keeping it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from restorecli.cli.bench.asked import sizes
from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import say, show, significant
from restorecli.cli.bench.times import missing_error, report_missing, setup, subjects
from restorecli.quality.machine import header, machine
from restorecli.quality.subjects import Missing
from restorecli.quality.sweep import Point, Sweep, keep, sweep
from restorecli.quality.timing import Times
from restorecli.report.plots import Axes, Series, draw


def measure_sweep(options: BenchOptions) -> None:
    """Measure, print, write, draw and, with --tune, keep.

    Raises:
        RestoreError: nothing could be measured, or the options are wrong.
    """
    assert options.sweep is not None
    how = setup(options)
    size = next(iter(sizes(options)), None)
    facts = machine(how.device)
    missing: list[Missing] = []
    done = []
    for subject in subjects(options, missing):
        say(options, f"sweeping {options.sweep} of {subject.name} …")
        done.append(sweep(options.sweep, subject, how, size))
    report_missing(options, missing)
    if not done:
        raise missing_error(missing)
    kept = [keep(result, how.device) for result in done] if options.tune else []
    lines = [header(facts)]
    for result in done:
        lines += ["", *_text(result)]
    show(
        options,
        "sweep",
        [*lines, *(["", *kept] if kept else [])],
        [record for result in done for record in _records(result)],
        machine=facts,
        best={result.subject.name: _best(result) for result in done},
        tuned=kept,
    )
    if options.plot is not None:
        draw(options.plot, [_series(result) for result in done], _axes(done, header(facts)))


def _text(result: Sweep) -> list[str]:
    size = f", {result.width}×{result.height}" if result.width else ""
    best = result.best
    return [
        f"{result.subject.name} ({result.subject.weights}), {result.precision}{size}",
        "",
        Table(
            (result.kind, "median ms", "MP/s in", "dB of fp32", ""),
            [_cells(point, point is best) for point in result.points],
        ).markdown(),
        "",
        f"best {result.kind}: {_name(result.kind, best)}" if best else f"no {result.kind} could be measured",
    ]


def _cells(point: Point, best: bool) -> list[str]:
    median = Times(point.seconds).median * 1e3 if point.seconds else None
    decibels = "–" if point.decibels is None else f"{point.decibels:.1f}"
    return [
        str(point.value),
        significant(median),
        significant(point.rate) if point.seconds else "–",
        decibels,
        "best" if best else point.note,
    ]


def _name(kind: str, point: Point) -> str:
    value = "0 (the whole image)" if kind == "tile" and point.value == 0 else str(point.value)
    return f"{value} ({significant(point.rate)} MP/s of input)"


def _best(result: Sweep) -> Any:
    return None if result.best is None else result.best.value


def _records(result: Sweep) -> list[dict[str, Any]]:
    shared = {"sweep": result.kind, "name": result.subject.name, "task": result.subject.task}
    return [
        {
            **shared,
            **asdict(point),
            "best": point is result.best,
            "width": result.width,
            "height": result.height,
        }
        for point in result.points
    ]


def _place(result: Sweep, point: Point) -> float:
    """Return where a point lies on the x axis: words and the whole image have no number of their own."""
    if isinstance(point.value, str):
        return float(result.points.index(point))
    return float(point.value or max(result.width, result.height))


def _series(result: Sweep) -> Series:
    measured = [point for point in result.points if point.seconds]
    marked = measured.index(result.best) if result.best in measured else None
    places = [_place(result, point) for point in measured]
    return Series(result.subject.name, places, [point.rate for point in measured], marked=marked)


def _axes(done: Sequence[Sweep], machine: str) -> Axes:
    first = done[0]
    titles = {
        "size": "side of the input, pixels",
        "tile": "side of a tile, pixels (the last: the whole image)",
        "batch": "images per pass",
        "threads": "CPU threads",
        "precision": "precision",
    }
    ticks = [
        (_place(first, point), "whole" if first.kind == "tile" and point.value == 0 else str(point.value))
        for point in first.points
    ]
    words = first.kind == "precision"
    return Axes(machine, titles[first.kind], "megapixels of input per second", log_x=not words, ticks=ticks)
