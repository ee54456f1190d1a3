"""Self-ensemble: a network's mean over flips and rotations ("enhanced prediction", Timofte et al. 2016).

Each symmetry is a horizontal flip, a vertical flip and a transposition, each done or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# name → (transpose first, flip rows, flip columns)
_STEPS = {
    "identity": (False, False, False),
    "flip-x": (False, False, True),
    "flip-y": (False, True, False),
    "rotate-180": (False, True, True),
    "transpose": (True, False, False),
    "rotate-90": (True, True, False),
    "rotate-270": (True, False, True),
    "anti-transpose": (True, True, True),
}


def transform(x: Tensor, name: str) -> Tensor:
    """Return ``x`` (…×H×W) under the symmetry ``name`` of `settings.TRANSFORMS`."""
    transpose, *flips = _STEPS[name]
    x = x.transpose(-2, -1) if transpose else x
    return _flip(x, flips)


def undo(x: Tensor, name: str) -> Tensor:
    """Return ``x`` (…×H×W) under the inverse of the symmetry ``name``."""
    transpose, *flips = _STEPS[name]
    x = _flip(x, flips)
    return x.transpose(-2, -1) if transpose else x


def self_ensemble(network: Callable[[Tensor], Tensor], x: Tensor, transforms: Sequence[str]) -> Tensor:
    """Return the mean of ``network`` over ``transforms`` of ``x``, each undone on its output.

    Args:
        network: B×C×H×W → B×C'×sH×sW.
        x: B×C×H×W.
        transforms: names of `settings.TRANSFORMS`, at least one.

    Returns:
        B×C'×sH×sW, float32 (summed in float32 whatever the network's precision).
    """
    total: Tensor | None = None
    for name in transforms:
        result = undo(network(transform(x, name).contiguous()), name).float()
        total = result.clone() if total is None else total.add_(result)
    assert total is not None
    return total.div_(len(transforms))


def _flip(x: Tensor, flips: Sequence[bool]) -> Tensor:
    dims = [dim for dim, flip in zip((-2, -1), flips, strict=True) if flip]
    return torch.flip(x, dims) if dims else x
