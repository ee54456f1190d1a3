from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from restorecli.errors import ChecksumError, DownloadError, WeightsError
from restorecli.models import cache, fetch
from restorecli.models.registry import ModelEntry
from tests.models.server import Page, Web

BODY = b"weights" * 1000


def entry(url: str, **more: object) -> ModelEntry:
    plain = ModelEntry(name="tiny-x2", network="nlsn", task="upscale", file="model_x2.pt", urls=(url,))
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def test_a_file_is_fetched_once_and_its_record_tells_where_from(web: Web, own_cache: Path) -> None:
    one = entry(web.add("/w", BODY))
    record, fresh = fetch.fetch(one)
    assert fresh and record.trust == "first use" and record.source == one.urls[0]
    assert (own_cache / "released" / "nlsn" / "model_x2.pt").read_bytes() == BODY
    assert fetch.fetch(one) == (record, False)
    assert len(web.requests) == 1


def test_a_known_digest_makes_the_record_pinned(web: Web) -> None:
    url = web.add("/w", BODY)
    record, _ = fetch.fetch(entry(url, bytes=len(BODY), sha256=hashlib.sha256(BODY).hexdigest()))
    assert record.trust == "pinned"


def test_the_digest_of_first_use_binds_later_downloads(web: Web) -> None:
    one = entry(web.add("/w", BODY))
    fetch.fetch(one)
    cache.entry_path(one).unlink()
    web.add("/w", Page(b"other weights", etag='"v2"'))
    with pytest.raises(ChecksumError, match="has changed since its first download") as caught:
        fetch.fetch(one)
    assert "restore models remove tiny-x2" in caught.value.hint


def test_a_second_link_is_tried_after_the_first(web: Web) -> None:
    second = web.add("/copy", BODY)
    record, _ = fetch.fetch(entry(web.url + "/gone", urls=(web.url + "/gone", second)))
    assert record.source == second


def test_a_mirror_is_asked_first(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_MIRROR", web.url + "/mirror/")
    mirror = web.add("/mirror/nlsn/model_x2.pt", BODY)
    record, _ = fetch.fetch(entry(web.add("/w", b"the authors'")))
    assert record.source == mirror and web.seen("/w") == []


def test_a_mirror_that_lacks_the_file_is_passed_over(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_MIRROR", web.url + "/mirror")
    record, _ = fetch.fetch(entry(web.add("/w", BODY)))
    assert record.source == web.url + "/w"


def test_failure_tells_how_to_get_the_file_by_hand(web: Web) -> None:
    with pytest.raises(DownloadError, match=r"tiny-x2 could not be fetched: .*404") as caught:
        fetch.fetch(entry(web.url + "/gone"))
    assert f"download model_x2.pt from {web.url}/gone" in caught.value.hint
    assert "restore models add model_x2.pt --as tiny-x2" in caught.value.hint


def test_a_drive_folder_is_named_in_the_way_by_hand() -> None:
    one = entry("", urls=(), drive_folder="FOLDER")
    assert "https://drive.google.com/drive/folders/FOLDER" in fetch.by_hand(one)


@pytest.mark.parametrize("by_environment", [True, False])
def test_offline_uses_the_cache_alone(
    web: Web, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    one = entry(web.add("/w", BODY))
    if by_environment:
        monkeypatch.setenv("RESTORE_OFFLINE", "1")
    with pytest.raises(DownloadError, match="not in the cache"):
        fetch.fetch(one, allow_network=by_environment)
    assert web.requests == []


def test_a_file_of_another_size_than_recorded_is_fetched_again(web: Web) -> None:
    one = entry(web.add("/w", BODY))
    fetch.fetch(one)
    cache.entry_path(one).write_bytes(b"damaged")
    assert fetch.fetch(one)[1]
    assert cache.entry_path(one).read_bytes() == BODY


def test_what_could_not_be_had_is_asked_for_once_per_process(web: Web) -> None:
    one = entry(web.url + "/gone")
    for _ in range(2):
        with pytest.raises(DownloadError, match="404") as caught:
            fetch.fetch(one)
        assert "models add" in caught.value.hint
    assert len(web.requests) == 1
    web.add("/gone", BODY)
    assert fetch.fetch(one, again=True)[1] and fetch.fetch(one)[1] is False


def test_a_mirror_with_other_bytes_is_passed_over(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_MIRROR", web.url + "/mirror")
    web.add("/mirror/nlsn/model_x2.pt", b"something else")
    record, _ = fetch.fetch(entry(web.add("/w", BODY), sha256=hashlib.sha256(BODY).hexdigest()))
    assert record.source == web.url + "/w"


def test_what_was_wrong_with_the_mirror_is_said_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_MIRROR", web.url + "/mirror")
    web.add("/mirror/nlsn/model_x2.pt", Page(b"<html>log in</html>", kind="text/html"))
    with pytest.raises(DownloadError, match=r"/gone: .*404.*; the mirror: .* gives a web page"):
        fetch.fetch(entry(web.url + "/gone"))


def test_a_mirror_is_not_asked_offline(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_MIRROR", web.url)
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    with pytest.raises(DownloadError, match="switched off"):
        fetch.fetch(entry(web.add("/nlsn/model_x2.pt", BODY)))
    assert web.requests == []


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_a_file_cut_short_by_a_server_that_states_no_length_is_not_kept(
    web: Web, tmp_path: Path, own_cache: Path, kind: str
) -> None:
    whole = tmp_path / f"whole.{kind}"
    weights = {"weight": torch.rand(300)}
    torch.save(weights, whole) if kind == "zip" else save_file(weights, whole)
    body = whole.read_bytes()
    one = entry(web.add("/w", Page(body, length=False, cut=[len(body) - 90])), file=whole.name)
    with pytest.raises(DownloadError, match="ends too early"):
        fetch.fetch(one)
    assert [p for p in own_cache.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    assert fetch.fetch(one, again=True)[1] and cache.entry_path(one).read_bytes() == body


def test_a_full_disk_while_the_record_is_written_leaves_no_file_without_one(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = entry(web.add("/w", BODY))
    monkeypatch.setattr(cache, "write_whole", full)
    with pytest.raises(WeightsError, match=r"model_x2.pt.json cannot be written: No space left"):
        fetch.fetch(one)
    assert not cache.entry_path(one).exists()


def test_files_of_a_cache_that_became_read_only_are_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise WeightsError(f"the cache of weights cannot be written: {folder}")

    one = entry(web.add("/w", BODY))
    record, _ = fetch.fetch(one)
    monkeypatch.setattr(cache, "make_folder", refuse)
    assert fetch.fetch(one) == (record, False)
    with pytest.raises(WeightsError, match="cannot be written"):
        fetch.fetch(entry(web.url + "/w", file="other.pt"))


def test_a_cache_that_cannot_be_written_is_said(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("RESTORE_WEIGHTS_DIR", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="cannot be written"):
        fetch.fetch(entry(web.add("/w", BODY)))


def test_two_processes_download_a_file_once(web: Web, own_cache: Path) -> None:
    url = web.add("/w", Page(BODY, delay=0.5))
    code = (
        "import sys; from restorecli.models.fetch import fetch;"
        "from restorecli.models.registry import ModelEntry;"
        "fetch(ModelEntry(name='t', network='nlsn', task='upscale', file='m.pt', urls=(sys.argv[1],)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    both = [subprocess.Popen([sys.executable, "-c", code, url], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(web.requests) == 1
    assert (own_cache / "released" / "nlsn" / "m.pt").read_bytes() == BODY


def test_verify_sees_a_changed_byte(web: Web) -> None:
    one = entry(web.add("/w", BODY))
    assert fetch.verify(one) == "missing"
    fetch.fetch(one)
    assert fetch.verify(one) == ""
    cache.entry_path(one).write_bytes(b"W" + BODY[1:])
    assert "was stored" in fetch.verify(one)


def test_a_file_added_by_hand_counts_as_cached(tmp_path: Path) -> None:
    one, file = entry("http://127.0.0.1:9/"), tmp_path / "download.pt"
    file.write_bytes(BODY)
    record = fetch.add(one, file)
    assert record.source == "by hand" and fetch.fetch(one) == (record, False)


def test_a_file_with_a_foreign_digest_is_not_added(tmp_path: Path) -> None:
    file = tmp_path / "download.pt"
    file.write_bytes(BODY)
    with pytest.raises(ChecksumError, match="is not tiny-x2"):
        fetch.add(entry("http://127.0.0.1:9/", git_blob="0" * 40), file)


def test_remove_deletes_file_record_and_copies(web: Web, own_cache: Path) -> None:
    one = entry(web.add("/w", BODY))
    record, _ = fetch.fetch(one)
    copy = cache.native_path("nlsn", record.sha256, {})
    copy.parent.mkdir()
    copy.write_bytes(b"")
    assert len(fetch.remove(one)) == 3
    assert [p for p in own_cache.rglob("*") if p.is_file() and p.suffix != ".lock"] == []
    assert fetch.remove(one) == []
