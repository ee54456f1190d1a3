from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from restorecli.engine.precision import choose
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import CheckpointError, WeightsError
from restorecli.models.cache import sha256_of
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.models.spandrel_network import (
    NoiseMapNetwork,
    QualityMapNetwork,
    SpandrelNetwork,
    load_spandrel,
)
from tests.models.conftest import catalogue, paper


class Descriptor:
    """Stands in for spandrel's ImageModelDescriptor: a ×2 network, one image at a time."""

    def __init__(
        self, model: nn.Module | None = None, *, name: str = "Enlarger", scale: int = 2, half: bool = False
    ) -> None:
        self.model = model or nn.Upsample(scale_factor=2, mode="nearest")
        self.architecture = SimpleNamespace(id=name, name=name)
        self.scale, self.input_channels, self.output_channels = scale, 3, 3
        self.supports_half, self.supports_bfloat16 = half, True
        self.tiling = SimpleNamespace(name="DISCOURAGED")
        self.size_requirements = SimpleNamespace(minimum=0, multiple_of=8, square=False)

    def __call__(self, image: Tensor) -> Tensor:
        if image.shape[0] != 1:
            raise ValueError("spandrel takes one image at a time")
        result: Tensor = self.model(image)
        return result


class Unsupported(Exception):
    """Stands in for spandrel's error of that name."""


class Recorder(nn.Module):
    """Keeps what it is called with; gives back twice the picture, as FBCNN beside the quality if asked."""

    def __init__(self, *, pair: bool = False) -> None:
        super().__init__()
        self.pair = pair
        self.calls: list[tuple[Tensor, ...]] = []

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        self.calls.append(given)
        picture = 2 * given[0][:, :3]
        return (picture, given[1]) if self.pair else picture


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
    module.canonicalize_state_dict = lambda state: state.get("params", state)  # type: ignore[attr-defined]
    module.UnsupportedModelError = Unsupported  # type: ignore[attr-defined]
    module.ImageModelDescriptor = Descriptor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spandrel", module)


def test_a_batch_is_given_image_by_image() -> None:
    images = torch.rand(3, 3, 5, 7)
    output = SpandrelNetwork(Descriptor())(images)
    assert torch.equal(output, images.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_what_spandrel_knows_of_half_precision_and_tiling_is_kept() -> None:
    network = SpandrelNetwork(Descriptor())
    assert (network.supports_half, network.supports_bfloat16) == (False, True)
    assert network.tiling == "discouraged" and network.prefers_whole and network.side_multiple == 8
    assert SpandrelNetwork(Descriptor(half=True)).supports_half
    assert (network.scale, network.in_channels, network.architecture) == (2, 3, "Enlarger")


def test_the_engine_keeps_to_what_spandrel_knows() -> None:
    prepared = prepare(SpandrelNetwork(Descriptor()), RunSettings(device="cpu", precision="fp32"))
    assert prepared.tile == 0
    chosen = choose(SpandrelNetwork(Descriptor()), torch.device("meta"), "fp16")
    assert chosen.precision == "fp32" and chosen.warnings == (
        "the network is not made for fp16: fp32 is used",
    )


def test_drunet_gets_the_noise_level_and_sides_in_eights() -> None:
    model = Recorder()
    network = NoiseMapNetwork(Descriptor(model, name="DRUNet", scale=1))
    assert (network.in_channels, network.out_channels, network.extra_input) == (4, 3, "noise map")
    picture = torch.rand(1, 3, 5, 11)
    output = network(torch.cat([picture, torch.full((1, 1, 5, 11), 20 / 255)], dim=1))
    (seen,) = model.calls[0]
    assert seen.shape == (1, 4, 8, 16) and torch.equal(seen[:, :3, :5, :11], picture)
    assert torch.equal(seen[:, 3], torch.full((1, 8, 16), 20 / 255))
    assert torch.equal(output, (2 * picture).clamp(0, 1))


def test_fbcnn_gets_the_quality_of_each_photo_in_its_own_count() -> None:
    model = Recorder(pair=True)
    network = QualityMapNetwork(Descriptor(model, name="FBCNN", scale=1))
    assert (network.in_channels, network.out_channels, network.extra_input) == (4, 3, "quality map")
    maps = torch.tensor([1 - 30 / 100, 1 - 90 / 100]).view(2, 1, 1, 1).expand(2, 1, 5, 6)
    output = network(torch.cat([torch.rand(2, 3, 5, 6), maps], dim=1))
    assert [quality.shape for _, quality in model.calls] == [(1, 1), (1, 1)]
    assert [float(quality) for _, quality in model.calls] == pytest.approx([0.7, 0.1])
    assert output.shape == (2, 3, 5, 6) and float(output.max()) <= 1


def test_the_class_follows_from_the_architecture(monkeypatch: pytest.MonkeyPatch, foreign: Path) -> None:
    install(monkeypatch, Descriptor(name="DRUNet", scale=1))
    assert isinstance(load_spandrel(foreign), NoiseMapNetwork)
    install(monkeypatch, Descriptor())
    assert type(load_spandrel(foreign)) is SpandrelNetwork


def test_a_file_that_the_catalogue_knows_by_digest_is_its_entry(
    monkeypatch: pytest.MonkeyPatch, foreign: Path, tmp_path: Path
) -> None:
    install(monkeypatch, Descriptor())
    table = {**paper("http://127.0.0.1:9/"), "sha256": sha256_of(foreign), "level": 25, "task": "denoise"}
    known = catalogue(tmp_path, {**table, "settings": {}}, loader="spandrel")
    found = resolve(ModelRequest("denoise", weights=foreign), registry=known)
    assert found.entry is not None and found.level == 25 and found.network == "spandrel"
    with pytest.raises(CheckpointError, match="is tiny-x2, a model for denoise, not for upscale"):
        resolve(ModelRequest("upscale", weights=foreign), registry=known)


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
    install(monkeypatch, Unsupported())
    with pytest.raises(CheckpointError, match="not of a network that spandrel knows"):
        load_spandrel(foreign)
    install(monkeypatch, RuntimeError("size mismatch\nand more"))
    with pytest.raises(CheckpointError, match=r"spandrel cannot build it: size mismatch$"):
        load_spandrel(foreign)
    masked = SimpleNamespace(architecture=SimpleNamespace(name="Inpainter"))
    install(monkeypatch, masked)
    with pytest.raises(CheckpointError, match="Inpainter, which takes more than one image"):
        load_spandrel(foreign)
