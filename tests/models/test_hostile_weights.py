"""Files of weights, records and catalogues that were made to break their reader: refused by name, quickly."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from restorecli.errors import CheckpointError, WeightsError
from restorecli.models import cache
from restorecli.models.choose import ModelRequest
from restorecli.models.convert import MOST_UNPACKED, ROOM, build, native_metadata, read_checkpoint
from restorecli.models.from_file import identify, resolve_file
from restorecli.models.load import load
from restorecli.models.registry import load_registry, read_registry
from restorecli.models.resolved import Resolved
from restorecli.networks import from_native
from tests.models.conftest import TINY, TINY_SETTINGS


def loop() -> dict[str, Any]:
    state: dict[str, Any] = {"weight": torch.ones(2)}
    state["state_dict"] = state
    return state


@pytest.mark.parametrize(
    "content",
    [
        loop(),
        {1: torch.ones(2), 2: torch.ones(3)},
        {},
        {"weight": torch.ones(1).expand(1 << 14, 1 << 14)},
        {"head.0.weight": torch.ones(0, 0, 0, 0)},
        {"state_dict": {"state_dict": {"model": 3}}},
    ],
    ids=["holds itself", "numbered keys", "empty", "claims more than it has", "no elements", "no tensors"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_odd_tables_are_refused(tmp_path: Path, content: dict[Any, Any], zipped: bool) -> None:
    file = tmp_path / "odd.pt"
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"odd\.pt"):
        build(file, "nlsn", TINY_SETTINGS)


def test_a_pickle_that_makes_an_array_of_zeros_is_refused_before_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "zeros.pt"
    file.write_bytes(pickle.dumps(bytearray(10), protocol=2).replace(b"\x0a", b"\x0b"))
    with pytest.raises(CheckpointError, match="bytearray"):
        read_checkpoint(file)


def test_packed_zeros_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({}))
        archive.writestr("x/data/0", bytes(MOST_UNPACKED * ROOM))
    with pytest.raises(CheckpointError, match="unpack"):
        read_checkpoint(file)


def test_any_byte_changed_gives_a_network_or_a_named_error(tmp_path: Path, released: Path) -> None:
    whole = released.read_bytes()
    file = tmp_path / "fuzzed.pt"
    for seed in range(40):
        data = bytearray(whole)
        data[(seed * 7919) % 3000] = (seed * 31) % 256
        file.write_bytes(data[: len(data) - (seed % 4) * 97])
        try:
            build(file, "nlsn", TINY_SETTINGS)
        except CheckpointError as error:
            assert "fuzzed.pt" in error.message


@pytest.mark.parametrize(
    "changes",
    [
        {"n_resblocks": 10**9},
        {"n_feats": 60_000},
        {"n_hashes": 10**9},
        {"res_scale": float("inf")},
        {"n_feats": [1, [2, [3]]]},
        {"no_such_setting": 1},
    ],
    ids=str,
)
def test_native_settings_that_are_not_of_the_tensors_are_refused_without_the_memory(
    released: Path, changes: dict[str, Any]
) -> None:
    network = build(released, "nlsn", TINY_SETTINGS)
    with pytest.raises(CheckpointError):
        from_native("nlsn", network.state_dict(), {**network.settings, **changes})


@pytest.mark.parametrize(
    "facts",
    [
        {"border": "-5"},
        {"border": "1e3"},
        {"border": "99999"},
        {"extra_input": "everything"},
        {"network": "unheard-of"},
        {"settings": "[" * 100_000},
        {"settings": "[]"},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_native_facts_beyond_reason_are_refused(
    tmp_path: Path, released: Path, facts: dict[str, str]
) -> None:
    network = build(released, "nlsn", TINY_SETTINGS)
    metadata = {"format": "restorecli", "network": "nlsn", "settings": json.dumps(network.settings), **facts}
    file = tmp_path / "native.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file, metadata)
    with pytest.raises(CheckpointError, match=r"native\.safetensors"):
        native_metadata(file)


def test_a_native_file_of_another_network_s_tensors_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "native.safetensors"
    metadata = {"format": "restorecli", "network": "grl", "settings": "{}"}
    save_file(dict(TINY.state_dict), file, metadata)
    with pytest.raises(CheckpointError, match=r"native\.safetensors"):
        load(Resolved("grl", "file", "x", None, file))


@pytest.mark.parametrize("content", [{}, {"a": 1}, {"conv.weight": torch.zeros(3, 3)}], ids=str)
@pytest.mark.parametrize("name", [None, "nlsn-x4", "rnan-x4"])
def test_every_refusal_of_a_file_names_it(tmp_path: Path, content: dict[str, Any], name: str | None) -> None:
    file = tmp_path / "other.pt"
    torch.save(content, file)
    for ask in (
        lambda: identify(file, name, load_registry()),
        lambda: load(resolve_file(ModelRequest("upscale", model=name), file, load_registry())),
    ):
        with pytest.raises(WeightsError, match=r"other\.pt"):
            ask()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "null",
        '{"sha256": 5, "bytes": 5, "source": "", "trust": "", "fetched": ""}',
        '{"sha256": "../../x", "bytes": 5, "source": "", "trust": "", "fetched": ""}',
        '{"sha256": "' + "a" * 64 + '", "bytes": Infinity, "source": "", "trust": "", "fetched": ""}',
        "\0\0\0",
    ],
    ids=["empty", "deep", "null", "number", "path", "infinite", "NUL"],
)
def test_records_of_the_cache_that_cannot_be_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "model.pt"
    cache.record_path(file).write_text(text)
    assert cache.read_record(file) is None


@pytest.mark.parametrize(
    "text", ["network = 3", "x = " + "[" * 5000, "[network]\nname = 3\ntitle = 4\n[[file]]\nname = 3", "\0"]
)
def test_catalogues_of_the_wrong_kind_are_weights_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    with pytest.raises(WeightsError):
        read_registry([file])
