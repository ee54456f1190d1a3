"""Where a run is done: in this process, or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from restorecli.cli.cluster.on_cluster import restore_on_cluster
from restorecli.cli.restoring import restore
from restorecli.commands.description import RunDescription
from restorecli.photos.inputs import Found


def carry_out(description: RunDescription, found: Sequence[Found]) -> None:
    """Run over the inputs, where ``--cluster`` says, and leave by the exit code of what happened.

    Args:
        description: what was asked for.
        found: its inputs, as `early.begin` returned them.

    Raises:
        RestoreError: nothing could be started: weights, device, cluster.
        typer.Exit: with the run's exit code.
    """
    (restore if description.shared.cluster is None else restore_on_cluster)(description, found)
