from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from restorecli.errors import CheckpointError, WeightsError
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.models.spandrel_network import SpandrelNetwork, load_spandrel


class Descriptor:
    """Stands in for spandrel's ImageModelDescriptor: a ×2 network that wants sides of 8 or more, in 4s."""

    def __init__(self, *, square: bool = False, half: bool = False) -> None:
        self.model = nn.Upsample(scale_factor=2, mode="nearest")
        self.architecture = SimpleNamespace(name="Enlarger")
        self.scale, self.input_channels, self.output_channels = 2, 3, 3
        self.supports_half, self.supports_bfloat16 = half, True
        self.tiling = SimpleNamespace(name="DISCOURAGED")
        self.size_requirements = SimpleNamespace(minimum=8, multiple_of=4, square=square)
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape[-2:]))
        result: Tensor = self.model(image)
        return result


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.safetensors"
    save_file({"layer.weight": torch.zeros(1)}, path)
    return path


def install(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> None:
    """Put a module called spandrel in place, whose loader gives (or raises) ``outcome``."""

    def from_state_dict(self: Any, state: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    module = ModuleType("spandrel")
    loader = type("ModelLoader", (), {"__init__": lambda self, device: None})
    loader.load_from_state_dict = from_state_dict  # type: ignore[attr-defined]
    module.ModelLoader = loader  # type: ignore[attr-defined]
    module.ImageModelDescriptor = Descriptor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spandrel", module)


@pytest.mark.parametrize(("size", "seen"), [((5, 13), (8, 16)), ((8, 16), (8, 16)), ((1, 1), (8, 8))])
def test_sides_are_padded_to_what_the_network_wants(size: tuple[int, int], seen: tuple[int, int]) -> None:
    descriptor = Descriptor()
    image = torch.rand(1, 3, *size)
    output = SpandrelNetwork(descriptor)(image)
    assert descriptor.seen == [seen]
    assert torch.equal(output, image.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_a_network_that_wants_squares_gets_them() -> None:
    descriptor = Descriptor(square=True)
    assert SpandrelNetwork(descriptor)(torch.rand(1, 3, 8, 20)).shape == (1, 3, 16, 40)
    assert descriptor.seen == [(20, 20)]


def test_what_spandrel_knows_of_half_precision_and_tiling_is_kept() -> None:
    network = SpandrelNetwork(Descriptor())
    assert network.half_unsafe == ("model",) and network.supports_bfloat16 and network.tiling == "discouraged"
    assert SpandrelNetwork(Descriptor(half=True)).half_unsafe == ()
    assert (network.scale, network.in_channels, network.architecture) == (2, 3, "Enlarger")


def test_a_foreign_file_is_run_through_spandrel(monkeypatch: pytest.MonkeyPatch, foreign: Path) -> None:
    install(monkeypatch, Descriptor())
    found = resolve(ModelRequest("upscale", weights=foreign))
    assert (found.network, found.variant, found.path) == ("spandrel", "file", foreign)
    assert load(found).scale == 2


def test_without_spandrel_the_message_names_the_command(
    monkeypatch: pytest.MonkeyPatch, foreign: Path
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(WeightsError, match="optional package spandrel") as caught:
        resolve(ModelRequest("upscale", weights=foreign))
    assert "pip install 'restorecli[spandrel]'" in caught.value.hint


def test_a_companion_without_spandrel_is_not_even_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restorecli.models.resolve.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="swinir-x4 needs the optional package spandrel"):
        resolve(ModelRequest("upscale", model="swinir", scale=4))


def test_what_spandrel_does_not_know_is_an_error_too(monkeypatch: pytest.MonkeyPatch, foreign: Path) -> None:
    install(monkeypatch, RuntimeError("Unsupported"))
    with pytest.raises(CheckpointError, match="does not recognise it: Unsupported"):
        load_spandrel(foreign)
    masked = SimpleNamespace(architecture=SimpleNamespace(name="Inpainter"))
    install(monkeypatch, masked)
    with pytest.raises(CheckpointError, match="Inpainter, which wants more than one image"):
        load_spandrel(foreign)
