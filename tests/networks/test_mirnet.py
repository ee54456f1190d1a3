"""MIRNet: parity with the released network, its parts, sizes, precisions and memory."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmarks.references import mirnet as reference_mirnet
from restorecli.errors import CheckpointError
from restorecli.networks import from_checkpoint, from_native
from restorecli.networks.mirnet import Down, DualAttention, Fusion, MIRNet, Up, blur_pool
from tests.networks import checks
from tests.networks.seeded import SMALL, Parity, decibels, load_fixture, parity_error

TINY = load_fixture(SMALL / "mirnet-tiny-batch.json")


def tiny() -> MIRNet:
    network = from_checkpoint("mirnet", TINY.state_dict)
    assert isinstance(network, MIRNet)
    return network


@pytest.mark.parametrize("name", ["mirnet-tiny-batch", pytest.param("mirnet", marks=pytest.mark.shared)])
def test_reference(name: str, parity: Callable[[str], Parity]) -> None:
    reference = parity(name)
    network = from_checkpoint("mirnet", reference.state_dict, **reference.settings)
    assert parity_error(network(reference.input), reference.output) < 1e-5


@pytest.mark.shared
def test_full_size_has_the_published_number_of_parameters(parity: Callable[[str], Parity]) -> None:
    network = from_checkpoint("mirnet", parity("mirnet").state_dict)
    assert sum(p.numel() for p in network.parameters()) == 31_787_419


def test_benchmark_reference_meets_the_small_reference() -> None:
    network = reference_mirnet.build(TINY.state_dict, **TINY.settings)
    assert parity_error(network(TINY.input), TINY.output) < 1e-5


def test_several_groups_and_blocks_equal_the_straightforward_formulation_in_float64() -> None:
    torch.manual_seed(0)
    reference = reference_mirnet.ReferenceMIRNet(n_feat=8, n_rrg=2, n_msrb=2).eval().requires_grad_(False)
    network = from_checkpoint("mirnet", reference.state_dict()).double()
    x = torch.rand(2, 3, 12, 20, dtype=torch.float64)
    assert network.settings == {"features": 8, "groups": 2, "blocks": 2, "channels": 3}
    assert parity_error(network(x), reference.double()(x)) < 1e-12


@pytest.mark.parametrize("name", ["mirnet-tiny-batch", pytest.param("mirnet", marks=pytest.mark.shared)])
def test_every_released_key_is_used_once(name: str, parity: Callable[[str], Parity]) -> None:
    checks.every_key_is_used_once(parity(name))


def test_blur_kernels_may_be_there_and_prefixes_are_taken_off() -> None:
    fixed = {key: torch.ones(TINY.keys[key]["shape"]) for key in TINY.fixed_keys}
    assert fixed
    wrapped = {"state_dict": {f"module.{key}": value for key, value in (TINY.state_dict | fixed).items()}}
    again = from_checkpoint("mirnet", wrapped, n_feat=16, n_rrg=1, n_msrb=1)
    assert torch.equal(again(TINY.input), tiny()(TINY.input))


def test_shared_unit_that_differs_between_its_two_names_is_an_error() -> None:
    alias = next(key for key, entry in TINY.keys.items() if "alias_of" in entry)
    with pytest.raises(CheckpointError, match="two different tensors"):
        from_checkpoint("mirnet", {**TINY.state_dict, alias: TINY.state_dict[alias] + 1})


def test_native_weights_build_the_same_network() -> None:
    network = tiny()
    again = from_native("mirnet", network.state_dict(), network.settings)
    assert torch.equal(again(TINY.input), network(TINY.input))


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13), batch=st.integers(1, 2))
def test_any_size_is_restored(height: int, width: int, batch: int) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        checks.shape_is_kept(MIRNet(features=8, groups=1, blocks=1).eval(), height, width, batch)


def test_sides_are_padded_by_reflection() -> None:
    network, x = tiny(), TINY.input[:, :, :9, :14]
    by_hand = F.pad(x, (0, 2, 0, 3), mode="reflect")
    assert torch.equal(network(x), network(by_hand)[:, :, :9, :14])


def test_batch_equals_its_images_one_by_one() -> None:
    network, x = tiny().double(), TINY.input.double()
    singles = torch.cat([network(image[None]) for image in x])
    assert parity_error(singles, network(x)) < 1e-12


def test_same_input_gives_the_same_bits() -> None:
    network = tiny()
    assert torch.equal(network(TINY.input), network(TINY.input))


def test_attention_equals_the_concatenated_formula() -> None:
    torch.manual_seed(0)
    unit, x, slope = (
        DualAttention(16).double(),
        torch.randn(2, 16, 6, 5).double(),
        torch.tensor([0.3]).double(),
    )
    f = unit.conv_out(F.prelu(unit.conv_in(x), slope))
    pooled = torch.cat([f.max(1, keepdim=True).values, f.mean(1, keepdim=True)], dim=1)
    squeezed = unit.squeeze(F.adaptive_avg_pool2d(f, 1)).relu()
    both = torch.cat([f * unit.spatial(pooled).sigmoid(), f * unit.excite(squeezed).sigmoid()], dim=1)
    torch.testing.assert_close(unit(x, slope), x + unit.merge(both))


def test_fusion_of_equal_streams_is_that_stream() -> None:
    x = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(Fusion(16)([x, x, x]), x)


def test_one_by_one_convolution_commutes_with_bilinear_enlargement() -> None:
    up, x = Up(8).double(), torch.randn(1, 8, 3, 5).double()
    top = up.top_out(up.conv_act(up.conv(up.mix_act(up.mix(x)))))
    bottom = up.bottom_out(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
    torch.testing.assert_close(up(x), top + bottom)


def test_blur_keeps_constants_and_halves_sides() -> None:
    blurred = blur_pool(torch.full((1, 3, 6, 8), 0.7), Down(4).blur)
    torch.testing.assert_close(blurred, torch.full((1, 3, 3, 4), 0.7))


def test_whole_network_can_be_trained() -> None:
    network = MIRNet(features=8, groups=1, blocks=1).train()
    with torch.enable_grad():
        network(torch.rand(1, 3, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_close_in_every_way_of_using_it(dtype: torch.dtype) -> None:
    network, (x, clean) = tiny(), checks.noisy_picture(1)
    wanted = network(x)
    half = copy.deepcopy(network).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        by_autocast = network(x)
    for ours in (half(x.to(dtype)), half(x), by_autocast):
        assert abs(decibels(ours, clean, 1) - decibels(wanted, clean, 1)) < 0.05
        assert decibels(ours, wanted, 1) > 55
    assert half(x.to(dtype)).dtype == dtype
    assert half(x).dtype == torch.float32


@pytest.mark.slow
def test_peak_memory_of_a_256_tile() -> None:
    assert checks.peak_mebibytes("mirnet", 256, {"features": 64, "groups": 1, "blocks": 1}) < 400
