"""``restore run``: several steps, one after the other, without files between them."""

from __future__ import annotations

import os
from dataclasses import replace

from restorecli.cli.chain import EXAMPLE, ChainOptions, read_chain
from restorecli.cli.loading_line import loading
from restorecli.cli.signature import with_options
from restorecli.commands.auto import NOT_FOR_ALL
from restorecli.commands.description import RunDescription, Step
from restorecli.commands.options import SharedOptions
from restorecli.configuration.keys import RUN, STEPS
from restorecli.configuration.sources import Sources, sources_for
from restorecli.errors import UsageError


@with_options(ChainOptions, SharedOptions, needs=("steps", "files_from"), without=NOT_FOR_ALL, table=RUN)
def run(chain: ChainOptions, shared: SharedOptions) -> None:
    """Take photos through several steps, with no files between them.

    Each step is a command with its own options, and with --model, --variant, --weights of its own. Photos are
    decoded once and encoded once. A preset or a restore.toml may hold the steps: then only photos are named.

    Example: restore run 'dejpeg | denoise --strength 0.8 | upscale -x2' photos/

    Example: restore run --preset scans photos/
    """
    from restorecli.commands.early import begin

    sources = sources_for([chain.steps, *(shared.inputs or [])], shared.preset, shared.config)
    steps, shared = _sorted_out(chain.steps, shared, sources)
    if not shared.inputs and not shared.files_from:
        if steps == chain.steps and os.path.lexists(steps):
            raise UsageError(f"{steps} is no step but a file or folder: the steps are missing", EXAMPLE)
        raise UsageError("no files or folders are named", "name them behind the steps")
    description = RunDescription(_read(steps, chain.steps, sources), shared)
    found = begin(description)
    with loading(quiet=shared.quiet):
        from restorecli.cli.cluster.where import carry_out  # imports torch

    carry_out(description, found)


def _read(steps: str, typed: str, sources: Sources) -> tuple[Step, ...]:
    """Return the steps; what is wrong with those of a preset or a file is said with their place."""
    try:
        return read_chain(steps, sources)
    except UsageError as error:
        entry = sources.of(RUN).get(STEPS)
        if entry is None or steps == typed or entry.place in error.message:
            raise
        raise UsageError(f"{entry.place}: {error.message}", error.hint) from None


def _sorted_out(first: str, shared: SharedOptions, sources: Sources) -> tuple[str, SharedOptions]:
    """Return the steps, and the options with all inputs.

    The first argument is a photo where a preset or file holds the steps, and it exists.
    """
    known = sources.of(RUN).get(STEPS)
    if known is None or (first and not os.path.lexists(first)):
        return first, shared
    if not isinstance(known.value, str):
        raise UsageError(f"{known.place}: {known.key} is no text", "write steps = 'dejpeg | denoise'")
    return known.value, replace(shared, inputs=[*([first] if first else []), *(shared.inputs or [])])
