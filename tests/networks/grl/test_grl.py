from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.references import grl as reference_grl
from restorecli.errors import CheckpointError
from restorecli.networks import from_checkpoint, from_native
from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.checkpoint import rename
from restorecli.networks.derived import Derived
from restorecli.networks.grl import attention as grl_attention
from restorecli.networks.grl.bias import MASKED_LOGIT, HankelBias, PositionBias
from restorecli.networks.grl.network import GRL, LAYOUT, pad_to_multiple
from restorecli.networks.grl.windows import (
    AxisTiling,
    axis_spans,
    relative_coordinates,
    window_groups,
)
from tests.networks import checks
from tests.networks.seeded import Parity, decibels, parity_error

CPU = torch.device("cpu")
FULL_SIZE = [
    "grl-tiny-upscale-x4",
    "grl-tiny-upscale-x2-pad",
    "grl-tiny-denoise-gray",
    "grl-small-upscale-x3",
    "grl-small-dejpeg-color",
    "grl-small-demosaic",
    "grl-small-denoise-color",
    "grl-base-upscale-x2",
    "grl-base-realsr-x4",
    "grl-base-deblur-motion",
]
SLOW = {"grl-small-dejpeg-color", "grl-base-upscale-x2", "grl-base-deblur-motion"}
GEOMETRY = {"window_size": 8, "stripe_size": [16, 32], "anchor_window_down_factor": 2}
tilings = st.builds(
    lambda anchor, factor, shifted: AxisTiling(anchor * factor, factor, shifted),
    st.integers(2, 5),
    st.integers(1, 4),
    st.booleans(),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for one another's threads, for seconds on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def mini(parity: Callable[[str], Parity]) -> Parity:
    return parity("grl-mini-batch")


@pytest.fixture
def network(mini: Parity) -> GRL:
    return build(mini.state_dict, **mini.settings)


def build(state: dict[str, Any], **given: Any) -> GRL:
    network = from_checkpoint("grl", state, **given)
    assert isinstance(network, GRL)
    return network


def small_network(**given: Any) -> GRL:
    torch.manual_seed(3)
    chosen: dict[str, Any] = {
        "embed_dim": 16,
        "depths": [2],
        "num_heads_window": [2],
        "num_heads_stripe": [2],
    }
    return GRL(**{**GEOMETRY, **chosen, **given}).eval().requires_grad_(False)


def test_the_small_reference_is_met(mini: Parity, network: GRL) -> None:
    assert parity_error(network(mini.input), mini.output) < 1e-5


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FULL_SIZE]
)
def test_the_full_size_references_are_met(name: str, parity: Callable[[str], Parity]) -> None:
    fixture = parity(name)
    assert parity_error(build(fixture.state_dict, **fixture.settings)(fixture.input), fixture.output) < 1e-4


def test_the_straightforward_formulation_meets_the_small_reference(mini: Parity) -> None:
    reference = reference_grl.build(mini.state_dict, **mini.settings)
    assert parity_error(reference(mini.input), mini.output) < 1e-5


@pytest.mark.parametrize("upsampler, upscale", [("pixelshuffle", 3), ("nearest+conv", 4), ("", 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_head_equals_the_straightforward_one(upsampler: str, upscale: int, channels: int) -> None:
    given = {
        **GEOMETRY,
        "depths": [1],
        "num_heads_window": [1],
        "num_heads_stripe": [2],
        "embed_dim": 8,
        "upsampler": upsampler,
        "upscale": upscale,
        "in_channels": channels,
    }
    reference = reference_grl.ReferenceGRL(**given).eval()
    ours = build(reference.state_dict(), **given)
    x = torch.rand(1, channels, 33, 20)
    torch.testing.assert_close(ours(x), reference(x), atol=1e-5, rtol=1e-5)


# --- geometry


@given(tilings, tilings, st.integers(1, 4), st.integers(1, 4), st.booleans())
@settings(deadline=None)
def test_windows_cover_every_pixel_and_every_anchor_once(
    vertical: AxisTiling, horizontal: AxisTiling, rows: int, columns: int, cut: bool
) -> None:
    size = (vertical.side * rows, horizontal.side * columns)
    groups = window_groups(size, (vertical, horizontal), cut=cut, device=CPU)
    pixels = torch.cat([group.pixels.flatten() for group in groups])
    anchors = torch.cat([group.anchors.flatten() for group in groups])
    assert pixels.sort().values.tolist() == list(range(size[0] * size[1]))
    assert anchors.sort().values.tolist() == list(
        range(rows * vertical.anchor_side * columns * horizontal.anchor_side)
    )


@given(tilings, tilings, st.integers(1, 3), st.integers(1, 3), st.booleans())
@settings(deadline=None)
def test_taking_windows_apart_and_putting_them_back_changes_nothing(
    vertical: AxisTiling, horizontal: AxisTiling, rows: int, columns: int, cut: bool
) -> None:
    size = (vertical.side * rows, horizontal.side * columns)
    tokens = torch.rand(size[0] * size[1], 3)
    back = torch.zeros_like(tokens)
    for group in window_groups(size, (vertical, horizontal), cut=cut, device=CPU):
        back[group.pixels.flatten()] = tokens[group.pixels.flatten()]
    assert torch.equal(back, tokens)


@given(tilings, tilings, st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=40)
def test_bias_and_mask_are_those_of_the_shifted_image(
    vertical: AxisTiling, horizontal: AxisTiling, rows: int, columns: int, cut: bool, to_anchors: bool
) -> None:
    """Against the explicit tables, indices and masks of the straightforward formulation."""
    size = (vertical.side * rows, horizontal.side * columns)
    window = (vertical.side, horizontal.side)
    if vertical.shifted != horizontal.shifted or vertical.factor != horizontal.factor:
        horizontal = AxisTiling(horizontal.side * vertical.factor, vertical.factor, vertical.shifted)
        window = (vertical.side, horizontal.side)
        size = (size[0], horizontal.side * columns)
    factor = vertical.factor
    table = torch.rand(1, window[0] + window[0] // factor - 1, window[1] + window[1] // factor - 1)
    expected = full_logits(table[0], size, window, factor, vertical.shifted, to_anchors)
    found = torch.full_like(expected, -MASKED_LOGIT if cut else torch.nan)
    seen = torch.zeros_like(expected, dtype=torch.bool)
    source = table if to_anchors else table.flip(1, 2)
    for group in window_groups(size, (vertical, horizontal), cut=cut, device=CPU):
        whole = HankelBias(source, group, queries_are_pixels=to_anchors).whole()[0]
        for pixels, anchors in zip(group.pixels, group.anchors, strict=True):
            queries, keys = (pixels, anchors) if to_anchors else (anchors, pixels)
            found[queries[:, None], keys] = whole
            seen[queries[:, None], keys] = True
    assert torch.equal(seen, expected > -MASKED_LOGIT / 2) if cut else seen[expected.isfinite()].all()
    torch.testing.assert_close(found[seen], expected[seen])


def full_logits(
    table: Tensor,
    size: tuple[int, int],
    window: tuple[int, int],
    factor: int,
    shifted: bool,
    to_anchors: bool,
) -> Tensor:
    """Return bias plus mask of all pairs of the image; −inf for pairs of different windows."""
    small = (size[0] // factor, size[1] // factor)
    anchor = (window[0] // factor, window[1] // factor)

    def sets(extent: tuple[int, int], side: tuple[int, int]) -> tuple[Tensor, Tensor]:
        shift = (side[0] // 2, side[1] // 2) if shifted else (0, 0)
        places = torch.arange(extent[0] * extent[1]).view(1, *extent, 1)
        rolled = torch.roll(places, (-shift[0], -shift[1]), (1, 2))
        marks = reference_grl.regions(extent, side, shift) if shifted else torch.zeros(1)
        return reference_grl.partition(rolled, side)[..., 0], marks

    (pixels, pixel_marks), (anchors, anchor_marks) = sets(size, window), sets(small, anchor)
    index = reference_grl.position_index(window, factor, to_anchors)
    queries, keys = (pixels, anchors) if to_anchors else (anchors, pixels)
    out = torch.full((queries.numel(), keys.numel()), -torch.inf)
    for number in range(len(queries)):
        bias = table.flatten()[index]
        if shifted:
            marks = (pixel_marks, anchor_marks) if to_anchors else (anchor_marks, pixel_marks)
            bias = bias + reference_grl.mask(marks[0][number : number + 1], marks[1][number : number + 1])[0]
        out[queries[number][:, None], keys[number]] = bias
    return out


@pytest.mark.parametrize("name, sides", [("w", (8, 8)), ("sh", (16, 32)), ("sv", (32, 16))])
def test_coordinates_equal_the_released_tables(mini: Parity, name: str, sides: tuple[int, int]) -> None:
    factor = 1 if name == "w" else 2
    ours = relative_coordinates((AxisTiling(sides[0], factor), AxisTiling(sides[1], factor)))
    np.testing.assert_allclose(ours, mini.arrays[f"fixed_table_{name}"][0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name, sides", [("sh", (16, 32)), ("sv", (32, 16))])
@pytest.mark.parametrize("way", ["a2w", "w2a"])
def test_bias_and_mask_equal_the_released_indices_and_masks(
    mini: Parity, name: str, sides: tuple[int, int], way: str
) -> None:
    index, mask = (torch.from_numpy(mini.arrays[f"fixed_{kind}_{name}_{way}"]) for kind in ("index", "mask"))
    height, width = (AxisTiling(side, 2, shifted=True) for side in sides)
    table = torch.rand(1, sides[0] + sides[0] // 2 - 1, sides[1] + sides[1] // 2 - 1)
    found = torch.zeros(32 * 32, 16 * 16)
    for group in window_groups((32, 32), (height, width), cut=False, device=CPU):
        source = table if way == "w2a" else table.flip(1, 2)
        whole = HankelBias(source, group, queries_are_pixels=way == "w2a").whole()[0]
        for pixels, anchors in zip(group.pixels, group.anchors, strict=True):
            found[pixels[:, None], anchors] = whole if way == "w2a" else whole.T
    shift = (-(sides[0] // 2), -(sides[1] // 2))
    pixels = reference_grl.partition(
        torch.arange(32 * 32).view(1, 32, 32, 1).roll(shift, (1, 2)), (sides[0], sides[1])
    )[..., 0]
    anchors = reference_grl.partition(
        torch.arange(16 * 16).view(1, 16, 16, 1).roll((shift[0] // 2, shift[1] // 2), (1, 2)),
        (sides[0] // 2, sides[1] // 2),
    )[..., 0]
    for number in range(len(mask)):
        expected = table.flatten()[index] + mask[number]
        ours = found[pixels[number][:, None], anchors[number]]
        torch.testing.assert_close(ours if way == "w2a" else ours.T, expected)


def test_a_span_without_a_whole_window_is_only_its_two_pieces() -> None:
    spans = axis_spans(8, AxisTiling(8, 2, shifted=True), cut=True)
    assert [(span.starts, span.length, span.anchor_length) for span in spans] == [((4,), 4, 2), ((0,), 4, 2)]


def test_pieces_that_differ_in_place_only_are_one_span() -> None:
    spans = axis_spans(24, AxisTiling(8, shifted=True), cut=True)
    assert [(span.starts, span.length) for span in spans] == [((4, 12), 8), ((20, 0), 4)]


# --- loading


def test_every_released_key_is_used_once_and_every_parameter_met(mini: Parity) -> None:
    network = small_network(**mini.settings)
    renamed = rename(mini.state_dict, LAYOUT)
    assert len(renamed) == len(mini.state_dict)
    assert set(renamed) == set(network.state_dict())


def test_derived_entries_may_be_in_the_file(mini: Parity, network: GRL) -> None:
    fixed = {key: torch.from_numpy(mini.arrays[f"fixed_{key}"]) for key in mini.fixed_keys}
    assert len(fixed) == 13
    again = build({**fixed, **mini.state_dict}, **mini.settings)
    assert torch.equal(again(mini.input), network(mini.input))


@pytest.mark.parametrize("prefix", ["model.", "model_g."])
def test_a_lightning_file_of_a_gan_loads(mini: Parity, network: GRL, prefix: str) -> None:
    inner = {prefix + key: value for key, value in mini.state_dict.items()}
    inner |= {"model_d.conv0.weight": torch.zeros(3), "vgg.features.0.weight": torch.zeros(3)}
    inner["current_val_metric"] = torch.zeros(())
    again = build({"state_dict": inner, "epoch": 3, "hyper_parameters": {}}, **mini.settings)
    assert torch.equal(again(mini.input), network(mini.input))


@pytest.mark.parametrize("missing", ["window_size", "stripe_size", "anchor_window_down_factor"])
def test_the_geometry_is_never_guessed(mini: Parity, missing: str) -> None:
    given = {name: value for name, value in mini.settings.items() if name != missing}
    with pytest.raises(CheckpointError, match=missing):
        from_checkpoint("grl", mini.state_dict, **given)


@pytest.mark.parametrize(
    "wrong", [{"window_size": 16}, {"stripe_size": [32, 32]}, {"anchor_window_down_factor": 4}]
)
def test_settings_that_contradict_the_files_own_tables_are_refused(
    mini: Parity, wrong: dict[str, Any]
) -> None:
    tables = {key: torch.from_numpy(mini.arrays[f"fixed_{key}"]) for key in mini.fixed_keys}
    with pytest.raises(CheckpointError, match="table"):
        from_checkpoint("grl", {**mini.state_dict, **tables}, **{**mini.settings, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"depths": [2, 3]},
        {"embed_dim": 64},
        {"num_heads_stripe": [4, 4]},
        {"upscale": 4},
        {"upsampler": "pixelshuffle"},
        {"in_channels": 1},
        {"local_connection": False},
    ],
)
def test_settings_that_contradict_the_shapes_are_refused(mini: Parity, wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(wrong))):
        from_checkpoint("grl", mini.state_dict, **{**mini.settings, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_size": 12},
        {"stripe_size": [16, 24]},
        {"stripe_size": [16]},
        {"anchor_window_down_factor": 3},
        {"anchor_window_down_factor": 16},
        {"anchor_window_down_factor": 0},
    ],
)
def test_a_geometry_that_tiles_nothing_is_refused(mini: Parity, wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="does not fit"):
        from_checkpoint("grl", mini.state_dict, **{**mini.settings, **wrong})


def test_only_the_geometry_need_be_given(mini: Parity, network: GRL) -> None:
    again = build(mini.state_dict, **GEOMETRY)
    assert again.settings == {**network.settings, "img_size": None}
    assert torch.equal(again(mini.input), network(mini.input))


def test_our_own_keys_and_settings_build_it_again(mini: Parity, network: GRL) -> None:
    again = from_native("grl", network.state_dict(), network.settings)
    assert torch.equal(again(mini.input), network(mini.input))


@pytest.mark.parametrize("inputs, outputs", [(2, 1), (4, 3), (6, 3)])
@pytest.mark.parametrize("upsampler, upscale", [("", 1), ("pixelshuffledirect", 2)])
def test_variants_with_more_input_channels_load(
    inputs: int, outputs: int, upsampler: str, upscale: int
) -> None:
    given = {"in_channels": inputs, "out_channels": outputs, "upsampler": upsampler, "upscale": upscale}
    source = small_network(**given)
    again = build(released(source), **GEOMETRY)
    assert (again.in_channels, again.out_channels, again.scale) == (inputs, outputs, upscale)
    x = torch.rand(1, inputs, 9, 11)
    assert torch.equal(again(x), source(x))


def released(network: GRL) -> dict[str, Tensor]:
    """Return the network's weights under the authors' names: the rename table, read backwards."""
    given = {**network.settings}
    del given["out_channels"], given["mlp_ratio"]
    names = reference_grl.ReferenceGRL(**given).state_dict()
    ours = network.state_dict()
    return {name: ours[next(iter(rename({name: names[name]}, LAYOUT)))] for name in names}


def test_without_an_image_to_add_to_the_last_convolution_is_the_output() -> None:
    network = small_network(in_channels=4, out_channels=3)
    torch.nn.init.zeros_(network.reconstruction.last.weight)  # type: ignore[union-attr, arg-type]
    torch.nn.init.constant_(network.reconstruction.last.bias, 0.25)  # type: ignore[union-attr, arg-type]
    assert torch.equal(network(torch.rand(1, 4, 5, 7)), torch.full((1, 3, 5, 7), 0.25))


# --- behaviour


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=12)
def test_any_size_is_taken(height: int, width: int) -> None:
    network = small_network(upsampler="pixelshuffledirect", upscale=2)
    with torch.no_grad():
        out = network(torch.rand(1, 3, height, width))
    assert out.shape == (1, 3, 2 * height, 2 * width)
    assert out.isfinite().all()


def test_a_side_that_cannot_be_reflected_is_padded_with_zeros_on_both_axes() -> None:
    x = torch.ones(1, 1, 3, 30)
    padded = pad_to_multiple(x, 32)
    assert padded.sum() == x.sum()
    assert pad_to_multiple(torch.ones(1, 1, 17, 30), 32).sum() == 32 * 32


def test_a_batch_equals_its_images_one_by_one(mini: Parity, network: GRL) -> None:
    singles = torch.cat([network(image[None]) for image in mini.input])
    torch.testing.assert_close(network(mini.input), singles, atol=1e-5, rtol=1e-5)


def test_the_same_input_gives_the_same_bytes(mini: Parity, network: GRL) -> None:
    assert torch.equal(network(mini.input), network(mini.input))


def test_the_size_of_chunks_and_slabs_does_not_change_results(
    mini: Parity, network: GRL, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = network(mini.input)
    monkeypatch.setattr(grl_attention, "SLAB_BYTES", 10_000)
    monkeypatch.setattr(grl_attention, "CHUNK_TOKENS", 100)
    monkeypatch.setattr("restorecli.networks.grl.network.CHUNK_TOKENS", 77)
    assert parity_error(network(mini.input), expected) < 1e-5
    monkeypatch.setattr(grl_attention, "BATCHED_PAIRS", 0)
    assert parity_error(network(mini.input), expected) < 1e-5


def test_without_onednn_results_are_the_same(
    mini: Parity, network: GRL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grl_attention, "_ONEDNN_LINEAR", None)
    assert parity_error(network(mini.input), mini.output) < 1e-5


@pytest.mark.parametrize("batched_pairs", [0, 2**16])
def test_scales_that_reach_across_a_seam_keep_the_mask(
    mini: Parity, batched_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a scale of 100 a masked pair of equal directions can outweigh one of opposite directions."""
    monkeypatch.setattr(grl_attention, "BATCHED_PAIRS", batched_pairs)
    state = {
        key: torch.full_like(value, 5.0) if key.endswith("logit_scale") else value
        for key, value in mini.state_dict.items()
    }
    ours, reference = build(state, **mini.settings), reference_grl.build(state, **mini.settings)
    first = ours.stages[0].blocks[0].attention  # type: ignore[union-attr, index]
    assert not first.within_window.table().cut  # type: ignore[union-attr, operator]
    assert parity_error(ours(mini.input), reference(mini.input)) < 1e-4


def test_gradients_reach_every_parameter() -> None:
    network = small_network(local_connection=True).requires_grad_(True)
    x = torch.rand(1, 3, 40, 16)
    with torch.enable_grad():
        out = network(x)
        out.square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in without if not name.endswith(("gate_in.weight", "gate_in.bias"))] == []
    assert parity_error(network(x), out) < 1e-5  # and training's operators give what the tool's give


# --- caches


def test_the_table_is_made_once_until_weights_change(monkeypatch: pytest.MonkeyPatch) -> None:
    bias = PositionBias(2, (AxisTiling(4), AxisTiling(4))).requires_grad_(False)
    first = bias.table()
    assert bias.table() is first
    bias.heads.weight.add_(1.0)
    second = bias.table()
    assert not torch.equal(second.forward, first.forward)
    bias.load_state_dict({**bias.state_dict(), "logit_scale": torch.zeros(2, 1, 1)})
    assert torch.equal(bias.table().scale, torch.ones(2))
    bias.to(torch.bfloat16)
    assert bias.heads.weight.dtype == torch.float32
    assert torch.equal(bias.table().forward, second.forward)


def test_a_copy_and_a_pickle_give_the_same_result(mini: Parity, network: GRL) -> None:
    expected = network(mini.input)
    assert torch.equal(copy.deepcopy(network)(mini.input), expected)
    assert torch.equal(pickle.loads(pickle.dumps(network))(mini.input), expected)


def test_the_cache_of_geometry_stays_within_its_bound(mini: Parity, network: GRL) -> None:
    expected = network(mini.input)
    network.groups.limit = 60_000
    for side in (8, 33, 40, 65, 70):
        network(torch.rand(1, 3, side, side))
        assert network.groups.used <= 60_000
    assert torch.equal(network(mini.input), expected)


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 60))
@settings(deadline=None)
def test_a_byte_cache_holds_what_fits_and_forgets_the_oldest(keys: list[int], limit: int) -> None:
    cache = ByteCache(limit)
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return key

    for number, key in enumerate(keys):
        assert cache.get(key, lambda key=key: make(key), lambda value: value) == key  # type: ignore[misc]
        assert cache.used <= limit
        recent = dict.fromkeys(reversed(keys[: number + 1]))
        if sum(recent) <= limit:
            assert len(made) == len(recent)


def test_threads_share_a_network(mini: Parity, network: GRL) -> None:
    expected = network(mini.input)
    network.groups = ByteCache(1_000_000)
    for module in network.modules():
        if isinstance(module, PositionBias):
            module._held = Derived()
    results: list[Tensor] = []

    def work() -> None:
        with torch.no_grad():
            results.append(network(mini.input))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(torch.equal(result, expected) for result in results)


# --- precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_and_finite(mini: Parity, network: GRL, dtype: torch.dtype) -> None:
    expected = network(mini.input)
    half = copy.deepcopy(network).to(dtype)(mini.input.to(dtype))
    assert half.dtype == dtype
    assert decibels(half.float(), expected, 1.0) > 46


def test_autocast_is_close_and_finite(mini: Parity, network: GRL) -> None:
    expected = network(mini.input)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(mini.input)
    assert decibels(out.float(), expected, 1.0) > 46


def test_tokens_of_zero_length_and_of_great_length_stay_finite_in_float16(network: GRL) -> None:
    half = copy.deepcopy(network).half()
    for value in (0.0, 1.0, 60.0):
        assert half(torch.full((1, 3, 16, 16), value, dtype=torch.float16)).isfinite().all()


def test_inference_mode_gives_the_same(mini: Parity, network: GRL) -> None:
    expected = network(mini.input)
    with torch.inference_mode():
        made_inside = build(mini.state_dict, **mini.settings)
        assert torch.equal(made_inside(mini.input), expected)
        assert torch.equal(network(mini.input), expected)


def test_attention_of_every_formulation_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs, batches and the operator other devices use, against the formula."""
    tiling = (AxisTiling(8, 2, shifted=True), AxisTiling(12, 2, shifted=True))
    bias = PositionBias(2, tiling).requires_grad_(False).table()
    for group in window_groups((16, 24), tiling, cut=False, device=CPU):
        position = HankelBias(bias.forward, group, queries_are_pixels=True)
        count, length = group.pixels.shape
        q, k, v = (torch.randn(count, 2, n, 5) for n in (length, *[group.anchors.shape[1]] * 2))
        expected = torch.softmax(q @ k.mT + position.whole(), -1) @ v
        for pairs in (0, 10**9):
            monkeypatch.setattr(grl_attention, "BATCHED_PAIRS", pairs)
            torch.testing.assert_close(grl_attention.attend(q, k, v, position), expected)
        mask = position.whole()
        torch.testing.assert_close(
            F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0), expected
        )


# --- memory


def small(stages: int, depth: int) -> dict[str, Any]:
    """Settings of GRL small for denoising, with fewer stages and blocks."""
    heads = [2] * stages
    return {
        "window_size": 16,
        "stripe_size": [64, 128],
        "anchor_window_down_factor": 4,
        "embed_dim": 128,
        "depths": [depth] * stages,
        "num_heads_window": heads,
        "num_heads_stripe": heads,
    }


def test_memory_of_one_stage_stays_far_below_one_attention_matrix() -> None:
    """256×256: the stripes' logits alone would be 2 heads × 65536 × 512 × 4 bytes = 256 MiB, twice."""
    assert checks.peak_mebibytes("grl", 256, small(stages=1, depth=2)) < 480


@pytest.mark.slow
def test_memory_of_the_small_network_at_512_by_512_stays_under_two_gibibytes() -> None:
    assert checks.peak_mebibytes("grl", 512, small(stages=4, depth=4)) < 2048
