"""``restore run``: several steps, one after the other, without files between them."""

from __future__ import annotations

from restorecli.cli.chain import ChainOptions, read_chain
from restorecli.cli.loading_line import loading
from restorecli.cli.signature import with_options
from restorecli.commands.auto import NOT_FOR_ALL
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions


@with_options(ChainOptions, SharedOptions, needs=("inputs", "files_from"), without=NOT_FOR_ALL)
def run(chain: ChainOptions, shared: SharedOptions) -> None:
    """Take photos through several steps, with no files between them.

    Each step is a command with its own options, and with --model, --variant, --weights of its own. Photos are
    decoded once and encoded once.

    Example: restore run 'dejpeg | denoise --strength 0.8 | upscale -x2' photos/
    """
    from restorecli.commands.early import begin

    description = RunDescription(read_chain(chain.steps), shared)
    found = begin(description)
    with loading(quiet=shared.quiet):
        from restorecli.cli.restoring import restore  # imports torch

    restore(description, found)
