"""Fetch from Google Drive: a file by its id (past the confirmation page), a file of a folder by its name."""

from __future__ import annotations

import contextlib
import io
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import urlencode, urljoin

import requests

from restorecli.errors import DownloadError, first_line
from restorecli.models.download import (
    Expected,
    Progress,
    WebPageError,
    browser_session,
    cause,
    download,
    offline,
)

DOWNLOAD = "https://drive.usercontent.google.com/download"
FOLDER = "https://drive.google.com/drive/folders/"


class _Form(HTMLParser):
    """The first form of a page: where it goes and its hidden values."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = attributes.get("action", "")
        elif tag == "input" and attributes.get("type") == "hidden" and self.action:
            self.values[attributes.get("name", "")] = attributes.get("value", "")

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def download_file(
    file_id: str, target: Path, expected: Expected | None = None, progress: Progress | None = None
) -> str:
    """Fetch the Drive file ``file_id`` into ``target`` and return its sha256.

    Raises:
        DownloadError: see `download.download`; also where Drive refuses (quota, sign-in, removed).
    """
    url = f"{DOWNLOAD}?{urlencode({'id': file_id, 'export': 'download', 'confirm': 't'})}"
    try:
        return download(url, target, expected, progress, browser_session())
    except WebPageError as error:
        form = _Form()
        form.feed(error.page)
        if not form.values:
            raise DownloadError(_refusal(form.words, url)) from error
    confirmed = f"{urljoin(DOWNLOAD, form.action)}?{urlencode(form.values)}"
    try:
        return download(confirmed, target, expected, progress, browser_session())
    except WebPageError as error:
        raise DownloadError(_refusal([], url)) from error


def find_in_folder(folder_id: str, name: str) -> str:
    """Return the id of the file called ``name`` somewhere in a Drive folder.

    Raises:
        DownloadError: offline, the folder cannot be listed, or the name is not in it exactly once.
    """
    where = FOLDER + folder_id
    if offline():
        raise DownloadError(f"offline: {where} was not listed")
    import gdown

    try:
        # gdown prints to both streams whatever `quiet` says
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            listing = gdown.download_folder(
                id=folder_id, skip_download=True, quiet=True, use_cookies=False, timeout=30.0
            )
    except requests.RequestException as error:
        raise DownloadError(f"the Drive folder {where} cannot be listed: {cause(error)}") from error
    except Exception as error:  # gdown lets through what its parsers and requests raise
        raise DownloadError(f"the Drive folder {where} cannot be listed: {first_line(error)}") from error
    files = [file for file in listing if not isinstance(file, str)]
    found = [file for file in files if PurePosixPath(file.path).name.lower() == name.lower()]
    if len(found) != 1:
        count = f"{len(found)} files" if found else "no file"
        raise DownloadError(f"the Drive folder {where} has {count} called {name}")
    return str(found[0].id)


def _refusal(words: list[str], url: str) -> str:
    text = " ".join(words).lower()
    if "quota" in text or "too many users" in text:
        return f"Google Drive's download quota for {url} is used up for today"
    if "sign in" in text or "request access" in text or "need permission" in text:
        return f"Google Drive wants a sign-in for {url}"
    return f"Google Drive gives a web page instead of the file: {url}"
