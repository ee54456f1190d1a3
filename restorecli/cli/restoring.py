"""What every restoring command does once its options are understood: plan, load, run, exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import typer

from restorecli.cli.comparing import comparing
from restorecli.cli.downloads import download_bar
from restorecli.cli.plan import print_plan
from restorecli.cli.process import interrupted, stopped_by
from restorecli.cluster import crew
from restorecli.cluster.alone import Alone
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.ready import Ready, make_ready
from restorecli.commands.values import number
from restorecli.errors import ExitCode
from restorecli.host import usable_cores
from restorecli.photos.inputs import Found, shard
from restorecli.photos.naming import plan_names
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.photos.records import Records, Standing
from restorecli.photos.temporary import remove_leftovers
from restorecli.pipeline import threads
from restorecli.pipeline.photo import Setup
from restorecli.pipeline.tally import Tally
from restorecli.report.console import ConsoleReporter
from restorecli.report.events import PlanMade, Reporter
from restorecli.report.jsonl import JsonLines


def restore(description: RunDescription, found: Sequence[Found]) -> None:
    """Run over the inputs and leave by the exit code of what happened.

    The weights that every photo will probably need are fetched and prepared before the first is read, so that
    what is wrong with them ends the run at once.

    Args:
        description: what was asked for.
        found: its inputs, as `early.begin` returned them.

    Raises:
        RestoreError: nothing could be started: weights, device.
        typer.Exit: with the run's exit code.
    """
    options = description.shared
    report = reporter(options, each=any(step.own.says_each for step in description.steps))
    with download_bar(wanted=not (options.quiet or options.json_lines)) as progress:
        ready = make_ready(description, progress=progress, say=report.note, warn=report.warn)
        settings = ready.settings
        plan = planned(description, found, settings)
        event = plan_event(plan, ready)
        say_plan(plan, ready, report, event)
        with comparing(description, plan.photos, event, report) as (followed, streams):
            tally = run_interruptibly(
                plan,
                ready.setup(settings, **streams),
                followed,
                jobs=number(options.jobs, "--jobs"),
                fail_fast=options.fail_fast,
            )
    raise typer.Exit(exit_code(tally))


def planned(description: RunDescription, found: Sequence[Found], settings: Mapping[str, str]) -> Plan:
    """Return what is going to be done: the names, and the share of the photos that was asked for."""
    options = description.shared
    plan = plan_names(
        found,
        output=options.output,
        task_suffix=description.suffix,
        format=options.format,
        if_exists=options.if_exists,
        copies=options.unneeded == "copy",
        settings=settings,
    )
    photos = shard(plan.photos, options.shard) if options.shard else plan.photos
    return replace(plan, photos=_numbered(photos))


def say_plan(plan: Plan, ready: Ready, report: Reporter, event: PlanMade) -> None:
    """Say what is going to be done, and make room for it.

    Raises:
        typer.Exit: that was all, a dry run.
    """
    options = ready.description.shared
    for text in (*plan.notes, *(_engine_notes(ready) if options.verbose else ())):
        report.note(text)
    if options.dry_run:
        well = print_plan(event, plan, ready.stages, ready.loaded, ready.models, as_json=options.json_lines)
        raise typer.Exit(ExitCode.DONE if well else ExitCode.SOME_FAILED)
    report.event(event)
    targets = (photo.target for photo in plan.photos)
    folders = dict.fromkeys(target.parent for target in targets if isinstance(target, Path))
    for path in remove_leftovers(folders):
        report.note(f"{path}: left by a run that was killed, removed")


def _numbered(photos: Sequence[PlannedPhoto]) -> tuple[PlannedPhoto, ...]:
    """Return the photos, each with its number in the run."""
    of = len(photos)
    return tuple(replace(photo, index=index, of=of) for index, photo in enumerate(photos, 1))


def _engine_notes(ready: Ready) -> tuple[str, ...]:
    """Return where the first network runs, and why it runs as it does."""
    if not ready.loaded:
        return ()
    prepared = ready.loaded[0].prepared
    return (f"device {', '.join(prepared.device_names)}", *prepared.reasons)


def plan_event(plan: Plan, ready: Ready, devices: str = "") -> PlanMade:
    """Return the event that says what is going to be done.

    Args:
        plan: what is to be done.
        ready: the networks.
        devices: where they run, if not here.
    """
    expected, facts = ready.expected, ready.facts
    if ready.loaded:
        devices = ",".join(ready.loaded[0].prepared.devices)
    return PlanMade(
        files=len(plan.photos),
        model=", ".join(dict.fromkeys(each.network for each in expected)),
        variant=", ".join(dict.fromkeys(each.variant for each in expected)),
        weights=", ".join(dict.fromkeys(each.name for each in expected)),
        device=devices,
        precision=facts.precision if facts else "",
        tile=facts.tile if facts else 0,
        warnings=tuple(dict.fromkeys(text for each in expected for text in each.warnings)) or None,
    )


def reporter(options: SharedOptions, *, each: bool = False) -> Reporter:
    """Return what reports the run: JSON lines or the console; ``each`` for what was found in every photo."""
    if options.json_lines:
        return JsonLines(sys.stdout, None if options.quiet else sys.stderr)
    return ConsoleReporter(-1 if options.quiet else max(options.verbose, int(each)))


MOST_READERS = 4
"""Decoding a photo takes a fraction of the time that encoding its result does."""


def run_interruptibly(
    plan: Plan, setup: Setup, report: Reporter, *, jobs: int | None = None, fail_fast: bool = False
) -> Tally:
    """Run; the first Ctrl-C (or SIGTERM, SIGHUP) stops at the next tile, a second one at once.

    Args:
        plan: what to do.
        setup: what photos share.
        report: gets every event.
        jobs: reader and writer threads; None for a few readers, and a writer for each core but one, since
            encoding takes the most time of all that is done on the host.
        fail_fast: stop at the first photo that fails.
    """
    cores = usable_cores()
    readers, writers = jobs or min(MOST_READERS, cores), jobs or max(1, cores - 1)
    how: dict[str, Any] = {"jobs": readers, "writers": writers, "fail_fast": fail_fast}
    with stopping("files being written are finished first", report):
        if not any(photo.in_store for photo in plan.photos):
            return threads.run(plan.photos, setup, report, interrupted, **how)
        alone = Alone(setup, report, interrupted, **how)
        look = partial(looking, setup.encoding.settings)
        return crew.run(plan, alone, report, interrupted, look=look, fail_fast=fail_fast)


@contextmanager
def stopping(what: str, report: Reporter) -> Iterator[None]:
    """Let the first signal stop the run, and say ``what`` is done before it ends."""

    def stop() -> None:
        # A signal may come in the middle of a line that is being written.
        with suppress(RuntimeError):
            report.note(f"stopping: {what}; once more to stop at once")

    with stopped_by(stop):
        yield


def looking(settings: Mapping[str, str]) -> Callable[[PlannedPhoto], bool]:
    """Look at the records as they are now; return what tells whether a photo is done with ``settings``."""
    records = Records()

    def is_done(photo: PlannedPhoto) -> bool:
        source, stamp = photo.found.path, photo.found.stamp
        paths = (path for path in (photo.target, photo.copied) if path is not None)
        return any(records.standing(path, source, settings, stamp) is Standing.DONE for path in paths)

    return is_done


def exit_code(tally: Tally) -> ExitCode:
    """Return the process's exit code for what came of the photos."""
    if tally.interrupted:
        return ExitCode.INTERRUPTED
    if tally.failed and not tally.done and tally.failed_codes == {"out_of_memory"}:
        return ExitCode.DEVICE
    return ExitCode.SOME_FAILED if tally.failed else ExitCode.DONE
