from __future__ import annotations

import copy

import pytest
import torch

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.networks.fused_tail import FusedTail, compose
from restorecli.networks.layers import Upsampler, conv3


def make(scale: int) -> FusedTail:
    torch.manual_seed(scale)
    return FusedTail(Upsampler(6, scale).double(), conv3(6, 3).double(), scale)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(7, 7), (9, 16), (6, 30), (2, 2), (1, 9)])
def test_one_convolution_gives_what_the_stages_give_up_to_the_border(
    scale: int, size: tuple[int, int]
) -> None:
    tail = make(scale)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    torch.testing.assert_close(tail(x), tail.to_image(tail.upsampler(x)))


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(7, 7), (9, 16)])
def test_a_gpu_puts_the_border_right_in_kernels_of_its_own(scale: int, size: tuple[int, int]) -> None:
    tail = make(scale)
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    wanted = tail.to_image(tail.upsampler(x))
    with FakeGpu() as gpu, torch.inference_mode():
        there = FusedTail(tail.upsampler.to("cuda:0"), tail.to_image.to("cuda:0"), scale)
        given = x.to("cuda:0")
        there(given)
        gpu.record.clear()
        found = there(given)
        kernels = len(gpu.kernels)
        torch.testing.assert_close(found.cpu(), wanted)
    assert kernels <= 15


def test_gradients_go_through_the_stages() -> None:
    tail = make(2)
    with torch.enable_grad():
        tail(torch.randn(1, 6, 9, 9, dtype=torch.float64)).sum().backward()
    assert tail.to_image.weight.grad is not None


def test_changed_weights_are_followed() -> None:
    tail = make(2)
    x = torch.randn(1, 6, 9, 9, dtype=torch.float64)
    before = tail(x)
    tail.to_image.load_state_dict({key: 2 * value for key, value in tail.to_image.state_dict().items()})
    torch.testing.assert_close(tail(x), 2 * before)


def test_a_copy_follows_its_own_weights() -> None:
    tail = make(2)
    x = torch.randn(1, 6, 9, 9, dtype=torch.float64)
    before = tail(x)
    twin = copy.deepcopy(tail)
    twin.to_image.weight.zero_()
    twin.to_image.bias.zero_()  # type: ignore[union-attr]
    assert not twin(x).any()
    torch.testing.assert_close(tail(x), before)


def test_half_precision_gives_float32() -> None:
    tail = make(2)
    tail.upsampler.bfloat16()
    tail.to_image.bfloat16()
    x = torch.randn(1, 6, 9, 9)
    exact = tail.to_image.float()(tail.upsampler.float()(x))
    tail.upsampler.bfloat16()
    tail.to_image.bfloat16()
    result = tail(x.bfloat16())
    assert result.dtype == torch.float32
    assert (result - exact).abs().max() < 0.05


def test_the_composed_kernel_is_no_wider_than_needed() -> None:
    tail = make(4)
    kernel, _ = compose(tail.upsampler, tail.to_image, 4, torch.float64)
    assert kernel.shape == (48, 6, 5, 5)
    assert kernel[:, :, 0].abs().max() > 0
