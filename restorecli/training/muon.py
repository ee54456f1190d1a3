"""Muon: momentum whose matrices are made orthogonal before they are applied, so no direction lags behind.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the size of the
    step is that of J. Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982, section 2.2, eq. 4.
torch.optim.Muon takes matrices only and needs torch 2.9; here a convolution's O×I×k×k weights are one matrix
of O×(I·k·k).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x³, x⁵: five rounds bring every singular value to between 0.7 and 1.2."""

ROUNDS = 5
ADAM_LIKE = 0.2
"""Root mean square of the steps that Adam makes, relative to its learning rate."""

SMALLEST_SIDE = 5
"""A matrix narrower than this has hardly any directions to even out; Adam trains it."""


def orthogonal(matrix: Tensor) -> Tensor:
    """Return U·Vᵀ of matrices U·S·Vᵀ (…×m×n) to within a factor of 0.7 to 1.2 per direction."""
    tall = matrix.shape[-2] > matrix.shape[-1]
    x: Tensor = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    linear, cubic, quintic = NEWTON_SCHULZ
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = linear * x + (cubic * gram + quintic * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum.

    Args:
        weights: O×… tensors; see `is_matrix`.
        lr: learning rate; steps have the size of Adam's, so one rate serves both.
        momentum: share of the old direction that is kept.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float = 1e-3, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply the gradients; weights without one stay as they are."""
        if closure is not None:
            raise ValueError("Muon does not evaluate a closure")
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for weights in alike.values():
                self._move(weights, group)

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Take a step with weights of one shape at once: a GPU is slow at many small things."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        momentum = group["momentum"]
        for weight in weights:
            if "average" not in self.state[weight]:
                self.state[weight]["average"] = torch.zeros_like(weight)
        averages = [self.state[weight]["average"] for weight in weights]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, averages, momentum)
        directions = orthogonal(torch.stack([one.flatten(1) for one in ahead]))
        size = ADAM_LIKE * math.sqrt(max(directions.shape[1:]))
        steps = [one.view_as(weight) for one, weight in zip(directions, weights, strict=True)]
        torch._foreach_add_(weights, steps, alpha=-group["lr"] * size)


def is_matrix(weight: Tensor) -> bool:
    """Return whether Muon is for this weight: a matrix, or convolution, with enough rows and columns."""
    return weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= SMALLEST_SIDE
