import pytest
import torch

from restorecli.engine import device as devices
from restorecli.engine.device import available_devices, capability_supported, describe, parse_devices
from restorecli.errors import DeviceError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two NVIDIA GPUs, as far as questions about them go."""

    class Properties:
        def __init__(self, index: int) -> None:
            self.major, self.minor, self.total_memory = 8, 6, (8 + 8 * index) * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties(device.index))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90"])


def names(spec: str) -> list[str]:
    return [str(device) for device in parse_devices(spec)[0]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("cpu", ["cpu"]),
        ("cuda", ["cuda:0"]),
        ("cuda:1", ["cuda:1"]),
        ("cuda:0,cuda:1", ["cuda:0", "cuda:1"]),
        (" CUDA:1 , cpu ", ["cuda:1", "cpu"]),
        ("all", ["cuda:0", "cuda:1"]),
        ("auto", ["cuda:1"]),
    ],
)
def test_specs_name_devices(two_gpus: None, spec: str, expected: list[str]):
    assert names(spec) == expected


@pytest.mark.parametrize("spec", ["cuda:2", "mps", "xpu", "cpu:1", "cuda:0,cuda:7"])
def test_a_missing_device_is_an_error_that_says_what_there_is(two_gpus: None, spec: str):
    with pytest.raises(DeviceError, match="no device") as caught:
        parse_devices(spec)
    assert "cuda:0, cuda:1, cpu" in caught.value.hint


@pytest.mark.parametrize("spec", ["gpu", "", "cuda:x", "cuda:0,", "cuda:-1"])
def test_an_unknown_device_is_an_error(two_gpus: None, spec: str):
    with pytest.raises(DeviceError, match="unknown device"):
        parse_devices(spec)


def test_a_gpu_this_torch_is_not_built_for_is_refused_by_name(
    two_gpus: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    with pytest.raises(DeviceError, match=r"GPU 0 has compute capability 8\.6"):
        parse_devices("cuda")


def test_auto_passes_over_a_gpu_that_torch_is_not_built_for(two_gpus: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    found, warnings = parse_devices("auto")
    assert [str(device) for device in found] == ["cpu"]
    assert len(warnings) == 2 and "cuda:0 is not used" in warnings[0]


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 6), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((9, 0), ["sm_80", "compute_80"], True),
        ((7, 5), ["sm_80", "compute_80"], False),
        ((12, 0), ["sm_90", "sm_120"], True),
        ((9, 0), ["sm_90a"], True),
        ((10, 3), ["sm_100a"], False),
        ((6, 1), [], False),
    ],
)
def test_which_builds_run_on_which_gpu(capability: tuple[int, int], built: list[str], runs: bool):
    assert capability_supported(capability, built) is runs


def test_the_cpu_is_always_there_and_has_a_name():
    assert available_devices()[-1] == torch.device("cpu")
    assert describe(torch.device("cpu"))
    assert devices.unusable_reason(torch.device("cpu")) is None
