from __future__ import annotations

import pytest
import torch
from torch import nn

from restorecli.training.muon import Muon, is_matrix, orthogonal


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_every_direction_of_a_step_gets_about_the_same_length(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    lengths = torch.diagonal(u.T @ orthogonal(matrix) @ v.T)  # in the gradient's own directions
    assert lengths.min() > 0.6 and lengths.max() < 1.3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
def test_steps_of_a_matrix_are_those_of_torch() -> None:
    torch.manual_seed(2)
    start = torch.randn(8, 24)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimisers = [
        Muon([ours], lr=0.02),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(4):
        gradient = torch.randn(8, 24)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimiser in optimisers:
            optimiser.step()
    moved = (theirs - start).detach()
    # torch makes the matrix orthogonal in bfloat16
    assert (ours - theirs).detach().norm() < 0.03 * moved.norm()


def test_a_convolution_is_one_matrix_whatever_its_memory_layout() -> None:
    torch.manual_seed(3)
    start, gradient = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    moved = []
    for arranged in (start.clone(), start.flatten(1), start.clone().to(memory_format=torch.channels_last)):
        weight = nn.Parameter(arranged)
        weight.grad = gradient.view(arranged.shape).clone()
        Muon([weight], lr=0.1).step()
        moved.append(weight.detach().reshape(6, -1))
    assert torch.allclose(moved[0], moved[1], atol=1e-5)
    assert torch.allclose(moved[0], moved[2], atol=1e-5)


def test_narrow_weights_are_left_to_adam() -> None:
    assert is_matrix(torch.zeros(8, 3, 3, 3))
    assert not is_matrix(torch.zeros(3, 8, 3, 3))
    assert not is_matrix(torch.zeros(64))
