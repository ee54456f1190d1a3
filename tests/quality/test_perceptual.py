"""LPIPS is had where it can be, and where it cannot, why is said and nothing fails."""

from __future__ import annotations

import importlib.machinery
import sys
import types
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.quality import perceptual
from restorecli.quality.perceptual import open_lpips
from tests.conftest import Done


class MeanDistance(torch.nn.Module):
    """Stands in for the package's network: takes what that takes."""

    def __init__(self, net: str, verbose: bool) -> None:
        super().__init__()
        assert net == "alex"

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        assert one.shape == other.shape and one.shape[1] == 3 and min(one.shape[2:]) >= 31
        assert one.min() >= -1 and one.max() <= 1
        return (one - other).abs().mean().view(1, 1, 1, 1)


def installed(monkeypatch: pytest.MonkeyPatch, network: Any) -> None:
    package = types.ModuleType("lpips")
    package.__spec__ = importlib.machinery.ModuleSpec("lpips", None)
    package.LPIPS = network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lpips", package)


def failing(error: Exception) -> Callable[..., Any]:
    def network(**options: Any) -> Any:
        raise error

    return network


def test_without_the_package_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    assert open_lpips() == (None, "")


@pytest.mark.parametrize("shape", [(40, 50, 3), (40, 50, 1), (7, 90, 3)])
def test_pictures_of_any_size_and_channels_are_measured(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, MeanDistance)
    lpips, why_not = open_lpips()
    assert lpips is not None and not why_not
    black = np.zeros(shape, np.uint8)
    assert lpips(black, black) == {"lpips": 0}
    assert lpips(black + np.uint8(255), black) == {"lpips": 2}


def test_without_the_backbone_s_weights_where_they_belong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, failing(urllib.error.URLError("no route to host")))
    lpips, why_not = open_lpips()
    assert lpips is None
    assert "no route to host" in why_not and "alexnet-owt-7be5be79.pth" in why_not
    assert torch.hub.get_dir() in why_not


def test_a_torchvision_that_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, failing(RuntimeError("operator torchvision::nms does not exist")))
    lpips, why_not = open_lpips()
    assert lpips is None
    assert "torchvision::nms" in why_not and f"fits torch {torch.__version__}" in why_not


def test_bench_goes_on_without(
    restore: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, failing(urllib.error.URLError("no route to host")))
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    done = restore("bench", "--data", tmp_path, "-x", 2, "--device", "cpu")
    assert done.code == 0
    assert "LPIPS is left out" in done.err and "LPIPS is left out" not in done.out
