import pytest
import torch

from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, OutOfMemoryError
from tests.engine.samples import Convs, Identity


def test_auto_plans_a_tile_and_says_why():
    prepared = prepare(Convs(), RunSettings(device="cpu"))
    assert prepared.tile >= 32 and prepared.batch == 1 and prepared.overlap == 12
    assert prepared.devices == ("cpu",) and prepared.device_names[0]
    assert prepared.precision in ("fp32", "bf16")
    assert [reason.split()[0] for reason in prepared.reasons] == ["precision", "tile"]


def test_the_same_machine_plans_the_same_each_time():
    plans = [prepare(Convs(), RunSettings(device="cpu")) for _ in range(3)]
    assert len({(plan.tile, plan.precision, plan.reasons, plan.curve) for plan in plans}) == 1


def test_what_is_asked_for_is_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("restorecli.engine.precision._cpu_computes", lambda _: True)
    prepared = prepare(Convs(), RunSettings(device="cpu,cpu", tile=48, overlap=20, batch=3, precision="bf16"))
    assert (prepared.tile, prepared.overlap, prepared.batch, prepared.precision) == (48, 20, 3, "bf16")
    assert prepared.devices == ("cpu", "cpu") and prepared.warnings == ()


def test_more_overlap_than_half_a_tile_is_lowered_and_said():
    prepared = prepare(Identity(), RunSettings(device="cpu", precision="fp32", tile=32, overlap=32))
    assert prepared.overlap == 16 and "half" in prepared.warnings[0]
    by_network = prepare(Identity(), RunSettings(device="cpu", precision="fp32", tile=8))
    assert by_network.overlap == 4 and by_network.warnings == ()
    assert run(by_network, torch.rand(1, 3, 20, 20)).tiles < 40


def test_tile_count_is_what_a_run_takes():
    prepared = prepare(Identity(), RunSettings(device="cpu", precision="fp32", tile=24))
    result = run(prepared, torch.rand(1, 3, 70, 50))
    assert prepared.tile_count(70, 50) == result.tiles > 4


def test_a_network_too_large_for_its_device_is_said(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("restorecli.engine.lane.replica", full)
    with pytest.raises(OutOfMemoryError, match="network itself"):
        prepare(Convs(), RunSettings(device="cpu", precision="fp32"))


def test_a_precision_the_device_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch):
    def unable(*_: object) -> None:
        raise RuntimeError("not implemented for 'BFloat16'\nmore")

    monkeypatch.setattr("restorecli.engine.lane.replica", unable)
    with pytest.raises(DeviceError, match="bf16: not implemented for 'BFloat16'") as caught:
        prepare(Convs(), RunSettings(device="cpu", precision="bf16"))
    assert "fp32" in caught.value.hint
