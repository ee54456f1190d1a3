"""What training minimises: every loss asks for what it says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torch.nn import functional as F

from restorecli.errors import UsageError
from restorecli.models.registry import package_data
from restorecli.training.__main__ import run
from restorecli.training.losses import (
    Sharpness,
    edges,
    features_of,
    loss_of,
    negative_psnr,
    spread_in,
)
from restorecli.training.recipe import ROUNDING_ERROR
from tests.training.test_training import TINY, photos

__all__ = ["photos"]  # a fixture
CPU = torch.device("cpu")
SHARP = replace(TINY, loss="sharp", sharpness={"network": "nlsn-light-denoise", "depth": 2, "window": 8})


def test_training_for_psnr_counts_each_patch_by_how_far_it_is_from_what_it_could_be() -> None:
    loss = partial(negative_psnr, error_floor=ROUNDING_ERROR)
    clean = torch.rand(2, 3, 8, 8) * 0.5
    output = clean + torch.tensor([0.1, 0.003])[:, None, None, None]
    pairs = zip(clean.numpy(), output.numpy(), strict=True)
    expected = [-peak_signal_noise_ratio(c, o, data_range=1) for c, o in pairs]
    assert float(loss(output, clean)) == pytest.approx(np.mean(expected), abs=0.5)
    output.requires_grad_()
    loss(output, clean).backward()
    assert output.grad is not None
    # Halving either error gains as much, but for what rounding hides.
    gain = (output.grad * (output.detach() - clean)).sum((1, 2, 3))
    assert 0.8 < float(gain[1] / gain[0]) < 1
    perfect = loss(clean.requires_grad_(), clean.detach())
    perfect.backward()
    assert torch.isfinite(perfect) and clean.grad is not None and not clean.grad.any()


def test_below_the_error_floor_a_patch_hardly_counts() -> None:
    clean = torch.rand(2, 3, 8, 8) * 0.5
    output = (clean + torch.tensor([20 / 255, 1 / 255])[:, None, None, None]).requires_grad_()
    negative_psnr(output, clean, error_floor=4.0).backward()
    assert output.grad is not None
    gain = (output.grad * (output.detach() - clean)).sum((1, 2, 3))
    assert float(gain[1] / gain[0]) == pytest.approx((1 / 17) / (400 / 416), rel=0.01)


def no_features(picture: Tensor) -> list[Tensor]:
    return []


def texture(seed: int, strength: float = 1.0) -> Tensor:
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.1 * strength * noise


def test_sharpness_is_none_for_the_truth_itself() -> None:
    clean = texture(0)
    assert float(Sharpness(no_features)(clean, clean)) == pytest.approx(0, abs=1e-6)


def test_texture_as_strong_as_the_true_one_is_better_than_none_even_at_other_places() -> None:
    """The mean of all that might have been there wins by pixels, and loses by their spread."""
    clean, soft, other = texture(0), texture(0, 0.0), texture(1)
    assert F.mse_loss(soft, clean) < F.mse_loss(other, clean)
    loss = Sharpness(no_features, fidelity=0, pointwise=0)
    assert float(loss(other, clean)) < 0.4 * float(loss(soft, clean))
    assert float(loss(texture(1, 2.0), clean)) > 2 * float(loss(other, clean))  # nor more than there was


def test_the_spread_is_compared_window_by_window() -> None:
    """Texture moved from one half of a picture to the other is no likeness."""
    left, right = texture(0), texture(0)
    left[..., 32:], right[..., :32] = 0.5, 0.5
    near, whole = (Sharpness(no_features, fidelity=0, pointwise=0, window=side) for side in (16, 64))
    assert float(near(right, left)) > 3 * float(whole(right, left))


def test_a_grid_is_no_texture() -> None:
    """What repeats in every square that a network makes is told from what does not, however strong it is."""
    clean = texture(0)
    square = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    grid = 0.5 + 0.1 * square.repeat(1, 1, 16, 16)
    blind, seeing = (Sharpness(no_features, scale, fidelity=0, pointwise=0) for scale in (1, 4))
    assert float(seeing(grid, clean)) > 2.5 * float(blind(grid, clean))
    assert float(seeing(grid, clean)) > 1.5 * float(seeing(texture(1), clean))


def test_spread_holds_every_value_of_whole_windows_in_order() -> None:
    maps = torch.randn(2, 3, 10, 8)
    spread = spread_in(maps, 4)
    assert spread.shape == (2, 3, 4, 16)
    assert torch.equal(spread, spread.sort(-1).values)
    assert torch.equal(spread[:, :, 0].sort(-1).values, maps[:, :, :4, :4].flatten(2).sort(-1).values)
    assert spread_in(maps, 20).shape == (2, 3, 1, 80)
    by_place = spread_in(maps, 4, 2)
    assert by_place.shape == (2, 12, 4, 4)
    assert torch.equal(by_place[:, 1, 0], maps[:, 0, 0:4:2, 1:4:2].flatten(1).sort(-1).values)


def test_edges_are_those_of_luma() -> None:
    ramp = torch.arange(6.0).expand(1, 3, 5, 6)
    across, down = edges(ramp)[0]
    assert torch.allclose(across[:, :5], torch.ones(5, 5)) and not across[:, 5].any() and not down.any()


def test_features_are_those_of_the_shipped_network_and_stay_as_they_are() -> None:
    features = features_of(package_data("light") / "nlsn-light-denoise.safetensors", 4, CPU)
    picture = texture(0).requires_grad_()
    maps = features(picture)
    assert [tuple(one.shape) for one in maps] == [(1, 48, 32, 32)] * 3
    sum(one.float().square().mean() for one in maps).backward()  # type: ignore[union-attr]
    assert picture.grad is not None and picture.grad.any()
    assert not any(weight.requires_grad for weight in features.parameters())


def test_a_recipe_trains_for_sharpness(photos: Path, tmp_path: Path) -> None:
    file = run(SHARP, photos, tmp_path / "work", tmp_path, CPU)
    assert file.is_file()
    assert len((tmp_path / "work" / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"depth": 2}, "network"),
        ({"network": "nlsn-light-denoise", "depth": 2, "sharpness": 3}, "sharpness"),
        ({"network": "nlsn-light-x2", "depth": 2}, "packed"),
        ({"network": "none", "depth": 2}, "none"),
    ],
)
def test_a_loss_that_cannot_be_built_is_named(
    table: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=complaint):
        loss_of(replace(SHARP, sharpness=table), tmp_path, CPU)
