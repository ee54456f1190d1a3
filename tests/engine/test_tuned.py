"""What was tuned is what later runs take, unless the user says otherwise."""

from __future__ import annotations

import pytest
import torch

from restorecli.engine import tuned
from restorecli.engine.facts import read_facts
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.networks.network import Network

CPU = torch.device("cpu")


class Tiny(Network):
    def __init__(self) -> None:
        super().__init__()
        self.settings = {"features": 5}
        self.body = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.body(x)
        return result


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("RESTORE_CACHE_DIR", str(tmp_path))


def test_later_runs_take_the_tuned_tile_and_batch() -> None:
    tuned.remember_tuned(read_facts(Tiny()), CPU, "fp32", tile=96)
    tuned.remember_tuned(read_facts(Tiny()), CPU, "fp32", batch=3)
    prepared = prepare(Tiny(), RunSettings(device="cpu", precision="fp32"))
    assert (prepared.tile, prepared.batch) == (96, 3)
    assert any(tuned.REASON in reason for reason in prepared.reasons)


def test_what_the_user_asks_for_goes_before_what_was_tuned() -> None:
    tuned.remember_tuned(read_facts(Tiny()), CPU, "fp32", tile=96, batch=3)
    prepared = prepare(Tiny(), RunSettings(device="cpu", precision="fp32", tile=64, batch=2))
    assert (prepared.tile, prepared.batch) == (64, 2)


def test_another_precision_is_not_tuned_by_it() -> None:
    tuned.remember_tuned(read_facts(Tiny()), CPU, "bf16", tile=96)
    assert tuned.recall_tuned(read_facts(Tiny()), CPU, "fp32") == tuned.Tuned()


@pytest.mark.parametrize("given", [None, "1"])
def test_tuned_threads_are_used_unless_the_environment_says_otherwise(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in tuned.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    before = torch.get_num_threads()
    tuned.remember_threads(CPU, before + 1)
    try:
        prepare(Tiny(), RunSettings(device="cpu", precision="fp32"))
        assert torch.get_num_threads() == (before if given else before + 1)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("odd", ["wide", -4, 2.5, True, None])
def test_an_edited_cache_file_does_no_harm(odd: object) -> None:
    from restorecli.engine.cache import remember
    from restorecli.engine.precision import device_key

    facts = read_facts(Tiny())
    remember("|".join(["tuned", facts.identity, "fp32", device_key(CPU)]), {"tile": odd, "batch": odd})
    assert tuned.recall_tuned(facts, CPU, "fp32") == tuned.Tuned()
