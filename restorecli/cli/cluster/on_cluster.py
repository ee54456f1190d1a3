"""``--cluster``: the same run with its photos restored by the workers of a Ray cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from restorecli.cli.comparing import comparing
from restorecli.cli.downloads import download_bar
from restorecli.cli.process import interrupted
from restorecli.cli.restoring import exit_code, looking, plan_event, planned, reporter, say_plan, stopping
from restorecli.cluster import actors, crew
from restorecli.cluster.worker import Order
from restorecli.commands.checked import MOST_GPUS
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.ready import make_ready
from restorecli.commands.values import level, number
from restorecli.errors import UsageError
from restorecli.photos.inputs import Found
from restorecli.photos.stores.path import MEMORY, AnyPath, StorePath, path_of

_OWN = ("RESTORE_WEIGHTS_DIR", "RESTORE_CACHE_DIR", "RESTORE_CLUSTER")
"""Variables that are about this machine or this process alone."""
_STORES = ("AWS_", "FSSPEC_", "GOOGLE_", "S3_")
"""What the names of variables begin with that clients of stores read."""


def restore_on_cluster(description: RunDescription, found: Sequence[Found]) -> None:
    """Run over the inputs and leave by the exit code of what happened.

    Weights are found here, once; how networks are run is decided by the first worker, since this machine may
    have no GPU.

    Args:
        description: what was asked for.
        found: its inputs.

    Raises:
        RestoreError: nothing could be started: weights, cluster, device.
        typer.Exit: with the run's exit code.
    """
    options = description.shared
    wanted = actors.Wanted(
        options.cluster or "auto",
        number(options.workers, "--workers"),
        level(options.gpus_per_worker, "--gpus-per-worker", 0, MOST_GPUS),
    )
    places = _places(found, options)
    folder = str(Path.cwd()) if any(isinstance(place, Path) for place in places) else ""
    report = reporter(options, each=any(step.own.says_each for step in description.steps))
    here = replace(description, shared=replace(options, device="cpu"))
    with download_bar(wanted=not (options.quiet or options.json_lines)) as progress:
        ready = make_ready(here, progress=progress, say=report.note, warn=report.warn, load=False)
    with _joined(wanted), stopping("what workers have begun is finished first", report):
        weights, share = actors.sent(ready.models.found), actors.share_of_memory(wanted)
        order = Order(
            _for_workers(description), weights, _environment(), share, fetch=actors.fetch, folder=folder
        )
        workers = actors.Actors(order, wanted, interrupted)
        about = workers.about
        facts = tuple(about.facts[each.name] for each in ready.expected if each.name in about.facts)
        ready = replace(ready, description=description, given=facts)
        plan = planned(description, found, ready.settings)
        event = plan_event(plan, ready, f"{workers.size} × {','.join(about.devices)}")
        say_plan(plan, ready, report, event)
        workers.begin(ready.settings)
        look = partial(looking, ready.settings)
        # Ray prints what it says of dead workers; standard output is for events, whose reporter holds it.
        with (
            comparing(description, plan.photos, event, report) as (followed, _),
            redirect_stdout(sys.stderr),
        ):
            tally = crew.run(plan, workers, followed, interrupted, look=look, fail_fast=options.fail_fast)
    raise typer.Exit(exit_code(tally))


def _places(found: Sequence[Found], options: SharedOptions) -> list[AnyPath]:
    """Return where photos are read from and written to; refuse what only this process has.

    Raises:
        UsageError: standard input or output, a pipe, or this process's memory.
    """
    if options.output == "-" or any(item.is_stream for item in found):
        raise UsageError(
            "--cluster and standard input or output, or pipes, do not go together", "leave --cluster out"
        )
    places: list[AnyPath] = [item.path for item in found]
    places += [path_of(options.output)] if options.output else []
    if any(isinstance(place, StorePath) and place.scheme == MEMORY for place in places):
        raise UsageError(
            "memory:// is in this process alone, where no worker of a cluster sees it", "leave --cluster out"
        )
    return places


def _for_workers(description: RunDescription) -> RunDescription:
    """Return the run as workers are told of it: they find no inputs, and are told all else."""
    return replace(
        description, shared=replace(description.shared, inputs=None, files_from=None, dry_run=False)
    )


def _environment() -> dict[str, str]:
    """Return the variables that workers need: of this tool, and of the clients of stores."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name.startswith("RESTORE_") and name not in _OWN) or name.startswith(_STORES)
    }


@contextmanager
def _joined(wanted: actors.Wanted) -> Iterator[None]:
    actors.join(wanted)
    try:
        yield
    finally:
        actors.leave()
