"""What every restoring command does once its own options are understood: plan, load, run, exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import typer
from rich.console import Console
from tqdm import tqdm

from restorecli import __version__, pipeline
from restorecli.cli.options import SharedOptions
from restorecli.cli.plan import print_plan
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import ExitCode, UsageError
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, Resolved, resolve
from restorecli.networks.network import Network
from restorecli.photo import Depth
from restorecli.photos.formats import check_format
from restorecli.photos.inputs import find_inputs, shard
from restorecli.photos.naming import Plan, plan_names
from restorecli.report.console import ConsoleReporter
from restorecli.report.events import PlanMade, Reporter
from restorecli.report.jsonl import JsonLines
from restorecli.tasks.base import Task


def restore(request: ModelRequest, make_task: Callable[[Network], Task], options: SharedOptions) -> None:
    """Run a task over the inputs of ``options`` and leave by the exit code of what happened.

    Raises:
        RestoreError: nothing could be started: usage, no input, weights, device.
        typer.Exit: with the run's exit code.
    """
    check(options)
    found = find_inputs(
        options.inputs or [],
        recursive=options.recursive,
        files_from=options.files_from,
        null=options.null,
        stdin=sys.stdin.buffer,
    )
    report = reporter(options)
    with download_bar(options) as progress:
        resolved = resolve(request, progress=progress, fetch=not options.dry_run)
    for text in (*resolved.warnings, *resolved.notes):
        report.note(text)
    prepared, task = None, make_task(Network())
    if resolved.path is not None:
        network = load(resolved)
        network.reseed(options.seed)
        prepared, task = prepare(network, engine_settings(options, resolved)), make_task(network)
    settings = run_settings(task, resolved, prepared, options)
    plan = plan_names(
        found,
        output=options.output,
        task_suffix=task.suffix,
        format=options.format,
        if_exists=options.if_exists,
        settings=settings,
    )
    if options.shard:
        plan = replace(plan, photos=tuple(shard(plan.photos, options.shard)))
    for text in (*plan.notes, *(prepared.warnings if prepared else ())):
        report.note(text)
    if options.verbose and prepared:
        for text in (f"device {', '.join(prepared.device_names)}", *prepared.reasons):
            report.note(text)
    event = plan_event(plan, resolved, prepared)
    if options.dry_run or prepared is None:
        print_plan(event, plan, prepared, as_json=options.json_lines)
        return
    report.event(event)
    work = pipeline.Run(
        photos=plan.photos,
        task=task,
        prepared=prepared,
        encoding=encoding(task, resolved, options, settings),
        jobs=number(options.jobs, "--jobs") or min(4, os.cpu_count() or 1),
        fail_fast=options.fail_fast,
        warnings=resolved.warnings,
    )
    raise typer.Exit(exit_code(run_interruptibly(work, report)))


def check(options: SharedOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: with what to do instead.
    """
    if options.fp16 and options.fp32:
        raise UsageError("--fp16 and --fp32 contradict each other", "give one of them")
    if (options.fp16 or options.fp32) and options.precision not in ("auto", precision(options)):
        raise UsageError(
            f"--precision {options.precision} contradicts --{precision(options)}", "give one of them"
        )
    if options.json_lines and options.output == "-":
        raise UsageError(
            "--json and -o - both want standard output", "write the picture to a file with -o FILE"
        )
    if options.if_exists not in ("skip", "overwrite", "rename", "error"):
        raise UsageError(f"--if-exists {options.if_exists}", "choose skip, overwrite, rename or error")
    if options.bits is not None and options.bits not in {depth.value for depth in Depth}:
        raise UsageError(f"--bits {options.bits}", "choose 8, 16 or 32f")
    if options.null and options.files_from is None:
        raise UsageError(
            "--null does nothing without --files-from", "add --files-from FILE, or - for standard input"
        )
    if options.format != "keep":
        check_format(options.format)


def precision(options: SharedOptions) -> str:
    """Return the precision wanted by --precision, --fp16 or --fp32."""
    return "fp16" if options.fp16 else "fp32" if options.fp32 else options.precision


def number(text: str, name: str) -> int | None:
    """Return the number of an ``auto|N`` option, None for auto.

    Raises:
        UsageError: it is neither.
    """
    if text == "auto":
        return None
    if not text.isdecimal():
        raise UsageError(f"{name} {text} is neither auto nor a number")
    return int(text)


def engine_settings(options: SharedOptions, resolved: Resolved) -> RunSettings:
    """Return how the engine is to run the network; where options say auto, the registry's defaults."""
    entry = resolved.entry
    tile, overlap = number(options.tile, "--tile"), number(options.tile_overlap, "--tile-overlap")
    if entry is not None:
        tile = entry.tile if tile is None else tile
        overlap = entry.tile_overlap if overlap is None else overlap
    return RunSettings(
        tile=tile,
        overlap=overlap,
        precision=precision(options),
        self_ensemble=options.self_ensemble,
        device=options.device,
        batch=number(options.batch, "--batch"),
        compile=options.compile,
    )


def run_settings(
    task: Task, resolved: Resolved, prepared: Prepared | None, options: SharedOptions
) -> dict[str, str]:
    """Return everything that changes the output's bytes: what a second run compares to know what is done."""
    settings: dict[str, Any] = {
        "task": task.suffix,
        "model": resolved.network,
        "weights": resolved.digest or resolved.name,
        "tile": prepared.tile if prepared else options.tile,
        "overlap": prepared.overlap if prepared else options.tile_overlap,
        "precision": prepared.precision if prepared else precision(options),
        "self_ensemble": options.self_ensemble,
        "compile": options.compile,
        "seed": options.seed,
        "format": options.format,
        "bits": options.bits or "keep",
        "jpeg_quality": options.jpeg_quality,
        "strip": options.strip,
    }
    return {name: str(value) for name, value in settings.items()}


def encoding(
    task: Task, resolved: Resolved, options: SharedOptions, settings: Mapping[str, str]
) -> pipeline.Encoding:
    """Return how results are written, and what their metadata say of how they were made."""
    provenance = {
        "software": f"restore {__version__}",
        "task": task.suffix,
        "model": resolved.name,
        "variant": resolved.variant,
        "weights-sha256": resolved.digest,
    }
    if resolved.warnings:
        provenance["warning"] = " ".join(resolved.warnings)
    return pipeline.Encoding(
        depth=Depth(options.bits) if options.bits else None,
        jpeg_quality=options.jpeg_quality,
        strip=options.strip,
        provenance=provenance,
        settings=settings,
    )


def plan_event(plan: Plan, resolved: Resolved, prepared: Prepared | None) -> PlanMade:
    """Return the event that says what is going to be done."""
    return PlanMade(
        files=len(plan.photos),
        model=resolved.network,
        variant=resolved.variant,
        weights=resolved.name,
        device=",".join(prepared.devices) if prepared else "",
        precision=prepared.precision if prepared else "",
        tile=prepared.tile if prepared else 0,
    )


def reporter(options: SharedOptions) -> Reporter:
    """Return who is told what happens."""
    if options.json_lines:
        return JsonLines(sys.stdout, None if options.quiet else sys.stderr)
    return ConsoleReporter(-1 if options.quiet else options.verbose)


@contextmanager
def download_bar(options: SharedOptions) -> Iterator[Callable[[int, int | None], None] | None]:
    """Give a progress callback that draws a bar once bytes arrive, on a terminal only."""
    if options.quiet or options.json_lines or not Console(stderr=True).is_terminal:
        yield None
        return
    bars: list[tqdm[Any]] = []

    def advance(done: int, total: int | None) -> None:
        if not bars:
            bars.append(tqdm(total=total, unit="B", unit_scale=True, desc="weights", file=sys.stderr))
        bars[0].update(done - bars[0].n)

    try:
        yield advance
    finally:
        for bar in bars:
            bar.close()


def run_interruptibly(work: pipeline.Run, report: Reporter) -> pipeline.Tally:
    """Run; the first Ctrl-C (or SIGTERM) stops at the next tile, a second one at once."""
    cancelled = threading.Event()

    def stop(_signum: int, _frame: object) -> None:
        if cancelled.is_set():
            os._exit(ExitCode.INTERRUPTED)
        cancelled.set()
        report.note("stopping: files being written are finished first; once more to stop at once")

    handlers = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        return pipeline.run(work, report, cancelled)
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def exit_code(tally: pipeline.Tally) -> ExitCode:
    """Return the process's exit code for what came of the photos."""
    if tally.interrupted:
        return ExitCode.INTERRUPTED
    if tally.failed and not tally.done and tally.failed_codes == {"out_of_memory"}:
        return ExitCode.DEVICE
    return ExitCode.SOME_FAILED if tally.failed else ExitCode.DONE
