"""The stages that enlarge: networks one after the other, by a factor that perhaps none of them has."""

from __future__ import annotations

import math
from collections.abc import Sequence

from restorecli.commands.upscale_steps import factor_of, fewest
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.stages import Stage
from restorecli.tasks.upscale import Upscale


def upscale_stages(scale: float, requests: Sequence[ModelRequest], models: Models) -> list[Stage]:
    """Return the stages that enlarge by ``scale``, and say so where there are several or a resize.

    Args:
        scale: the factor that was asked for.
        requests: what `upscale_steps.requests_for` returned for it.
        models: where the networks come from, and what shows messages.

    Raises:
        RestoreError: the file of weights that was given cannot be used.
    """
    factor = factor_of(scale)
    steps = [request.scale for request in requests if request.scale is not None]
    if not steps:
        steps = _steps_of_file(scale, requests[0], models)
        requests = [requests[0]] * len(steps)
    then = factor / math.prod(steps)
    tasks = [Upscale(step) for step in steps[:-1]] + [Upscale(steps[-1], then)]
    if len(steps) > 1 or then != 1:
        resize = "" if then == 1 else f", then a bicubic resize by {float(then):.3g}"
        models.say(f"×{scale:g} is made by {' and '.join(f'×{step}' for step in steps)}{resize}")
    return [Stage(task, request) for task, request in zip(tasks, requests, strict=True)]


def _steps_of_file(scale: float, wanted: ModelRequest, models: Models) -> list[int]:
    """Return the scales to go through with the network of a file of weights."""
    network = models.get(wanted).network
    if network.scale == 1:  # real super-resolution at the output's size
        return [math.ceil(factor_of(scale))]
    return list(fewest(factor_of(scale), [network.scale]))
