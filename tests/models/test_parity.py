from __future__ import annotations

import torch

from restorecli.models.convert import native_metadata
from restorecli.models.load import load
from restorecli.models.parity import TOLERANCE, complaint, parity_of, picture, to_text
from restorecli.models.registry import load_registry
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.networks import layout
from restorecli.networks.network import Network

LIGHT = [entry for entry in load_registry().entries if entry.ships]


def tiny(scale: int = 1) -> Network:
    torch.manual_seed(0)
    settings = {"features": 8, "blocks": 1, "chunk_size": 16, "hashes": 1, "blocks_per_attention": 1}
    return layout("nlsn").make(**settings, scale=scale).eval()


def test_a_network_agrees_with_itself_and_not_with_one_changed_weight() -> None:
    network = tiny(2)
    text = to_text(parity_of(network))
    assert complaint(network, text) == ""
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] += 1e-3
    assert "tensors" in complaint(network, text)


def test_the_same_tensors_run_otherwise_are_noticed_by_their_pixels() -> None:
    network = tiny()
    text = to_text(parity_of(network))
    hook = network.register_forward_hook(lambda _module, _given, made: made + 2 * TOLERANCE)
    assert "pixels" in complaint(network, text)
    hook.remove()
    network.register_forward_hook(lambda _module, _given, made: made + TOLERANCE / 4)
    assert complaint(network, text) == ""


def test_the_picture_has_edges_texture_and_all_brightnesses() -> None:
    shown = picture(3)
    assert shown.shape == (1, 3, 32, 32)
    assert shown.min() < 0.1 and 0.8 < shown.max() <= 1
    assert shown.diff(dim=-1).abs().mean() > 0.05
    assert not torch.equal(shown[:, 0], shown[:, 1])


def test_every_shipped_file_gives_the_pixels_it_tells() -> None:
    assert LIGHT
    for entry in LIGHT:
        resolved = resolve(ModelRequest(entry.task, model=entry.name, scale=entry.scale))
        assert resolved.path is not None
        native = native_metadata(resolved.path)
        assert native is not None
        assert complaint(load(resolved), native[2]["parity"]) == "", entry.name
