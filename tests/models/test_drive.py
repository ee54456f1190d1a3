from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gdown
import pytest
import requests

from restorecli.errors import DownloadError
from restorecli.models import drive
from tests.models.server import Page, Web

BODY = b"weights" * 1000
CONFIRMATION = b"""<!DOCTYPE html><html><body><p>Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="/confirmed" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="abc"><input type="hidden" name="uuid" value="1-2"></form></html>"""


@pytest.fixture(autouse=True)
def local_drive(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "DOWNLOAD", web.url + "/download")


def test_a_file_is_fetched_by_its_id(web: Web, tmp_path: Path) -> None:
    web.add("/download", BODY)
    drive.download_file("abc", tmp_path / "w.pth")
    assert (tmp_path / "w.pth").read_bytes() == BODY
    assert web.requests[0][0] == "/download?id=abc&export=download&confirm=t"


def test_the_confirmation_page_is_answered(web: Web, tmp_path: Path) -> None:
    web.add("/download", Page(CONFIRMATION, kind="text/html"))
    web.add("/confirmed", BODY)
    drive.download_file("abc", tmp_path / "w.pth")
    assert (tmp_path / "w.pth").read_bytes() == BODY
    assert web.requests[-1][0] == "/confirmed?id=abc&uuid=1-2"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b"<!doctype html><html>Sorry, the download quota is exceeded</html>", "quota"),
        (b"<html><title>Sign in - Google Accounts</title></html>", "sign-in"),
        (b"<html>Something else</html>", "web page"),
    ],
)
def test_a_refusal_is_said_in_a_sentence(web: Web, tmp_path: Path, page: bytes, said: str) -> None:
    web.add("/download", Page(page, kind="text/html"))
    with pytest.raises(DownloadError, match=said):
        drive.download_file("abc", tmp_path / "w.pth")
    assert list(tmp_path.glob("w.pth*")) == []


def test_a_second_page_after_confirming_is_a_refusal(web: Web, tmp_path: Path) -> None:
    for path in ("/download", "/confirmed"):
        web.add(path, Page(CONFIRMATION, kind="text/html"))
    with pytest.raises(DownloadError, match="web page"):
        drive.download_file("abc", tmp_path / "w.pth")


def listing(*names: str) -> Any:
    return lambda **options: [SimpleNamespace(id=f"id of {name}", path=name) for name in names]


def test_a_file_is_found_in_a_folder_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdown, "download_folder", listing("SR/model_x2.pt", "SR/model_x4.pt"))
    assert drive.find_in_folder("f", "model_x4.pt") == "id of SR/model_x4.pt"


@pytest.mark.parametrize("names", [(), ("a/model_x4.pt", "b/model_x4.pt")])
def test_a_name_that_is_not_there_once_is_an_error(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(gdown, "download_folder", listing(*names))
    with pytest.raises(DownloadError, match=r"called model_x4\.pt"):
        drive.find_in_folder("f", "model_x4.pt")


def test_a_folder_that_cannot_be_listed_is_an_error_and_gdown_is_kept_quiet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(**options: Any) -> None:
        print("Retrieving folder contents", file=sys.stderr)
        raise RuntimeError("cannot be reached\nsecond line")

    monkeypatch.setattr(gdown, "download_folder", fail)
    with pytest.raises(DownloadError, match=r"folders/f cannot be listed: cannot be reached$"):
        drive.find_in_folder("f", "model_x4.pt")
    assert capfd.readouterr() == ("", "")


def test_a_folder_out_of_reach_is_said_without_the_library_s_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: Any) -> None:
        requests.get("http://127.0.0.1:9/folder", timeout=5)

    monkeypatch.setattr(gdown, "download_folder", fail)
    with pytest.raises(DownloadError, match=r"cannot be listed: .*refused") as caught:
        drive.find_in_folder("f", "model_x4.pt")
    assert "HTTPConnectionPool" not in caught.value.message


def test_offline_looks_into_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    with pytest.raises(DownloadError, match="offline"):
        drive.find_in_folder("f", "model_x4.pt")
