from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from restorecli.errors import ChecksumError, DownloadError, WeightsError
from restorecli.models import download as module
from restorecli.models.cache import git_blob_of
from restorecli.models.download import Expected, WebPageError, download
from tests.models.server import Page, Web

BODY = random.Random(1).randbytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


def leftovers(target: Path) -> list[str]:
    return sorted(p.name for p in target.parent.iterdir() if p.name.startswith(target.name))


def test_a_file_arrives_whole_with_its_digest_and_progress(web: Web, tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "w.pt"
    digest = download(web.add("/w.pt", BODY), target, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY and digest == SHA
    assert steps[-1] == (len(BODY), len(BODY))
    assert leftovers(target) == ["w.pt"]


def test_a_cut_connection_is_resumed_where_it_broke(web: Web, tmp_path: Path) -> None:
    url = web.add("/w.pt", Page(BODY, cut=[100_000, 150_000]))
    download(url, tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY
    assert [h.get("Range") for h in web.seen("/w.pt")] == [None, "bytes=65536-", "bytes=196608-"]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    url = web.add("/w.pt", Page(BODY, cut=[120_000]))
    with pytest.raises(DownloadError, match="could not be fetched"):
        download(url, tmp_path / "w.pt")
    assert not (tmp_path / "w.pt").exists()
    download(url, tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY
    assert web.seen("/w.pt")[-1]["Range"] == "bytes=65536-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(web: Web, tmp_path: Path) -> None:
    (tmp_path / "w.pt.part").write_bytes(b"old beginning")
    (tmp_path / "w.pt.part.tag").write_text('"v0"')
    download(web.add("/w.pt", BODY), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY


def test_a_part_that_nothing_can_vouch_for_is_not_resumed(web: Web, tmp_path: Path) -> None:
    (tmp_path / "w.pt.part").write_bytes(b"of an unknown version")
    download(web.add("/w.pt", Page(BODY, etag="")), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY
    assert "Range" not in web.seen("/w.pt")[0]


def test_a_server_that_ignores_ranges_still_gives_a_right_file(web: Web, tmp_path: Path) -> None:
    download(web.add("/w.pt", Page(BODY, ranges=False, cut=[100_000])), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY


def test_a_part_that_is_already_whole_needs_no_more_bytes(web: Web, tmp_path: Path) -> None:
    (tmp_path / "w.pt.part").write_bytes(BODY)
    digest = download(web.add("/w.pt", BODY), tmp_path / "w.pt", Expected(sha256=SHA))
    assert digest == SHA and (tmp_path / "w.pt").read_bytes() == BODY


def test_a_part_longer_than_the_file_is_dropped(web: Web, tmp_path: Path) -> None:
    (tmp_path / "w.pt.part").write_bytes(BODY + b"more")
    download(web.add("/w.pt", BODY), tmp_path / "w.pt", Expected(sha256=SHA))
    assert (tmp_path / "w.pt").read_bytes() == BODY


def test_redirects_are_followed(web: Web, tmp_path: Path) -> None:
    web.add("/real", BODY)
    download(web.add("/link", Page(location="/real")), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY


def test_a_missing_file_is_said_at_once(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        download(web.url + "/none", tmp_path / "w.pt")
    assert len(web.requests) == 1 and leftovers(tmp_path / "w.pt") == []


def test_a_busy_server_is_asked_again(web: Web, tmp_path: Path) -> None:
    download(web.add("/w.pt", Page(BODY, failures=[500, 503, 429])), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY and len(web.requests) == 4


def test_a_server_that_stays_broken_ends_in_one_sentence(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="in 5 attempts: the server answers 500"):
        download(web.add("/w.pt", Page(BODY, failures=[500] * 9)), tmp_path / "w.pt")


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_not_taken_for_a_file(web: Web, tmp_path: Path, kind: str) -> None:
    url = web.add("/w.pt", Page(b"\n<!DOCTYPE html><html>quota</html>", kind=kind))
    with pytest.raises(WebPageError, match="web page"):
        download(url, tmp_path / "w.pt")
    assert leftovers(tmp_path / "w.pt") == []


@pytest.mark.parametrize(
    "expected",
    [Expected(sha256="0" * 64), Expected(git_blob="0" * 40), Expected(bytes=len(BODY) + 1)],
    ids=["sha256", "git blob", "size"],
)
def test_a_wrong_file_is_deleted_and_named(web: Web, tmp_path: Path, expected: Expected) -> None:
    with pytest.raises(ChecksumError, match="expected"):
        download(web.add("/w.pt", BODY), tmp_path / "w.pt", expected)
    assert leftovers(tmp_path / "w.pt") == []


def test_git_blob_ids_are_those_of_git(tmp_path: Path) -> None:
    file = tmp_path / "hello"
    file.write_bytes(b"hello\n")
    # printf 'hello\n' | git hash-object --stdin
    assert git_blob_of(file) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_body_that_always_ends_early_is_no_file(web: Web, tmp_path: Path) -> None:
    url = web.add("/w.pt", Page(BODY, ranges=False, cut=[1000] * 9))
    with pytest.raises(DownloadError, match="attempts"):
        download(url, tmp_path / "w.pt")
    assert not (tmp_path / "w.pt").exists()


def test_an_empty_body_is_no_file(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="empty"):
        download(web.add("/w.pt", b""), tmp_path / "w.pt")


def test_nobody_listening_is_said_after_two_attempts(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="in 2 attempts"):
        download("http://127.0.0.1:9/w.pt", tmp_path / "w.pt")


def test_offline_touches_no_network(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    with pytest.raises(DownloadError, match="offline"):
        download(web.add("/w.pt", BODY), tmp_path / "w.pt")
    assert web.requests == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, web.url)
    web.answer = lambda path: Page(BODY) if path == "http://far.invalid/w.pt" else None
    download("http://far.invalid/w.pt", tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY


def test_a_proxy_that_lets_nothing_through_is_said_in_one_sentence(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", web.url)  # the server knows no CONNECT
    with pytest.raises(DownloadError, match=r"https://far\.invalid/w\.pt .*501") as caught:
        download("https://far.invalid/w.pt", tmp_path / "w.pt")
    assert "HTTPSConnectionPool" not in caught.value.message
    assert f"the proxy {web.url} of the environment lets nothing through" in caught.value.message


def test_a_proxy_that_is_not_there_is_blamed_and_not_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:secret@127.0.0.1:9")
    with pytest.raises(DownloadError) as caught:
        download("https://far.invalid/w.pt", tmp_path / "w.pt")
    message = caught.value.message
    assert message.endswith(
        "the proxy http://127.0.0.1:9 of the environment lets nothing through: Connection refused"
    )
    assert "secret" not in message


def test_a_proxy_that_wants_a_password_is_said(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", web.url)
    web.answer = lambda path: Page(failures=[407])
    with pytest.raises(DownloadError, match=r"the proxy .* answers 407 Proxy Auth"):
        download("http://far.invalid/w.pt", tmp_path / "w.pt")


def test_a_redirect_keeps_the_range_of_a_resumed_download(web: Web, tmp_path: Path) -> None:
    web.add("/real", Page(BODY, cut=[100_000]))
    download(web.add("/link", Page(location="/real")), tmp_path / "w.pt")
    assert (tmp_path / "w.pt").read_bytes() == BODY
    assert web.seen("/real")[1]["Range"] == "bytes=65536-"


def test_redirects_in_a_circle_are_said(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="redirects"):
        download(web.add("/link", Page(location="/link")), tmp_path / "w.pt")


def test_a_disk_known_to_be_too_small_is_said_before_writing(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(DownloadError, match=r"no space left.*300000 bytes are needed"):
        download(web.add("/w.pt", BODY), tmp_path / "w.pt")
    assert leftovers(tmp_path / "w.pt") == []


def test_a_disk_that_fills_up_leaves_nothing(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        (tmp_path / "w.pt.part").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_store", full)
    with pytest.raises(DownloadError, match="no space left"):
        download(web.add("/w.pt", BODY), tmp_path / "w.pt")
    assert leftovers(tmp_path / "w.pt") == []


def test_a_folder_that_cannot_be_made_is_said(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be written") as caught:
        download(web.add("/w.pt", BODY), tmp_path / "file" / "w.pt")
    assert "RESTORE_WEIGHTS_DIR" in caught.value.hint
    assert web.requests == []


def test_the_models_commands_are_known_without_torch_or_requests() -> None:
    code = "import sys, restorecli.cli.models; sys.exit(bool({'torch', 'requests'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
