"""Which scales, one after the other, make a factor that perhaps no network has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement

from restorecli.errors import RestoreError
from restorecli.models.choose import ModelRequest, choose
from restorecli.models.registry import ModelEntry, load_registry

SCALES = (2, 3, 4, 8)
"""The scales that weights exist for."""


def factor_of(scale: float) -> Fraction:
    """Return the factor that was meant by ``-x scale``: 2.2 is 11⁄5."""
    return Fraction(str(scale))


def requests_for(scale: float, wanted: ModelRequest) -> list[ModelRequest]:
    """Return what to ask for to enlarge by ``scale``, in order; a file of weights tells its scale itself.

    Raises:
        RestoreError: the model has no weights for it.
    """
    if wanted.weights is not None:
        return [wanted]
    factor = factor_of(scale)
    scales = _available(wanted)
    if not scales:
        choose(replace(wanted, scale=int(factor) if factor.denominator == 1 else SCALES[0]))  # says why
    return [replace(wanted, scale=step) for step in fewest(factor, scales)]


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
