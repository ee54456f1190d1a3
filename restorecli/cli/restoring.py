"""What every restoring command does once its own options are understood: plan, load, run, exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import typer

from restorecli import __version__
from restorecli.cli.checked import check, engine_settings, number, precision
from restorecli.cli.downloads import download_bar
from restorecli.cli.options import SharedOptions
from restorecli.cli.plan import print_plan
from restorecli.errors import ExitCode
from restorecli.loading import Loaded, Models
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.photo import Depth
from restorecli.photos.inputs import find_inputs, shard
from restorecli.photos.naming import Plan, PlannedPhoto, plan_names
from restorecli.pipeline import threads
from restorecli.pipeline.photo import Setup
from restorecli.pipeline.tally import Tally
from restorecli.report.console import ConsoleReporter
from restorecli.report.events import PlanMade, Reporter
from restorecli.report.jsonl import JsonLines
from restorecli.results import Encoding
from restorecli.stages import Stage
from restorecli.tasks.demosaic import Demosaic, mosaic_run

MakeStages = Callable[[Models], Sequence[Stage]]


def restore(make_stages: MakeStages, suffix: str, own: Mapping[str, str], options: SharedOptions) -> None:
    """Run stages over the inputs of ``options`` and leave by the exit code of what happened.

    The weights that every photo will probably need are fetched and readied before the first is read, so that
    what is wrong with them ends the run at once.

    Args:
        make_stages: makes the stages, once the run's models can be asked.
        suffix: what output names end in.
        own: the command's own options as they were asked for, to tell results of other options apart.
        options: the shared ones.

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
    with download_bar(wanted=not (options.quiet or options.json_lines)) as progress:
        models = Models(
            engine_settings(options),
            seed=options.seed,
            progress=progress,
            fetch=not options.dry_run,
            say=report.note,
        )
        stages = tuple(make_stages(models))
        expected, ready = expect(stages, models, report)
        settings = run_settings(suffix, own, expected, ready, options)
        plan = plan_names(
            found,
            output=options.output,
            task_suffix=suffix,
            format=options.format,
            if_exists=options.if_exists,
            settings=settings,
        )
        if options.shard:
            plan = replace(plan, photos=tuple(shard(plan.photos, options.shard)))
        for text in plan.notes:
            report.note(text)
        if options.verbose and ready:
            for text in (f"device {', '.join(ready[0].prepared.device_names)}", *ready[0].prepared.reasons):
                report.note(text)
        event = plan_event(plan, expected[0], ready)
        if options.dry_run:
            print_plan(event, plan, list(zip(usual(stages), ready, strict=False)), as_json=options.json_lines)
            return
        report.event(event)
        tally = run_interruptibly(
            plan.photos,
            Setup(stages, models, encoding(suffix, options, settings)),
            report,
            jobs=number(options.jobs, "--jobs"),
            fail_fast=options.fail_fast,
        )
    raise typer.Exit(exit_code(tally))


def expect(stages: Sequence[Stage], models: Models, report: Reporter) -> tuple[list[Resolved], list[Loaded]]:
    """Find and ready the networks that a photo will need unless it is of an unusual kind.

    Returns:
        The weights of every stage that does not depend on the photo, and the networks; no networks where
        weights are not here yet and may not be fetched (a dry run).
    """
    expected = [models.resolve(stage.request) for stage in usual(stages)]
    for text in dict.fromkeys(text for resolved in expected for text in resolved.notes):
        report.note(text)
    if any(resolved.path is None for resolved in expected):
        return expected, []
    return expected, [models.get(stage.request, stage.run) for stage in usual(stages)]


def with_raw(stages: Sequence[Stage], options: SharedOptions) -> list[Stage]:
    """Return ``stages`` with, before them, the one that develops camera RAW by the usual model."""
    wanted = ModelRequest("demosaic", license_policy=options.license_policy)
    return [Stage(Demosaic(), wanted, only_raw=True, run=mosaic_run), *stages]


def usual(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that every photo goes through."""
    return [stage for stage in stages if not stage.only_raw]


def run_settings(
    suffix: str,
    own: Mapping[str, str],
    expected: Sequence[Resolved],
    ready: Sequence[Loaded],
    options: SharedOptions,
) -> dict[str, str]:
    """Return everything that changes the output's bytes: what a second run compares to know what is done.

    Weights that a photo makes the run choose follow from these and from the photo itself.
    """
    prepared = ready[0].prepared if ready else None
    settings: dict[str, Any] = {
        "task": suffix,
        **own,
        "model": ", ".join(dict.fromkeys(resolved.network for resolved in expected)),
        "weights": ", ".join(dict.fromkeys(resolved.digest or resolved.name for resolved in expected)),
        "variant": options.variant or "usual",
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


def encoding(suffix: str, options: SharedOptions, settings: Mapping[str, str]) -> Encoding:
    """Return how results are written."""
    return Encoding(
        depth=Depth(options.bits) if options.bits else None,
        jpeg_quality=options.jpeg_quality,
        strip=options.strip,
        provenance={"software": f"restore {__version__}", "task": suffix},
        settings=settings,
    )


def plan_event(plan: Plan, resolved: Resolved, ready: Sequence[Loaded]) -> PlanMade:
    """Return the event that says what is going to be done."""
    prepared = ready[0].prepared if ready else None
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


def run_interruptibly(
    photos: Sequence[PlannedPhoto],
    setup: Setup,
    report: Reporter,
    *,
    jobs: int | None = None,
    fail_fast: bool = False,
) -> Tally:
    """Run; the first Ctrl-C (or SIGTERM) stops at the next tile, a second one at once.

    Args:
        photos: what to do.
        setup: what they share.
        report: gets every event.
        jobs: reader and writer threads; None for as many as suit this machine.
        fail_fast: stop at the first photo that fails.
    """
    cancelled = threading.Event()

    def stop(_signum: int, _frame: object) -> None:
        if cancelled.is_set():
            os._exit(ExitCode.INTERRUPTED)
        cancelled.set()
        report.note("stopping: files being written are finished first; once more to stop at once")

    handlers = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        jobs = jobs or min(4, os.cpu_count() or 1)
        return threads.run(photos, setup, report, cancelled, jobs=jobs, fail_fast=fail_fast)
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def exit_code(tally: Tally) -> ExitCode:
    """Return the process's exit code for what came of the photos."""
    if tally.interrupted:
        return ExitCode.INTERRUPTED
    if tally.failed and not tally.done and tally.failed_codes == {"out_of_memory"}:
        return ExitCode.DEVICE
    return ExitCode.SOME_FAILED if tally.failed else ExitCode.DONE
