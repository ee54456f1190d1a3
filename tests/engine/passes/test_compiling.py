from __future__ import annotations

import pytest
import torch
from torch import Tensor

from restorecli.engine.passes.compiling import Compiled, keep_from_tracing
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.networks import layout
from restorecli.networks.network import Network


class Doubled(Network):
    def __init__(self) -> None:
        super().__init__()
        self.settings = {}
        self.weight = torch.nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def test_a_network_that_cannot_be_compiled_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(_: object) -> object:
        def fail(_: Tensor) -> Tensor:
            raise RuntimeError("no C++ compiler\nand a long trace")

        return fail

    monkeypatch.setattr(torch, "compile", no_compiler)
    messages: list[str] = []
    compiled = Compiled(lambda x: x + 1, messages.append)
    assert torch.equal(compiled(torch.zeros(1, 1, 2, 2)), torch.ones(1, 1, 2, 2))
    assert torch.equal(compiled(torch.zeros(1, 1, 2, 2)), torch.ones(1, 1, 2, 2))
    assert messages == ["the network runs uncompiled: RuntimeError: no C++ compiler"]


def test_a_shortage_of_memory_is_no_fault_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(torch, "compile", lambda _: short)
    with pytest.raises(torch.OutOfMemoryError):
        Compiled(lambda x: x, lambda _: None)(torch.zeros(1, 1, 2, 2))


def test_what_compiling_costs_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network: network)
    monkeypatch.setattr("restorecli.engine.passes.compiling.NOTABLE", 0.0)
    settings = RunSettings(tile=8, overlap=2, precision="fp32", device="cpu", compile=True)
    prepared = prepare(Doubled().eval(), settings)
    image = torch.rand(1, 3, 20, 20)
    first, second = run(prepared, image), run(prepared, image)
    assert [warning for warning in first.warnings if "compiling" in warning]
    assert not [warning for warning in second.warnings if "compiling" in warning]
    torch.testing.assert_close(first.output, image * 0.5)


def test_methods_that_cannot_be_traced_are_kept_from_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "disable", lambda method: ("kept", method))
    network = layout("nlsn").make(features=8, blocks=1, scale=2, blocks_per_attention=1)
    composed = network.tail._composed
    keep_from_tracing(network)
    assert network.tail._composed == ("kept", composed)


@pytest.mark.slow
def test_a_compiled_network_that_enlarges_gives_the_same_pixels() -> None:
    network = layout("rnan").make(features=8, blocks=1, scale=2, in_channels=3).eval()
    image = torch.rand(1, 3, 24, 24)
    messages: list[str] = []
    with torch.inference_mode():
        torch.testing.assert_close(
            Compiled(network, messages.append)(image), network(image), rtol=1e-4, atol=1e-3
        )
    assert not [text for text in messages if "uncompiled" in text]


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_pixels() -> None:
    settings = RunSettings(tile=0, precision="fp32", device="cpu", compile=True)
    image = torch.rand(1, 3, 12, 12)
    torch.testing.assert_close(run(prepare(Doubled().eval(), settings), image).output, image * 0.5)
