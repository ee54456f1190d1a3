"""Which networks, one after the other, enlarge by a factor that perhaps none of them has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement

from restorecli.commands.options import SharedOptions
from restorecli.commands.requests import request
from restorecli.errors import RestoreError
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest, choose
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.stages import Stage
from restorecli.tasks.upscale import Upscale

SCALES = (2, 3, 4, 8)
"""The scales that weights exist for."""


def upscale_stages(
    scale: float, degradation: str | None, models: Models, options: SharedOptions
) -> list[Stage]:
    """Return the stages that enlarge by ``scale``, and say so where there are several or a resize.

    Raises:
        RestoreError: the model has no weights for it, or the file given cannot be used.
    """
    factor = Fraction(str(scale))
    wanted = request("upscale", options, degradation=degradation)
    steps, scales = _steps(factor, wanted, models)
    then = factor / math.prod(steps)
    tasks = [Upscale(step) for step in steps[:-1]] + [Upscale(steps[-1], then)]
    if len(steps) > 1 or then != 1:
        resize = "" if then == 1 else f", then a bicubic resize by {float(then):.3g}"
        models.say(f"×{scale:g} is made by {' and '.join(f'×{step}' for step in steps)}{resize}")
    return [
        Stage(task, replace(wanted, scale=step if step in scales else None))
        for task, step in zip(tasks, steps, strict=True)
    ]


def _steps(factor: Fraction, wanted: ModelRequest, models: Models) -> tuple[Sequence[int], Sequence[int]]:
    """Return the scales to go through, and the scales there are weights for."""
    if wanted.weights is not None:
        network = models.get(wanted).network
        if network.scale == 1:  # real super-resolution at the output's size
            return [math.ceil(factor)], []
        return fewest(factor, [network.scale]), []
    scales = _available(wanted)
    if factor.denominator == 1 and not scales:
        choose(replace(wanted, scale=int(factor)))  # says what is wrong
    if not scales:
        choose(replace(wanted, scale=SCALES[0]))
    return fewest(factor, scales), scales


def _available(wanted: ModelRequest) -> list[int]:
    """Return the scales that the model has weights for, without fetching any.

    Where no model is named, they are those of one network: of the one that comes with the package, or else of
    the best that needs no optional package.
    """
    found: dict[int, ModelEntry] = {}
    for scale in SCALES:
        try:
            found[scale] = choose(replace(wanted, scale=scale)).entry
        except RestoreError:
            continue
    if wanted.model is None and found:
        loaders = {name: info.loader for name, info in load_registry().networks.items()}
        best = min(found.values(), key=lambda e: (not e.ships, loaders[e.network] != "native", e.rank))
        found = {scale: entry for scale, entry in found.items() if entry.network == best.network}
    return list(found)


def fewest(factor: Fraction, scales: Sequence[int]) -> Sequence[int]:
    """Return the fewest ``scales`` whose product reaches ``factor``, as little beyond it as can be.

    The smallest comes first: so the networks have the fewest pixels to work on.
    """
    count = math.ceil(math.log(factor, max(scales)) - 1e-9)
    ways = combinations_with_replacement(sorted(scales), max(1, count))
    return min((steps for steps in ways if math.prod(steps) >= factor), key=math.prod)
