"""What is seen to before torch is there, whose import takes seconds: a mistake need not wait for it."""

from __future__ import annotations

import sys

from restorecli.commands.checked import check, engine_settings
from restorecli.commands.description import RunDescription
from restorecli.commands.values import number
from restorecli.errors import CheckpointError, UsageError
from restorecli.models.choose import ModelRequest, choose
from restorecli.photos.inputs import Found, find_inputs, shard
from restorecli.photos.output import check_output
from restorecli.photos.stores.path import StorePath, path_of


def begin(description: RunDescription) -> list[Found]:
    """Find the inputs, and refuse what can be seen to be wrong without torch.

    Returns:
        The inputs, `SharedOptions.shard` not applied.

    Raises:
        RestoreError: options, paths or names are wrong, or there is no input.
    """
    options = description.shared
    check(options)
    engine_settings(options)
    number(options.jobs, "--jobs")
    found = find_inputs(
        options.inputs or [],
        recursive=options.recursive,
        files_from=options.files_from,
        null=options.null,
        stdin=sys.stdin.buffer,
    )
    if options.shard:
        shard(found, options.shard)
    check_output(found, options.output, options.format)
    places = [item.path for item in found] + ([path_of(options.output)] if options.output else [])
    if options.compare is not None and any(isinstance(place, StorePath) for place in places):
        raise UsageError("--compare shows files of this machine, not of object stores", "leave it out")
    if options.keep_dates and any(isinstance(place, StorePath) for place in places[-1:]):
        raise UsageError("--keep-dates: an object's time is when it was put", "leave it out")
    for step in description.steps:
        for wanted in step.own.requests(description.shared_by(step)):
            check_request(wanted)
    return found


def check_request(wanted: ModelRequest) -> None:
    """See that the catalogue has a model for ``wanted``, or that its file of weights is there.

    Raises:
        RestoreError: neither.
    """
    if wanted.weights is None:
        choose(wanted)
    elif not wanted.weights.is_file():
        raise CheckpointError(f"no such file of weights: {wanted.weights}")
