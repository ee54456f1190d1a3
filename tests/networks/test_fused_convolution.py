from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.precision import psnr
from restorecli.networks import fused_convolution
from restorecli.networks.layers import ResBlock

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    fused_convolution._works.cache_clear()
    with FakeGpu() as gpu, torch.inference_mode():
        yield gpu
    fused_convolution._works.cache_clear()


def block(features: int, activation: nn.Module | None = None) -> ResBlock:
    torch.manual_seed(features)
    made = ResBlock(features, activation or nn.ReLU(inplace=True), res_scale=0.3)
    nn.init.normal_(made.conv_in.bias)
    nn.init.normal_(made.conv_out.bias, std=3)
    return made.eval().requires_grad_(False)


def on_gpu(made: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    placed = made.to("cuda:0", dtype)
    return placed(x.to("cuda:0", dtype)).cpu().float()


@pytest.mark.parametrize("features", [8, 48, 56, 64])
def test_a_block_gives_the_same_up_to_the_border_in_fewer_kernels(gpu: FakeGpu, features: int):
    made, x = block(features), torch.randn(2, features, 9, 7)
    wanted = made(x)
    placed, there = made.to("cuda:0", torch.float16), x.to("cuda:0", torch.float16)
    placed(there)
    gpu.record.clear()
    found = placed(there).cpu().float()
    error = (found - wanted).abs()
    assert psnr(found, wanted) > 60 and error.max() < 0.02
    names = [kernel.name for kernel in gpu.kernels]
    bias = ["bias of a convolution"] * (features > fused_convolution.WIDEST)
    assert names == ["convolution with ReLU", "convolution", *bias, "add"]


@pytest.mark.parametrize("change", ["bias", "weight"])
def test_changed_weights_are_followed(gpu: FakeGpu, change: str):
    made, x = block(8), torch.randn(1, 8, 6, 6)
    on_gpu(made, x, torch.float16)
    getattr(made.conv_out, change).mul_(2)
    assert psnr(on_gpu(made, x, torch.float16), made.cpu().float()(x)) > 60


def test_other_activations_and_types_go_as_they_are(gpu: FakeGpu):
    for made, dtype in ((block(8, nn.PReLU()), torch.float16), (block(8), torch.float32)):
        on_gpu(made, torch.randn(1, 8, 6, 6), dtype)
    assert "convolution with ReLU" not in [kernel.name for kernel in gpu.kernels]


def test_a_library_that_does_something_else_is_left_alone(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch):
    right = fused_convolution.convolved_relu
    monkeypatch.setattr(fused_convolution, "convolved_relu", lambda *given: right(*given) * torch.nan)
    made, x = block(8), torch.randn(1, 8, 6, 6)
    wanted = made(x)
    assert psnr(on_gpu(made, x, torch.float16), wanted) > 60


def test_a_bias_that_is_forgotten_would_show(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch):
    right = fused_convolution.widened

    def forgetful(first: nn.Conv2d, second: nn.Conv2d) -> object:
        (kernel, shift), (last, bias) = right(first, second)
        last[:, second.in_channels] = 0
        return (kernel, shift), (last, bias)

    monkeypatch.setattr(fused_convolution, "widened", forgetful)
    made, x = block(8), torch.randn(1, 8, 6, 6)
    wanted = made(x)
    assert psnr(on_gpu(made, x, torch.float16), wanted) < 40
