import pytest
import torch

from restorecli.engine import selftest
from restorecli.engine.selftest import self_test

CPU = torch.device("cpu")


def test_the_cpu_passes_in_float32_and_bf16():
    rows = {row.precision: row for row in self_test(CPU)}
    assert set(rows) == {"fp32", "fp16", "bf16"}
    assert rows["fp32"].ok and rows["bf16"].ok and rows["fp32"].psnr > rows["bf16"].psnr
    assert rows["fp32"].message == "" and rows["fp32"].device == "cpu"


def test_a_device_that_gives_black_or_nan_is_told(monkeypatch: pytest.MonkeyPatch):
    real = selftest.replica

    def faulty(network, device, precision):
        call = real(network, device, precision)
        return (lambda x: call(x) * torch.nan) if precision == "fp16" else call

    monkeypatch.setattr(selftest, "replica", faulty)
    row = next(row for row in self_test(CPU) if row.precision == "fp16")
    assert not row.ok and "expected" in row.message


def test_the_self_test_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    self_test(CPU)
    assert torch.equal(torch.get_rng_state(), before)
