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
    for shown in ("Non-Local Sparse Attention", "CVPR 2021", "41,796,163", "GMAC", "none stated"):
        assert shown in text


def test_info_as_json_counts_the_network() -> None:
    shown = json.loads(run("info", "nlsn-x2", "--json").stdout)
    assert shown["network"]["year"] == 2021 and shown["costs"][0]["parameters"] == 41_796_163
    assert shown["costs"][0]["gmac_per_megapixel"] > 40_000


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


def test_every_command_that_acts_can_tell_it_as_json(known: Registry) -> None:
    place = json.loads(run("where", "tiny-x2", "--json").stdout)
    assert place == [{"name": "tiny-x2", "path": place[0]["path"], "cached": False}]
    (fetched,) = json.loads(run("download", "tiny-x2", "--json").stdout)
    assert fetched["cached"] and fetched["trust"] == "first use" and len(fetched["sha256"]) == 64
    assert fetched["path"] == place[0]["path"] and Path(fetched["path"]).is_file()
    assert json.loads(run("where", "--json").stdout) == {"folder": str(cache.root())}
    (removed,) = json.loads(run("remove", "tiny-x2", "--json").stdout)
    assert removed["name"] == "tiny-x2" and fetched["path"] in removed["deleted"]


def test_a_failed_download_is_in_the_json_too(known: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    result = run("download", "tiny-x2", "--json")
    assert json.loads(result.stdout)[0]["cached"] is False and failure(result).exit_code == 4


def test_download_by_task_takes_what_the_task_has(known: Registry, web: Web) -> None:
    assert run("download", "--task", "upscale").exit_code == 0 and len(web.requests) == 1


def test_download_asks_again_for_what_failed_before(known: Registry, web: Web) -> None:
    body = web.pages.pop("/w.pt")
    assert isinstance(failure(run("download", "tiny-x2")), WeightsError)
    web.pages["/w.pt"] = body
    assert run("download", "tiny-x2").exit_code == 0


def test_verify_of_a_network_reads_what_is_here_and_of_a_name_misses_it(known: Registry) -> None:
    assert run("verify", "nlsn").exit_code == 0
    error = failure(run("verify", "tiny-x2"))
    assert error.exit_code == 4 and error.hint == "restore models download tiny-x2"


def test_where_of_a_network_is_its_folder(known: Registry) -> None:
    assert Path(run("where", "nlsn").stdout.strip()) == cache.root() / "released" / "nlsn"


def test_weights_of_the_package_stay() -> None:
    assert "cannot be removed" in failure(run("remove", "nlsn-light-x2")).message


def test_add_of_a_missing_file_is_said(known: Registry) -> None:
    assert "no such file" in failure(run("add", "none.pt")).message
    assert "no such file" in failure(run("add", "none.pt", "--as", "tiny-x2")).message


def test_info_tells_the_cost_of_every_size_of_grl() -> None:
    shown = json.loads(run("info", "grl", "--json").stdout)
    assert len(shown["costs"]) > 10
    assert all(cost["gmac_per_megapixel"] > 90 for cost in shown["costs"])  # the light one: 95


def test_info_of_a_companion_leaves_out_what_is_unknown() -> None:
    text = run("info", "fbcnn").stdout
    assert "Towards Flexible Blind JPEG Artifacts Removal\n" in "\n".join(map(str.rstrip, text.splitlines()))
    assert "GMAC" not in text and "quality map" in text


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
    assert "is damaged or not a checkpoint" in failure(run("add", str(tmp_path / "model_x2.pt"))).message


@pytest.mark.parametrize("name", ["list", "info", "download", "verify", "add", "where", "remove"])
def test_every_help_has_two_examples(name: str) -> None:
    assert run(name, "--help").stdout.count("restore models") >= 2
