"""``restore bench`` alone: run times of networks, with what they take and what the device could do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from restorecli.cli.bench.asked import runs, sizes
from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import percent, say, show, significant
from restorecli.engine.device import parse_devices
from restorecli.engine.tuned import use_tuned_threads
from restorecli.errors import NothingToDoError, RestoreError, UsageError
from restorecli.quality.calibrate import Calibration
from restorecli.quality.machine import header, machine
from restorecli.quality.runtime import Bench, Row, Setup, as_json
from restorecli.quality.subjects import SEEDED, Missing, Subject, find_subjects
from restorecli.report.plots import Axes, Series, draw

USUAL_SIZE = (256, 256)
TITLES = (
    "model", "input", "median ms", "p90 ms", "runs", "MP/s in", "MP/s out", "task", "weights", "precision",
    "batch", "parameters", "GMAC", "peak MiB", "of matrix", "of copy", "joules",
)  # fmt: skip
KEYS = 2


def measure_times(options: BenchOptions) -> None:
    """Measure, print, write and draw.

    Raises:
        RestoreError: nothing could be measured, or the options are wrong.
    """
    wanted = sizes(options) or [USUAL_SIZE]
    bench = Bench(setup(options))
    facts = machine(bench.setup.device)
    rows: list[Row] = []
    missing: list[Missing] = []
    interrupted = False
    try:
        for subject in subjects(options, missing):
            _measure(subject, bench, wanted, rows, missing, options)
    except KeyboardInterrupt:  # what was measured is worth its time
        interrupted = True
        say(options, "stopped: what was measured so far follows")
    report_missing(options, missing)
    if not rows:
        raise missing_error(missing)
    show(
        options,
        "times",
        [
            header(facts),
            "",
            *calibration_lines(bench.calibrations.values()),
            "",
            table(rows),
            *footnotes(rows),
        ],
        [as_json(row) for row in rows],
        machine=facts,
        calibration=[asdict(calibration) for calibration in bench.calibrations.values()],
        missing=[asdict(entry) for entry in missing],
    )
    if options.plot is not None:
        draw(options.plot, curves(rows), _axes(rows, header(facts)))
    if interrupted:
        raise KeyboardInterrupt


def _measure(
    subject: Subject,
    bench: Bench,
    wanted: Sequence[tuple[int, int]],
    rows: list[Row],
    missing: list[Missing],
    options: BenchOptions,
) -> None:
    """Add a network's rows, or why there are none."""
    say(options, f"measuring {subject.name} …")
    measured: Sequence[Row | RestoreError]
    try:
        measured = bench.measure(subject, wanted)
    except RestoreError as error:
        measured = [error]
    for row in measured:
        if isinstance(row, Row):
            say(options, f"  {row.width}×{row.height}: {significant(row.times.median * 1e3)} ms")
            rows.append(row)
        else:
            missing.append(Missing(subject.task, subject.name, row.message))


def setup(options: BenchOptions) -> Setup:
    """Return how to measure, by the options.

    Raises:
        RestoreError: the device is missing, or an option is wrong.
    """
    devices, warnings = parse_devices(options.device)
    if len(devices) > 1:
        raise UsageError("restore bench measures one device", f"choose one: --device {devices[0]}")
    for text in warnings:
        say(options, text)
    use_tuned_threads(devices)
    return Setup(
        device=devices[0],
        precision=options.precision,
        batch=options.batch,
        runs=runs(options),
        warmup=options.warmup,
        self_ensemble=options.self_ensemble,
        compiled=options.compile,
    )


def subjects(options: BenchOptions, missing: list[Missing]) -> list[Subject]:
    """Return the networks asked for; what there is not goes to ``missing``."""
    found = []
    for entry in find_subjects(
        options.task or [],
        options.model or [],
        variant=options.variant,
        scales=options.scale or [],
        weights=options.weights,
    ):
        if isinstance(entry, Subject):
            found.append(entry)
        else:
            missing.append(entry)
    return found


def report_missing(options: BenchOptions, missing: Sequence[Missing]) -> None:
    """Say what was not measured, and why; the same reason once."""
    for reason in dict.fromkeys(entry.reason for entry in missing):
        names = ", ".join(entry.name for entry in missing if entry.reason == reason)
        say(options, f"not measured: {names}: {reason}")


def missing_error(missing: Sequence[Missing]) -> RestoreError:
    """Return the error for a run without a row."""
    reason = missing[0].reason if missing else "no network fits"
    hint = next((entry.hint for entry in missing if entry.hint), "")
    return NothingToDoError(
        f"nothing was measured: {reason}", hint or "choose another --model, --task or --size"
    )


def calibration_lines(calibrations: Sequence[Calibration] | Any) -> list[str]:
    """Say what the device can do at best."""
    return [
        f"{entry.precision}: {significant(entry.macs / 1e9)} GMAC/s in a large matrix product, "
        f"{significant(entry.bandwidth / 1e9)} GB/s in a large copy"
        for entry in calibrations
    ]


def table(rows: Sequence[Row]) -> str:
    """Return the Markdown table of run times."""
    return Table(TITLES, [_cells(row) for row in rows], KEYS).markdown()


def footnotes(rows: Sequence[Row]) -> list[str]:
    """Say what a reader of the table must know."""
    notes = []
    if any(row.weights == SEEDED for row in rows):
        notes.append(
            "seeded: the released network with random weights, since its file is not on this machine; the "
            "speed is the same."
        )
    if any(row.bandwidth_share > 1 for row in rows):
        notes.append("More than the whole bandwidth: the caches serve a part of what operators read.")
    if any(row.energy_source == "RAPL" for row in rows):
        notes.append("Energy is of the whole CPU package, other programs included.")
    return ["", *notes] if notes else []


def curves(rows: Sequence[Row]) -> list[Series]:
    """Return time against pixels, a line per model, task and precision."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(f"{row.name} ({row.precision})", []).append(row)
    drawn = []
    for name, own in lines.items():
        own = sorted(own, key=lambda row: row.width * row.height)
        pixels = [row.batch * row.width * row.height / 1e6 for row in own]
        drawn.append(Series(name, pixels, [row.times.median for row in own]))
    return drawn


def _axes(rows: Sequence[Row], machine: str) -> Axes:
    places = {row.batch * row.width * row.height / 1e6: f"{row.width}×{row.height}" for row in rows}
    ticks = sorted(places.items()) if len(places) <= 8 else ()
    several = len(places) > 1
    return Axes(machine, "input, pixels", "seconds per pass, median", log_x=several, log_y=True, ticks=ticks)


def _cells(row: Row) -> list[str]:
    name = row.name + (" + ensemble" if row.self_ensemble else "") + (" compiled" if row.compiled else "")
    return [
        name,
        f"{row.width}×{row.height}",
        significant(row.times.median * 1e3),
        significant(row.times.p90 * 1e3),
        str(len(row.seconds)),
        significant(row.megapixels_in),
        significant(row.megapixels_out),
        row.task,
        row.weights,
        row.precision,
        str(row.batch) if row.batch > 1 else "",
        f"{row.parameters:,}",
        significant(row.macs / 1e9),
        f"{row.device_bytes / 2**20:,.0f}",
        percent(row.matrix_share),
        percent(row.bandwidth_share),
        significant(row.joules),
    ]
