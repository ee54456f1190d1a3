import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine import precision
from restorecli.engine.facts import read_facts
from restorecli.engine.precision import choose, convert, photo_like, psnr, replica
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, UsageError
from tests.engine.samples import Convs

CPU = torch.device("cpu")


class Skipping(nn.Module):
    """Adds its input to its last layer's output, as restoration networks do; one layer must stay exact."""

    half_unsafe = ("exact",)

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.exact = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.tail = nn.Conv2d(8, 3, 3, padding=1)
        self.seen: list[torch.dtype] = []
        self.exact[0].register_forward_pre_hook(lambda _, args: self.seen.append(args[0].dtype))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * self.tail(self.exact(self.head(x)))


def test_exact_submodules_keep_their_weights_bit_for_bit():
    network = Skipping()
    weight = network.exact[0].weight.clone()
    convert(network, torch.bfloat16, network.half_unsafe)
    assert network.head.weight.dtype == network.tail.weight.dtype == torch.bfloat16
    assert torch.equal(network.exact[0].weight, weight)
    assert network.exact[1].running_var.dtype == torch.float32


def test_exact_submodules_get_float32_and_give_half_back():
    network = Skipping().eval()
    converted = convert(network, torch.bfloat16, network.half_unsafe)
    assert converted(torch.rand(1, 3, 8, 8)).dtype == torch.float32
    assert network.exact(torch.rand(1, 8, 4, 4).bfloat16()).dtype == torch.bfloat16
    assert set(network.seen) == {torch.float32}


def test_what_a_network_adds_to_its_input_is_added_in_float32():
    network = Skipping().eval()
    for parameter in network.tail.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(replica(network, CPU, "bf16")(x), x)


def test_a_network_that_mixes_types_runs_in_autocast():
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.table = torch.eye(4)  # float32 whatever the weights are

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).flatten(2).transpose(1, 2) @ self.table
            return y.transpose(1, 2).unflatten(2, x.shape[2:])[:, :3]

    network, x = Mixing(), torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert psnr(replica(network, CPU, "bf16")(x).float(), network(x)) > 40


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_replicas_give_what_the_network_gives(name: str):
    network, x = Convs(depth=4, width=16), photo_like(3, 48)
    with torch.no_grad():
        assert psnr(replica(network, CPU, name)(x).float(), network(x)) > (110 if name == "fp32" else 45)


def test_fp16_on_a_cpu_without_it_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "_cpu_computes", lambda _: False)
    with pytest.raises(DeviceError, match="fp16") as caught:
        choose(Convs(), CPU, "fp16")
    assert "bf16" in caught.value.hint


def test_bf16_on_a_cpu_without_it_is_done_with_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "_cpu_computes", lambda _: False)
    assert choose(Convs(), CPU, "bf16").warnings
    assert choose(Convs(), CPU, "auto").precision == "fp32"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A CPU that computes in bf16, where a call takes the seconds this gives per precision."""
    seconds = {"fp32": 1.0, "bf16": 0.5}
    monkeypatch.setattr(precision, "_cpu_computes", lambda _: True)

    def timed(call: nn.Module, x: Tensor, device: torch.device) -> float:
        return seconds["fp32" if next(call.parameters()).dtype == torch.float32 else "bf16"]

    monkeypatch.setattr(precision, "timed", timed)
    return seconds


def test_auto_takes_bf16_where_it_is_faster_and_right(measured: dict[str, float]):
    choice = choose(Convs(width=16), CPU, "auto")
    assert choice.precision == "bf16" and "2.0 times" in choice.reason


def test_auto_keeps_fp32_where_bf16_gains_nothing(measured: dict[str, float]):
    measured["bf16"] = 0.95
    assert choose(Convs(width=16), CPU, "auto").precision == "fp32"


def test_auto_keeps_fp32_where_bf16_is_wrong(measured: dict[str, float], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "RIGHT_PSNR", 200.0)
    choice = choose(Convs(width=16), CPU, "auto")
    assert choice.precision == "fp32" and "dB" in choice.reason


def test_a_choice_is_measured_once_and_kept(measured: dict[str, float], tmp_path: Path):
    network = Convs(width=16)
    first = choose(network, CPU, "auto")
    measured["bf16"] = 2.0
    assert choose(network, CPU, "auto") == first
    entries = json.loads((tmp_path / "cache" / "planner.json").read_text())
    assert [key for key in entries if key.startswith("precision|") and torch.__version__ in key]
    assert choose(Convs(depth=5, width=16), CPU, "auto").precision == "fp32"


def test_the_test_picture_is_in_range_and_always_the_same():
    picture = photo_like(4, 40)
    assert picture.shape == (1, 4, 40, 40) and picture.min() >= 0 and picture.max() <= 1
    assert torch.equal(picture, photo_like(4, 40))
    assert picture[:, 3].unique().numel() == 1 and picture[:, :3].std() > 0.05


def test_networks_of_other_settings_have_other_identities():
    assert read_facts(Convs(depth=3)).identity == read_facts(Convs(depth=3)).identity
    assert read_facts(Convs(depth=3)).identity != read_facts(Convs(depth=4)).identity


@pytest.mark.parametrize(
    "wrong",
    [
        {"tile": -1},
        {"overlap": -2},
        {"batch": 0},
        {"precision": "fp8"},
        {"transforms": ("spin",)},
        {"transforms": ()},
        {"alignment": 0},
    ],
)
def test_settings_out_of_range_are_a_usage_error(wrong):
    with pytest.raises(UsageError):
        RunSettings(**wrong)


def test_auto_leaves_out_a_precision_the_network_is_not_made_for(measured: dict[str, float]):
    network = Convs(width=16)
    network.supports_bfloat16 = False
    choice = choose(network, CPU, "auto")
    assert choice.precision == "fp32" and "not made for bf16" in choice.reason


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
def test_convolutions_on_nvidia_gpus_are_exact_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch):
    for flag, before in {"allow_tf32": True, "deterministic": False}.items():
        monkeypatch.setattr(torch.backends.cudnn, flag, before)
    with FakeGpu():
        prepare(Convs(), RunSettings(device="cuda", precision="fp32", tile=32, batch=1))
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.allow_tf32
