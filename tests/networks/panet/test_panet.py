"""PANet, PA-EDSR and their pyramid attention."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from benchmarks.references.panet import ReferencePANet
from restorecli.errors import CheckpointError
from restorecli.networks import from_checkpoint, from_native, layout
from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.checkpoint import rename
from restorecli.networks.network import Network
from restorecli.networks.panet.network import PANet
from restorecli.networks.panet.pyramid_attention import KeyAxis, PyramidAttention, attend, pyramid
from tests.networks import checks
from tests.networks.seeded import Parity, find_fixture, parity_error

Load = Callable[[str], Parity]
FULL_SIZE = (
    "panet-denoise-color",
    "panet-dejpeg-gray",
    "panet-demosaic",
    "paedsr-upscale-x2",
    "paedsr-upscale-x3",
)
ALL = (
    "panet-tiny-batch",
    *(pytest.param(name, marks=(pytest.mark.shared, pytest.mark.slow)) for name in FULL_SIZE),
)


def tiny(architecture: str = "panet", **settings: int) -> PANet:
    """A network with random weights that mean something: what goes in can be told from what comes out."""
    torch.manual_seed(7)
    small = {"features": 16, "blocks": 2, "reduction": 4} | settings
    return PANet(architecture=architecture, **small).eval()


def image(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def with_fixed_entries(parity: Parity) -> dict[str, Tensor]:
    fixed = {key: torch.ones(parity.keys[key]["shape"]) for key in parity.fixed_keys}
    return {**parity.state_dict, **fixed}


@pytest.mark.parametrize("name", ALL)
def test_released_network_gives_the_authors_pixels(name: str, parity: Load) -> None:
    reference = parity(name)
    network = from_checkpoint("panet", reference.state_dict, **reference.settings)
    assert parity_error(network(reference.input), reference.output) < 1e-4


@pytest.mark.parametrize("name", ALL)
def test_straightforward_formulation_gives_the_authors_pixels(name: str, parity: Load) -> None:
    reference = parity(name)
    assert parity_error(ReferencePANet(reference.state_dict)(reference.input), reference.output) < 1e-4


@pytest.mark.parametrize("wrapper", ["", "state_dict", "params"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("fixed", [False, True])
def test_checkpoint_loads_wrapped_and_prefixed(wrapper: str, prefix: str, fixed: bool, parity: Load) -> None:
    reference = parity("panet-tiny-batch")
    state = with_fixed_entries(reference) if fixed else reference.state_dict
    prefixed = {prefix + key: value for key, value in state.items()}
    network = from_checkpoint("panet", {wrapper: prefixed, "epoch": 3} if wrapper else prefixed)
    assert network.settings["architecture"] == "panet"
    assert torch.equal(network.get_parameter("head.weight"), state["head.0.weight"])


@pytest.mark.parametrize("name", ["panet-tiny-batch", *FULL_SIZE])
def test_released_and_own_keys_match_one_to_one(name: str) -> None:
    path = find_fixture(name)
    if path is None:
        pytest.skip(f"the full-size reference {name} is not beside the checkout")
    entries = json.loads(path.read_text())["state_dict"]
    number = {key: float(n) for n, key in enumerate(entries)}
    state = {key: torch.tensor(number[entry.get("alias_of", key)]) for key, entry in entries.items()}
    renamed = rename(state, layout("panet"))
    singles = {key for key, entry in entries.items() if not entry["fixed"] and "alias_of" not in entry}
    assert sorted(value.item() for value in renamed.values()) == sorted(number[key] for key in singles)

    shapes = {key: torch.empty(entry["shape"], device="meta") for key, entry in entries.items()}
    ours = {key: shapes[list(entries)[int(value)]] for key, value in renamed.items()}
    with torch.device("meta"):
        network = PANet(**layout("panet").infer(ours))
    assert {key: value.shape for key, value in network.state_dict().items()} == {
        key: value.shape for key, value in ours.items()
    }


def test_aliases_with_other_values_are_refused(parity: Load) -> None:
    state = dict(parity("panet-tiny-batch").state_dict)
    state["body.1.body.1.weight"] = state["body.0.body.1.weight"] + 1
    with pytest.raises(CheckpointError, match="two different tensors for activation"):
        from_checkpoint("panet", state)


@pytest.mark.parametrize(
    "missing", ["head.0.weight", "body.2.conv_match.0.weight", "body.5.bias", "tail.0.bias"]
)
def test_missing_tensor_is_an_error(missing: str, parity: Load) -> None:
    state = {key: value for key, value in parity("panet-tiny-batch").state_dict.items() if key != missing}
    with pytest.raises(CheckpointError):
        from_checkpoint("panet", state)


def released_keys(network: PANet) -> dict[str, Tensor]:
    """The state dict of ``network`` as the papers' code would have saved a PA-EDSR, attention twice."""
    parts = {"query": "conv_match_L_base", "key": "conv_match", "value": "conv_assembly"}
    released = {}
    for key, value in network.state_dict().items():
        words = key.split(".")
        if words[0] == "attention":
            rest = f"{parts[words[1]]}.{0 if words[2] == 'conv' else 1}.{words[3]}"
            released[f"msa.{rest}"] = released[f"body.{network.middle}.{rest}"] = value
        elif words[0] == "body":
            released[f"body.{words[1]}.body.{0 if words[2] == 'conv_in' else 2}.{words[3]}"] = value
        elif words[0] == "upsampler":
            released[f"tail.0.{words[1]}.{words[2]}"] = value
        else:
            place = {"head": "head.0", "fusion": f"body.{len(network.body) + 1}", "tail": "tail.1"}[words[0]]
            released[f"{place}.{words[1]}"] = value
    return released


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_paedsr_is_told_apart_by_its_keys(scale: int) -> None:
    original = tiny("paedsr", scale=scale, features=16)
    loaded = from_checkpoint("panet", released_keys(original), n_feats=16, scale=scale)
    assert loaded.settings == original.settings
    assert loaded.settings["res_scale"] == 0.1
    x = image(2, 3, 7, 9)
    assert loaded(x).shape == (2, 3, 7 * scale, 9 * scale)
    assert torch.equal(loaded(x), original(x))
    assert parity_error(loaded(x), ReferencePANet(released_keys(original))(x)) < 1e-5


def test_res_scale_may_be_given(parity: Load) -> None:
    state = parity("panet-tiny-batch").state_dict
    x = image(1, 3, 8, 8)
    assert from_checkpoint("panet", state).settings["res_scale"] == 1
    other = from_checkpoint("panet", state, res_scale=0.5)
    assert parity_error(other(x), from_checkpoint("panet", state)(x)) > 1e-2


def test_settings_that_contradict_the_shapes_are_refused(parity: Load) -> None:
    with pytest.raises(CheckpointError, match="features is 64"):
        from_checkpoint("panet", parity("panet-tiny-batch").state_dict, n_feats=32)


@pytest.mark.parametrize(
    "settings",
    [{"architecture": "edsr"}, {"scale": 2}, {"architecture": "paedsr", "channels": 1, "scale": 2}],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not"):
        PANet(**settings)  # type: ignore[arg-type]


def test_network_is_rebuilt_from_its_settings() -> None:
    original = tiny("paedsr", scale=2)
    again = from_native("panet", original.state_dict(), original.settings)
    assert torch.equal(again(image(1, 3, 6, 5)), original(image(1, 3, 6, 5)))


@pytest.mark.parametrize("side", range(1, 14))
def test_any_size_gives_its_own_size(side: int) -> None:
    network = tiny(channels=1)
    for shape in ((1, 1, side, 13), (1, 1, 13, side), (1, 1, side, side)):
        output = network(image(*shape))
        assert output.shape == shape
        assert output.isfinite().all()
    assert tiny("paedsr", scale=3)(image(1, 3, side, 2)).shape == (1, 3, 3 * side, 6)


def test_batch_equals_its_single_images() -> None:
    network = tiny()
    batch = image(3, 3, 11, 9)
    singles = torch.cat([network(one[None]) for one in batch])
    assert parity_error(network(batch), singles) < 1e-5


def test_same_input_gives_the_same_output_twice() -> None:
    network = tiny()
    x = image(1, 3, 21, 17)
    first = network(x)
    network(image(1, 3, 9, 30, seed=2))
    assert torch.equal(network(x), first)


def dense_attention(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """The paper's formula with patches and the full matrix, in float64."""

    def patches(x: Tensor) -> Tensor:
        return F.unfold(x[None].double(), 3, padding=1)[0].T  # pixels × 9·channels

    key = torch.cat([patches(level) for level in keys])
    key = key / key.norm(dim=1, keepdim=True).clamp_min(1e-4)
    weights = (10 * patches(query) @ key.T).softmax(dim=1)
    laid = weights @ torch.cat([patches(level) for level in values])
    return F.fold(laid.T[None], query.shape[1:], 3, padding=1)[0] / 4


def levels_of(sizes: list[tuple[int, int]], channels: int, gain: float) -> list[Tensor]:
    return [gain * torch.randn(channels, *size) for size in sizes]


@settings(deadline=None, max_examples=25)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4),
    block=st.integers(1, 400),
    gain=st.sampled_from([0.0, 1e-6, 0.3, 30.0]),
    seed=st.integers(0, 9),
)
def test_attention_equals_the_dense_formula(
    size: tuple[int, int], sizes: list[tuple[int, int]], block: int, gain: float, seed: int
) -> None:
    torch.manual_seed(seed)
    query = gain * torch.randn(2, *size).double()
    keys = [level.double() for level in levels_of(sizes, 2, gain)]
    values = [level.double() for level in levels_of(sizes, 3, 1.0)]
    ours = attend(query, KeyAxis(keys, values), block)
    torch.testing.assert_close(ours, dense_attention(query, keys, values), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("block", [1, 500, 4000, 10**9])
def test_block_size_changes_only_rounding(block: int) -> None:
    torch.manual_seed(3)
    query, keys, values = (
        torch.randn(4, 10, 14),
        levels_of([(10, 14), (6, 8)], 4, 1),
        levels_of([(10, 14), (6, 8)], 5, 1),
    )
    whole = attend(query, KeyAxis(keys, values))
    torch.testing.assert_close(attend(query, KeyAxis(keys, values), block), whole, rtol=1e-5, atol=1e-5)


def test_large_features_neither_overflow_nor_vanish() -> None:
    torch.manual_seed(4)
    sizes = [(6, 6), (3, 4)]
    query, keys, values = 1e4 * torch.randn(4, 6, 6), levels_of(sizes, 4, 1e4), levels_of(sizes, 5, 1)
    dense = dense_attention(query, keys, values)
    assert parity_error(attend(query, KeyAxis(keys, values)), dense) < 1e-2
    assert dense.isfinite().all()


def test_gradients_are_those_of_the_dense_formula() -> None:
    torch.manual_seed(5)
    sizes = [(4, 5), (3, 2)]
    leaves = [
        torch.randn(2, 4, 5).double(),
        *(x.double() for x in levels_of(sizes, 2, 1) + levels_of(sizes, 3, 1)),
    ]
    gradients = []
    with torch.enable_grad():
        for formula in (lambda q, k, v: attend(q, KeyAxis(k, v)), dense_attention):
            query, *rest = (leaf.clone().requires_grad_() for leaf in leaves)
            formula(query, rest[:2], rest[2:]).square().sum().backward()
            gradients.append([leaf.grad for leaf in (query, *rest)])
    for ours, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, wanted)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (10, 7)])
def test_pyramid_has_the_paper_s_sizes_and_never_an_empty_level(size: tuple[int, int]) -> None:
    shapes = [tuple(level.shape[-2:]) for level in pyramid(image(1, 2, *size), ByteCache(0))]
    factors = (1.0, 0.9, 0.8, 0.7, 0.6)
    assert shapes == [tuple(max(1, int(side * factor)) for side in size) for factor in factors]


def test_pyramid_of_one_row_is_that_of_equal_rows() -> None:
    row, cache = image(1, 2, 1, 9), ByteCache(0)
    for thin, tall in zip(pyramid(row, cache), pyramid(row.expand(-1, -1, 6, -1), cache), strict=True):
        torch.testing.assert_close(thin, tall[:, :, :1])


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (10, 7), (96, 48)])
def test_the_pyramid_of_a_gpu_is_that_of_the_cpu(size: tuple[int, int]) -> None:
    x = image(1, 5, *size)
    wanted = pyramid(x, ByteCache(0))
    with FakeGpu() as gpu, torch.inference_mode():
        x, cache = x.to("cuda"), ByteCache(1 << 20)
        for _ in range(2):
            gpu.record.clear()
            found = pyramid(x, cache)
        assert not gpu.syncs and not any("bicubic" in kernel.name for kernel in gpu.kernels)
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours.cpu(), theirs, rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["panet", "paedsr"])
def test_half_precision_costs_less_than_a_twentieth_of_a_decibel(
    dtype: torch.dtype, architecture: str
) -> None:
    scale = 2 if architecture == "paedsr" else 1
    network = tiny(architecture, scale=scale)
    x = image(1, 3, 20, 24)
    wide = network(x)
    with torch.autocast("cpu", dtype=dtype):
        mixed = network(x)
    narrow = network.to(dtype)(x.to(dtype))
    # A restoration 35 dB from the truth: what the rounding's error adds to it.
    truth = wide + 10 ** (-35 / 20) * torch.randn(wide.shape, generator=torch.Generator().manual_seed(0))
    for half in (mixed, narrow):
        loss = 10 * torch.log10((half.float() - truth).square().mean() / (wide - truth).square().mean())
        assert loss < 0.05
    assert narrow.dtype == dtype


def test_attention_is_not_touched_by_autocast() -> None:
    torch.manual_seed(6)
    attention = PyramidAttention(8, 2, 1.0).eval()
    x = torch.randn(1, 8, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert attention(x).dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "side", "mebibytes"),
    [
        # The matrix of pixel pairs alone would need 680 MiB, the patches' products several times that.
        pytest.param({"blocks": 2}, 80, 200, id="tiny"),
        pytest.param({}, 256, 600, id="panet", marks=pytest.mark.slow),
        pytest.param(
            {"architecture": "paedsr", "features": 256, "blocks": 32, "reduction": 8, "scale": 2},
            128,
            400,
            id="paedsr-x2",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"architecture": "paedsr", "features": 256, "blocks": 32, "reduction": 8, "scale": 4},
            128,
            400,
            id="paedsr-x4",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_peak_memory_stays_bounded(settings: dict[str, object], side: int, mebibytes: int) -> None:
    assert checks.peak_mebibytes("panet", side, settings) < mebibytes


def test_network_tells_the_engine_what_it_needs() -> None:
    for network in (tiny(channels=1), tiny("paedsr", scale=4)):
        assert isinstance(network, Network)
        upscales = network.scale == 4
        assert (network.value_range, network.side_multiple) == (1, 1)
        assert network.in_channels == network.out_channels == (3 if upscales else 1)
