from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from restorecli.engine.facts import read_facts
from restorecli.models.convert import native_metadata, save_native
from restorecli.networks import from_native, layout
from restorecli.networks.packed import Packed

SMALL = {
    "rnan": {"channels": 12, "features": 8, "groups": 2},
    "mirnet": {"channels": 12, "features": 8, "groups": 1, "blocks": 1},
    "panet": {"channels": 12, "features": 8, "blocks": 2},
    "nlsn": {
        "channels": 12,
        "features": 8,
        "blocks": 1,
        "scale": 1,
        "chunk_size": 16,
        "hashes": 1,
        "blocks_per_attention": 1,
    },
}


@pytest.mark.parametrize("network", SMALL)
def test_packing_is_the_inner_network_on_the_four_phases_of_the_image(network: str) -> None:
    torch.manual_seed(0)
    packed = layout(network).make(**SMALL[network], packing=2).eval()
    assert isinstance(packed, Packed)
    x = torch.rand(1, 3, 12, 16) * packed.value_range
    phases = torch.stack([x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)], dim=2)
    with torch.inference_mode():
        expected = packed.inner(phases.flatten(1, 2)).unflatten(1, (3, 4))
        got = packed(x)
    for index, (row, column) in enumerate((r, c) for r in (0, 1) for c in (0, 1)):
        torch.testing.assert_close(got[:, :, row::2, column::2], expected[:, :, index])


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 3)])
def test_any_size_keeps_its_size(size: tuple[int, int]) -> None:
    network = layout("nlsn").make(**SMALL["nlsn"], packing=2).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_a_same_size_network_with_weights_of_zero_gives_its_input() -> None:
    network = layout("nlsn").make(**SMALL["nlsn"], packing=2).eval()
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 3, 9, 10)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), x)


def test_the_engine_is_told_of_photo_pixels_not_of_packed_ones() -> None:
    inner = layout("rnan").make(**SMALL["rnan"])
    packed = layout("rnan").make(**SMALL["rnan"], packing=2, demosaic_input="malvar-RGGB")
    facts, inner_facts = read_facts(packed), read_facts(inner)
    assert facts.in_channels == facts.out_channels == 3
    assert facts.side_multiple == 2 * inner_facts.side_multiple
    assert facts.value_range == inner_facts.value_range == 255
    assert inner_facts.tile_limit and facts.tile_limit == 2 * inner_facts.tile_limit
    assert packed.tile_overlap == 2 * inner.tile_overlap
    assert packed.demosaic_input == "malvar-RGGB" != inner.demosaic_input
    names = dict(packed.named_modules())
    assert facts.half_unsafe and all(name in names for name in facts.half_unsafe)


def test_a_packed_network_comes_back_from_its_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = layout("nlsn").make(**SMALL["nlsn"], packing=2, demosaic_input="malvar-RGGB").eval()
    file = tmp_path / "small.safetensors"
    save_native(network, file, name="nlsn")
    native = native_metadata(file)
    assert native is not None and native[1]["packing"] == 2
    from safetensors.torch import load_file

    again = from_native(native[0], load_file(file), native[1])
    x = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(again(x), network(x))
    assert again.demosaic_input == "malvar-RGGB"


def test_networks_that_cannot_be_packed_are_refused() -> None:
    for settings in ({"channels": 3}, {"channels": 12, "scale": 2}):
        with pytest.raises(ValueError, match="packed"):
            layout("nlsn").make(**{**SMALL["nlsn"], **settings}, packing=2)
