"""``restore inspect``: what is in each photo, what `restore auto` would do to it, and how long that takes."""

from __future__ import annotations

from restorecli.cli.loading_line import loading
from restorecli.cli.signature import with_options
from restorecli.commands.auto import NOT_FOR_ALL, AutoOptions
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions

OF_RESULTS = (
    "output",
    "format",
    "jpeg_quality",
    "bits",
    "if_exists",
    "unneeded",
    "strip",
    "keep_dates",
    "jobs",
    "dry_run",
    "compare",
    "fail_fast",
    "file_timeout",
)
"""Shared options that are about results, of which there are none."""
OF_CLUSTERS = ("cluster", "workers", "gpus_per_worker")
"""Those about other machines: photos are inspected, and times measured, on this one."""
NOT_OFFERED = (*NOT_FOR_ALL, *OF_RESULTS, *OF_CLUSTERS)


@with_options(SharedOptions, AutoOptions, needs=("inputs", "files_from"), without=NOT_OFFERED, table="auto")
def inspect(shared: SharedOptions, own: AutoOptions) -> None:
    """Say what is in each photo, what restore auto would do to it, and how long that would take.

    Size, noise, JPEG quality, sharpness, depth and profile. The times are measured on this machine, by a tile
    through each network. Nothing is written.

    Example: restore inspect photos/

    Example: restore inspect photos/ --upscale 2 --json
    """
    from restorecli.commands.early import begin

    description = RunDescription.of(own, shared)
    found = begin(description)
    with loading(quiet=shared.quiet):
        from restorecli.cli.inspecting import show  # imports torch

    show(description, found)
