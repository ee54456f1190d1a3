from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from restorecli.cli import models as command
from restorecli.errors import RestoreError, UsageError, WeightsError
from restorecli.models import cache, download
from restorecli.models.registry import Registry
from tests.models.conftest import catalogue, paper
from tests.models.server import Web, serve
from tests.networks.seeded import SMALL, load_fixture

TINY = load_fixture(SMALL / "nlsn-tiny-batch.json")


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_WEIGHTS_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("RESTORE_OFFLINE", "RESTORE_MIRROR", "RESTORE_LICENSE_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "BACKOFF", 0.001)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    path = tmp_path / "model_x2.pt"
    torch.save(TINY.state_dict, path)
    return path


@pytest.fixture
def known(web: Web, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Put a catalogue of one file in place: tiny-x2, served by the local server."""
    registry = catalogue(tmp_path, paper(web.add("/w.pt", released.read_bytes()), commercial_use="no"))
    monkeypatch.setattr(command, "load_registry", lambda: registry)
    return registry


def run(*words: str) -> Result:
    return CliRunner().invoke(command.app, list(words))


def failure(result: Result) -> RestoreError:
    assert isinstance(result.exception, RestoreError), result.output
    return result.exception


def test_list_shows_name_task_and_licence_on_standard_output() -> None:
    result = run("list", "--task", "denoise", "--network", "rnan")
    assert result.exit_code == 0 and result.stderr == ""
    assert len(result.stdout.splitlines()) == 9  # a head and eight files
    assert "rnan-denoise-gray-s70" in result.stdout and "none stated" in result.stdout


def test_list_as_json_leaves_out_what_is_unknown() -> None:
    rows = json.loads(run("list", "--network", "nlsn", "--json").stdout)
    paper_rows = [row for row in rows if row["variant"] == "paper"]
    assert [row["name"] for row in paper_rows] == ["nlsn-x2", "nlsn-x3", "nlsn-x4"]
    assert all("sha256" not in row and "bytes" not in row and not row["cached"] for row in paper_rows)


def test_list_filters_by_licence_policy_and_by_what_is_here(known: Registry) -> None:
    assert json.loads(run("list", "--license-policy", "commercial", "--json").stdout) == []
    assert json.loads(run("list", "--cached", "--json").stdout) == []
    run("download", "tiny-x2")
    assert [row["name"] for row in json.loads(run("list", "--cached", "--json").stdout)] == ["tiny-x2"]
    assert json.loads(run("list", "--licence", "GPL", "--json").stdout) == []


@pytest.mark.parametrize("words", ["list --task colorize", "list --network vgg", "info vgg"])
def test_unknown_words_are_usage_errors(words: str) -> None:
    assert isinstance(failure(run(*words.split())), UsageError)


def test_info_tells_paper_parameters_cost_and_licence() -> None:
    text = run("info", "nlsn").stdout
    for told in ("Non-Local Sparse Attention", "CVPR 2021", "41,796,163", "GMAC", "none stated"):
        assert told in text


def test_info_as_json_counts_the_network() -> None:
    told = json.loads(run("info", "nlsn-x2", "--json").stdout)
    assert told["network"]["year"] == 2021 and told["costs"][0]["parameters"] == 41_796_163
    assert told["costs"][0]["gmac_per_megapixel"] > 40_000


def test_download_verify_where_remove(known: Registry, web: Web) -> None:
    assert run("download", "nlsn").exit_code == 0 and len(web.requests) == 1
    where = Path(run("where", "tiny-x2").stdout.strip())
    assert where.is_file()
    assert json.loads(run("verify", "--json").stdout) == [{"name": "tiny-x2", "ok": True, "problem": ""}]
    where.write_bytes(where.read_bytes()[::-1])
    result = run("verify")
    assert "was stored" in result.stdout and isinstance(failure(result), WeightsError)
    assert str(where) in run("remove", "tiny-x2").stdout and not where.exists()
    assert "was not in the cache" in run("remove", "tiny-x2").stderr


def test_where_alone_tells_the_cache_folder() -> None:
    assert run("where").stdout.strip() == str(cache.root())


def test_a_first_download_tells_digest_and_licence_on_standard_error(known: Registry) -> None:
    result = run("download", "tiny-x2")
    assert result.stdout == "" and "recorded at first use" in result.stderr and "licence" in result.stderr


def test_a_failed_download_is_named_and_ends_in_code_4(
    known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    result = run("download", "--all")
    error = failure(result)
    assert error.exit_code == 4 and "tiny-x2" in error.message
    assert "hint: download model_x2.pt" in result.stderr


def test_download_keeps_to_the_licence_policy(known: Registry, web: Web) -> None:
    result = run("download", "--all", "--license-policy", "commercial")
    assert "1 left out by the licence policy" in result.stderr and web.requests == []


def test_download_of_nothing_is_a_usage_error() -> None:
    assert isinstance(failure(run("download")), UsageError)


def test_add_recognises_the_file_and_verifies_that_it_loads(
    known: Registry, released: Path, tmp_path: Path, web: Web
) -> None:
    result = run("add", str(released))
    assert result.exit_code == 0 and result.stdout.startswith("tiny-x2\t")
    assert len(list((cache.root() / "native").glob("nlsn-*.safetensors"))) == 1
    assert run("download", "tiny-x2").exit_code == 0 and web.requests == []
    renamed = str(shutil.copy(released, tmp_path / "download (1).pt"))
    assert json.loads(run("add", renamed, "--as", "tiny-x2", "--json").stdout)["name"] == "tiny-x2"


def test_add_refuses_a_file_that_is_no_checkpoint(known: Registry, tmp_path: Path) -> None:
    (tmp_path / "model_x2.pt").write_bytes(b"<html>")
    assert "is damaged or no checkpoint" in failure(run("add", str(tmp_path / "model_x2.pt"))).message


@pytest.mark.parametrize("name", ["list", "info", "download", "verify", "add", "where", "remove"])
def test_every_help_has_two_examples(name: str) -> None:
    assert run(name, "--help").stdout.count("restore models") >= 2
