from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from restorecli.errors import CheckpointError
from restorecli.models import cache, convert
from restorecli.models.convert import build, native_metadata, read_checkpoint
from restorecli.models.load import load
from restorecli.models.resolved import Resolved
from tests.models.conftest import TINY, TINY_SETTINGS


class RunsCode:
    def __reduce__(self) -> Any:
        return os.system, ("echo this must never run",)


def image() -> torch.Tensor:
    return torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(1))


WRAPPINGS = {
    "bare": lambda state: state,
    "ordered": collections.OrderedDict,
    "state_dict": lambda state: {"state_dict": state, "epoch": 7},
    "module.": lambda state: {f"module.{key}": value for key, value in state.items()},
    "params_ema": lambda state: {"params_ema": {f"module.{key}": value for key, value in state.items()}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_every_form_of_a_checkpoint_gives_the_same_picture(
    tmp_path: Path, released: Path, wrapping: str, zipped: bool
) -> None:
    file = tmp_path / "other.pth"
    torch.save(WRAPPINGS[wrapping](TINY.state_dict), file, _use_new_zipfile_serialization=zipped)
    with torch.no_grad():
        expected = build(released, "nlsn", TINY_SETTINGS)(image())
        assert torch.equal(build(file, "nlsn", TINY_SETTINGS)(image()), expected)


def test_the_converted_copy_gives_the_same_picture_and_tells_where_it_is_from(released: Path) -> None:
    digest = cache.sha256_of(released)
    copy = convert.convert(released, "nlsn", TINY_SETTINGS, sha256=digest, license="MIT")
    native = native_metadata(copy)
    assert native is not None
    network, settings, metadata = native
    assert network == "nlsn" and settings["chunk_size"] == 32
    assert metadata["source_sha256"] == digest and metadata["license"] == "MIT"
    loaded = load(Resolved("nlsn", "file", "x", None, copy))
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    with torch.no_grad():
        assert torch.equal(loaded(image()), build(released, "nlsn", TINY_SETTINGS)(image()))


def test_a_file_is_converted_once(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = cache.sha256_of(released)
    first = convert.convert(released, "nlsn", TINY_SETTINGS, sha256=digest)
    monkeypatch.setattr(convert, "read_checkpoint", lambda path: pytest.fail("converted again"))
    assert convert.convert(released, "nlsn", TINY_SETTINGS, sha256=digest) == first


def test_other_settings_make_another_copy(released: Path) -> None:
    digest = cache.sha256_of(released)
    one = convert.convert(released, "nlsn", TINY_SETTINGS, sha256=digest)
    two = convert.convert(released, "nlsn", {**TINY_SETTINGS, "chunk_size": 16}, sha256=digest)
    assert one != two and len(cache.native_copies(digest)) == 2


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickle_that_would_run_code_is_refused_with_the_reason(
    tmp_path: Path, zipped: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evil.pt"
    torch.save({"state_dict": TINY.state_dict, "x": RunsCode()}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil.pt was refused: the pickle asks for .*system.*run code"):
        read_checkpoint(file)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_cut_off_file_is_damaged(tmp_path: Path, zipped: bool) -> None:
    file = tmp_path / "cut.pt"
    torch.save(TINY.state_dict, file, _use_new_zipfile_serialization=zipped)
    file.write_bytes(file.read_bytes()[:-20_000])
    with pytest.raises(CheckpointError, match=r"cut.pt is damaged"):
        read_checkpoint(file)


@pytest.mark.parametrize("name", ["text.pt", "text.safetensors"])
def test_a_file_of_something_else_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<html>not weights</html>")
    with pytest.raises(CheckpointError, match=f"{name} is damaged or no"):
        read_checkpoint(tmp_path / name)


def test_a_lone_tensor_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "t.pt")
    with pytest.raises(CheckpointError, match="holds a Tensor"):
        read_checkpoint(tmp_path / "t.pt")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path / "none.pt")


def test_weights_of_another_network_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.zeros(3, 3, 3, 3)}, file)
    assert native_metadata(file) is None
    with pytest.raises(CheckpointError, match=r"other.safetensors: .*conv.weight"):
        build(file, "nlsn", {})
