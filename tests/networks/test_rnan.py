"""RNAN: parity with the released network, its attention, sizes, precisions and memory."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.references import rnan as reference_rnan
from restorecli.errors import CheckpointError
from restorecli.networks import from_checkpoint, from_native
from restorecli.networks.rnan import RNAN, NonLocalMask, attend
from tests.networks import checks
from tests.networks.seeded import SMALL, Parity, decibels, load_fixture, parity_error

FULL_SIZE = ("denoise-color", "denoise-gray", "dejpeg-gray", "demosaic", "upscale-x2", "upscale-x4")
TINY = load_fixture(SMALL / "rnan-tiny-batch.json")


def tiny() -> RNAN:
    network = from_checkpoint("rnan", TINY.state_dict)
    assert isinstance(network, RNAN)
    return network


def fresh(**arguments: int) -> RNAN:
    torch.manual_seed(0)
    return RNAN(**{"features": 8, "groups": 2, **arguments}).eval()


def random_maps(batch: int, height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, 4, height, width, generator=generator, dtype=torch.float64) for _ in range(3)]


def dense(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    scores = torch.einsum("bdi,bdj->bij", queries.flatten(2), keys.flatten(2))
    return torch.einsum("bij,bdj->bdi", scores.softmax(dim=1), values.flatten(2)).view_as(values)


def test_small_reference_in_float64() -> None:
    assert parity_error(tiny().double()(TINY.input.double()), TINY.output) < 1e-8


@pytest.mark.shared
@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_reference_in_float64(name: str, parity: Callable[[str], Parity]) -> None:
    reference = parity(f"rnan-{name}")
    network = from_checkpoint("rnan", reference.state_dict, **reference.settings).double()
    assert parity_error(network(reference.input.double()), reference.output) < 1e-8
    learnt = {key: entry for key, entry in reference.keys.items() if not entry["fixed"]}
    assert sum(p.numel() for p in network.parameters()) == sum(
        torch.Size(entry["shape"]).numel() for entry in learnt.values()
    )


def test_benchmark_reference_meets_the_small_reference() -> None:
    network = reference_rnan.build(TINY.state_dict, **TINY.settings).double()
    assert parity_error(network(TINY.input.double()), TINY.output) < 1e-12


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_any_variant_equals_the_straightforward_formulation(scale: int) -> None:
    torch.manual_seed(scale)
    reference = reference_rnan.ReferenceRNAN(n_resgroups=4, n_feats=8, n_colors=3, scale=scale)
    reference = reference.eval().requires_grad_(False).double()
    network = from_checkpoint("rnan", {k: v.float() for k, v in reference.state_dict().items()}).double()
    x = torch.rand(2, 3, 10, 14, dtype=torch.float64) * 255
    reference.load_state_dict({k: v.float().double() for k, v in reference.state_dict().items()})
    assert parity_error(network(x), reference(x)) < 1e-12


def test_every_released_key_is_used_once() -> None:
    checks.every_key_is_used_once(TINY)


@pytest.mark.shared
@pytest.mark.parametrize("name", FULL_SIZE)
def test_every_released_full_size_key_is_used_once(name: str, parity: Callable[[str], Parity]) -> None:
    checks.every_key_is_used_once(parity(f"rnan-{name}"))


def test_fixed_mean_shifts_may_be_there_and_prefixes_are_taken_off() -> None:
    fixed = {f"{side}_mean.{kind}": torch.ones(3) for side in ("sub", "add") for kind in ("weight", "bias")}
    wrapped = {"state_dict": {f"module.{key}": value for key, value in (TINY.state_dict | fixed).items()}}
    again = from_checkpoint("rnan", wrapped, n_feats=16, n_resgroups=3, n_colors=3, scale=1)
    assert torch.equal(again(TINY.input), tiny()(TINY.input))


def test_native_weights_build_the_same_network() -> None:
    network = tiny()
    again = from_native("rnan", network.state_dict(), network.settings)
    assert torch.equal(again(TINY.input), network(TINY.input))


def test_settings_that_contradict_the_weights_are_an_error() -> None:
    with pytest.raises(CheckpointError, match="channels"):
        from_checkpoint("rnan", TINY.state_dict, n_colors=1)


def test_missing_key_is_an_error() -> None:
    without = {key: value for key, value in TINY.state_dict.items() if "theta.bias" not in key}
    with pytest.raises(CheckpointError, match=r"query\.bias"):
        from_checkpoint("rnan", without)


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13), batch=st.integers(1, 2))
def test_any_size_is_restored(height: int, width: int, batch: int) -> None:
    with torch.no_grad():
        checks.shape_is_kept(fresh(), height, width, batch)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_odd_size_is_enlarged(scale: int) -> None:
    checks.shape_is_kept(fresh(scale=scale), 5, 7)


def test_gray_image_is_restored() -> None:
    checks.shape_is_kept(fresh(channels=1), 9, 6)


def test_odd_sides_are_padded_by_reflection() -> None:
    network, x = tiny(), TINY.input[:, :, :11, :13]
    by_hand = torch.nn.functional.pad(x, (0, 1, 0, 1), mode="reflect")
    assert torch.equal(network(x), network(by_hand)[:, :, :11, :13])


def test_batch_equals_its_images_one_by_one() -> None:
    network, x = tiny().double(), TINY.input.double()
    singles = torch.cat([network(image[None]) for image in x])
    assert parity_error(singles, network(x)) < 1e-12


def test_same_input_gives_the_same_bits() -> None:
    network = tiny()
    assert torch.equal(network(TINY.input), network(TINY.input))


@pytest.mark.parametrize("block", [1, 7, 30, 1000, None])
def test_attention_in_blocks_equals_the_dense_formula(block: int | None) -> None:
    queries, keys, values = random_maps(2, 5, 6)
    difference = attend(queries, keys, values, block) - dense(queries, keys, values)
    assert float(difference.abs().max()) < 1e-12


def test_attention_survives_enormous_scores() -> None:
    queries, keys, values = (t.float() for t in random_maps(1, 6, 6))
    gathered = attend(1e4 * queries, 1e4 * keys, values, 5)
    assert bool(gathered.isfinite().all())
    exact = dense(1e4 * queries.double(), 1e4 * keys.double(), values.double())
    assert parity_error(gathered, exact) < 1e-5


def test_attention_spreads_every_key_over_the_queries() -> None:
    queries, keys, _ = random_maps(1, 4, 5)
    spread = attend(queries, keys, torch.ones_like(keys), 3)
    assert float(spread[0, 0].sum()) == pytest.approx(20)


def test_gradients_of_blocks_equal_those_of_the_dense_formula() -> None:
    with torch.enable_grad():
        gradients = []
        for formula in (dense, lambda *maps: attend(*maps, block=4)):
            maps = [t.requires_grad_() for t in random_maps(1, 3, 5)]
            formula(*maps).square().sum().backward()
            gradients.append([t.grad for t in maps])
    for ours, wanted in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(ours, wanted)


def test_whole_network_can_be_trained() -> None:
    network = fresh().train()
    with torch.enable_grad():
        network(torch.rand(1, 3, 6, 6) * 255).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_operations_can_be_counted_without_data() -> None:
    with torch.device("meta"):
        assert RNAN(features=8, groups=2, scale=2)(torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_close_in_every_way_of_using_it(dtype: torch.dtype) -> None:
    network, (x, clean) = tiny(), checks.noisy_picture(255)
    wanted = network(x)
    half = copy.deepcopy(network).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        by_autocast = network(x)
    for ours in (half(x.to(dtype)), half(x), by_autocast):
        assert abs(decibels(ours, clean, 255) - decibels(wanted, clean, 255)) < 0.05
        assert decibels(ours, wanted, 255) > 45
    assert half(x.to(dtype)).dtype == dtype
    assert half(x).dtype == torch.float32


def test_masks_with_attention_keep_their_float32_weights() -> None:
    network = tiny()
    half = copy.deepcopy(network).to(torch.bfloat16)
    for name in network.half_unsafe:
        mask = half.get_submodule(name)
        assert isinstance(mask, NonLocalMask)
        for key, weight in mask.state_dict().items():
            assert torch.equal(weight, network.get_submodule(name).state_dict()[key])
    assert half.head.weight.dtype == torch.bfloat16
    assert half.double().last.mask.gate.weight.dtype == torch.float64


def test_float16_does_not_overflow_where_all_keys_agree() -> None:
    network = tiny()
    for name in network.half_unsafe:  # every key answers to one query, which gathers all values
        mask = network.get_submodule(name)
        mask.non_local.query.weight.mul_(100)
        mask.non_local.value.weight.mul_(100)
    assert (
        float(network.first.mask.non_local(network.first.entry(network.head(TINY.input))).abs().max()) > 65504
    )
    assert bool(network.half()(TINY.input.half()).isfinite().all())


def test_attention_matrix_is_never_held() -> None:
    assert checks.peak_mebibytes("rnan", 128, {"features": 16, "groups": 2}) < 100  # the matrix: 1024 MiB


@pytest.mark.slow
def test_peak_memory_of_a_256_tile() -> None:
    assert checks.peak_mebibytes("rnan", 256, {"features": 64, "groups": 2}) < 400
