from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from restorecli import loading
from restorecli.engine.settings import RunSettings
from restorecli.errors import WeightsError
from restorecli.loading import Models
from restorecli.models.choose import Choice, ModelRequest
from restorecli.models.registry import ModelEntry
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network

SETTINGS = RunSettings(tile=0, precision="fp32", device="cpu")


class Identity(Network):
    def __init__(self) -> None:
        super().__init__()
        self.settings = {}
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.one


class Shelf:
    """Weights for sigma 10 and 30 that cannot be fetched, light ones that can; counts what is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resolved: list[str] = []
        self.loaded: list[str] = []
        self.reachable = True
        for name in ("choose", "resolve", "load"):
            monkeypatch.setattr(loading, name, getattr(self, name))

    def entry(self, name: str) -> ModelEntry:
        return ModelEntry(name, "rnan", "denoise", f"{name}.pt", tile=48)

    def choose(self, request: ModelRequest) -> Choice:
        sigma = 10 if (request.level or 30) <= 10 else 30
        notes = (f"for sigma {sigma}",) if request.level not in (None, sigma) else ()
        return Choice(self.entry(f"s{sigma}"), self.entry("light"), notes, ("light for any sigma",))

    def resolve(self, request: ModelRequest, **_: object) -> Resolved:
        choice = self.choose(request)
        name = choice.entry.name if self.reachable else "light"
        self.resolved.append(choice.entry.name)
        warnings = () if self.reachable else (f"{choice.entry.name} cannot be had",)
        notes = (*(choice.notes if self.reachable else choice.fallback_notes), f"licence of {name}")
        return Resolved("rnan", "paper", name, self.entry(name), Path(name), notes=notes, warnings=warnings)

    def load(self, resolved: Resolved) -> Network:
        self.loaded.append(resolved.name)
        return Identity().eval()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


def test_each_network_is_loaded_once_and_only_when_it_is_needed(shelf: Shelf) -> None:
    models = Models(SETTINGS)
    assert shelf.loaded == []
    names = [models.get(ModelRequest("denoise", level=level)).resolved.name for level in (5, 7, 20, 9.5, 30)]
    assert names == ["s10", "s10", "s30", "s10", "s30"]
    assert shelf.loaded == shelf.resolved == ["s10", "s30"]


def test_notes_are_about_the_request_and_news_of_the_weights_is_said_once(shelf: Shelf) -> None:
    said: list[str] = []
    models = Models(SETTINGS, say=said.append)
    notes = [models.get(ModelRequest("denoise", level=level)).resolved.notes for level in (5, 10, 7)]
    assert notes == [("for sigma 10",), (), ("for sigma 10",)]
    assert said == ["licence of s10"]


def test_weights_that_could_not_be_had_are_not_tried_again_for_every_photo(shelf: Shelf) -> None:
    shelf.reachable = False
    said: list[str] = []
    models = Models(SETTINGS, say=said.append)
    for level in (5, 6, 7, 20, 21):
        loaded = models.get(ModelRequest("denoise", level=level))
        assert loaded.resolved.name == "light"
        assert loaded.resolved.notes == ("light for any sigma",)
        assert loaded.resolved.warnings
    assert shelf.resolved == ["s10", "s30"]
    assert shelf.loaded == ["light"]
    assert "s10 cannot be had" in said


def test_the_catalogue_s_tile_is_taken_unless_another_is_asked_for(shelf: Shelf) -> None:
    request = ModelRequest("denoise", level=5)
    asked = Models(RunSettings(tile=16, overlap=2, precision="fp32", device="cpu")).get(request)
    usual = Models(RunSettings(overlap=2, precision="fp32", device="cpu")).get(request)
    assert (asked.prepared.tile, usual.prepared.tile) == (16, 48)


def test_a_stage_may_fix_how_the_engine_runs(shelf: Shelf) -> None:
    models = Models(RunSettings(tile=17, overlap=5, precision="fp32", device="cpu"))
    request = ModelRequest("demosaic")
    plain, even, asked = (
        models.get(request, run) for run in (None, {"alignment": 2}, lambda n: {"alignment": 2 * n.scale})
    )
    tops = [{box.top % 2 for box in m.prepared.grid(70, 70).boxes} for m in (plain, even, asked)]
    assert tops == [{0, 1}, {0}, {0}]


def test_an_error_is_passed_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: ModelRequest, **_: object) -> Resolved:
        raise WeightsError("gone")

    monkeypatch.setattr(loading, "resolve", fail)
    with pytest.raises(WeightsError, match="gone"):
        Models(SETTINGS).get(ModelRequest("denoise"))
