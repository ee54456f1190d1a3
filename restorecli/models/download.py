"""Fetch one file over HTTP: resumed, retried, checked, and whole or not there at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from restorecli.errors import ChecksumError, DownloadError
from restorecli.models.cache import git_blob_of, make_folder, sha256_of

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes that are there and the bytes in all (None where the server does not say)."""

ATTEMPTS = 5
BACKOFF = 0.5  # seconds before the second attempt; doubled for each further one
CHUNK = 1 << 16  # what a cut connection may lose
TIMEOUT = (15.0, 60.0)  # seconds to connect, seconds without a byte
TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Expected:
    """What the file must be; what is not known is left out."""

    sha256: str = ""
    git_blob: str = ""
    bytes: int | None = None

    @property
    def pinned(self) -> bool:
        """Whether a digest is known."""
        return bool(self.sha256 or self.git_blob)


@dataclass
class _Part:
    """The beginning of a file that is already on disk, and the validator of the version it belongs to."""

    path: Path
    expected: Expected
    tag_path: Path = field(init=False)

    def __post_init__(self) -> None:
        self.tag_path = self.path.with_name(self.path.name + ".tag")

    def tag(self) -> str:
        return self.tag_path.read_text(encoding="utf-8") if self.tag_path.is_file() else ""

    def size(self) -> int:
        """Return the bytes that may be kept: none, where a changed file could not be detected."""
        if not self.path.is_file() or not (self.tag() or self.expected.pinned):
            return 0
        return self.path.stat().st_size

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.tag_path.unlink(missing_ok=True)


class _TryAgainError(Exception):
    """A failure that may pass: a cut connection, a busy server."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class WebPageError(DownloadError):
    """The server answered with a web page where a file was expected."""

    def __init__(self, url: str, page: str) -> None:
        super().__init__(f"{url} gives a web page, not a file", "open the link in a browser")
        self.page = page


def offline() -> bool:
    """Whether ``RESTORE_OFFLINE`` forbids the network."""
    return os.environ.get("RESTORE_OFFLINE", "").lower() not in ("", "0", "false", "no")


def download(
    url: str,
    target: Path,
    expected: Expected | None = None,
    progress: Progress | None = None,
    session: requests.Session | None = None,
) -> str:
    """Fetch ``url`` into ``target`` and return the sha256 of what was stored.

    What arrives is kept as ``target.part`` (a later call resumes there) and renamed once its size and
    digest are right.

    Raises:
        DownloadError: offline, not found, cut short at every attempt, a web page, no space.
        ChecksumError: the bytes are not the expected ones; nothing is kept.
        WeightsError: the target's folder cannot be written.
    """
    if offline():
        raise DownloadError(f"offline: {url} was not fetched", "unset RESTORE_OFFLINE to allow downloads")
    expected = expected or Expected()
    make_folder(target.parent)
    part = _Part(target.with_name(target.name + ".part"), expected)
    with session or requests.Session() as http:
        _fetch_with_retries(http, url, part, progress)
    digest = _check(part, url)
    part.path.replace(target)
    part.drop()
    return digest


def _fetch_with_retries(http: requests.Session, url: str, part: _Part, progress: Progress | None) -> None:
    attempt, limit = 0, ATTEMPTS
    while attempt < limit:
        try:
            _fetch(http, url, part, progress)
            return
        except (_TryAgainError, requests.exceptions.ChunkedEncodingError) as error:
            reason, wait = str(error), getattr(error, "wait", 0.0)
        except (requests.ConnectionError, requests.Timeout) as error:
            # nobody there: a second attempt is enough; a connection that was cut deserves them all
            reason, wait = cause(error, url), 0.0
            limit = ATTEMPTS if part.size() else 2
        except requests.RequestException as error:
            raise DownloadError(f"{url} could not be fetched: {error}") from error
        except OSError as error:
            raise _disk_error(error, part) from error
        attempt += 1
        if attempt < limit:
            time.sleep(min(max(BACKOFF * 2 ** (attempt - 1), wait), 60.0))
    raise DownloadError(
        f"{url} could not be fetched in {limit} attempts: {reason}",
        "what arrived is kept; run the same command again to continue" if part.size() else "",
    )


def _fetch(http: requests.Session, url: str, part: _Part, progress: Progress | None) -> None:
    """Make one request and append (or write) its body to the part."""
    start = part.size()
    headers = {"Accept-Encoding": "identity"}  # lengths and ranges must count the file's own bytes
    if start:
        headers["Range"] = f"bytes={start}-"
        if part.tag():
            headers["If-Range"] = part.tag()
    with http.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is as long as the file, or longer
            if start and _total(response) == start:
                return
            part.drop()
            raise _TryAgainError("the server has no such range")
        _raise_for_status(response, url)
        if response.status_code != 206 or _range_start(response) != start:
            start = 0
        total = _body_end(response, start)
        if start == 0:
            part.drop()
            part.tag_path.write_text(_validator(response), encoding="utf-8")
        _check_space(part, total, start)
        _store(response, url, part, start, total, progress)


def _store(
    response: requests.Response,
    url: str,
    part: _Part,
    start: int,
    total: int | None,
    progress: Progress | None,
) -> None:
    done = start
    with part.path.open("ab" if start else "wb") as stream:
        for chunk in response.iter_content(CHUNK):
            if done == 0 and _is_page(response, chunk):
                part.drop()
                raise WebPageError(url, chunk.decode("utf-8", "replace"))
            stream.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise _TryAgainError(f"the connection ended after {done} of {total} bytes")


def _check(part: _Part, url: str) -> str:
    expected, size = part.expected, part.path.stat().st_size
    digest = sha256_of(part.path)
    wrong = ""
    if expected.bytes is not None and size != expected.bytes:
        wrong = f"size {size}, expected {expected.bytes} bytes"
    elif expected.sha256 and digest != expected.sha256:
        wrong = f"sha256 {digest}, expected {expected.sha256}"
    elif expected.git_blob and (blob := git_blob_of(part.path)) != expected.git_blob:
        wrong = f"git blob id {blob}, expected {expected.git_blob}"
    elif size == 0:
        wrong = "an empty file"
    if wrong:
        part.drop()
        raise ChecksumError(
            f"{url} is not the file the catalogue knows: {wrong}",
            "it was not kept; try again, or check whether the authors replaced it",
        )
    return digest


def _raise_for_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in TEMPORARY_STATUS:
        stated = response.headers.get("Retry-After", "")
        wait = float(stated) if stated.isdigit() else 0.0
        raise _TryAgainError(f"the server answers {status} {response.reason}", wait)
    if status == requests.codes.proxy_authentication_required:
        raise DownloadError(
            f"{url}: the proxy of the environment answers {status} {response.reason}",
            "set https_proxy or http_proxy to http://USER:PASSWORD@HOST:PORT",
        )
    if status >= 400:
        raise DownloadError(f"{url}: the server answers {status} {response.reason}")


def _validator(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    # a weak tag may not be used for ranges (RFC 9110, 13.1.5)
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _range_start(response: requests.Response) -> int | None:
    stated = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(stated) if stated.isdigit() else None


def _total(response: requests.Response) -> int | None:
    stated = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(stated) if stated.isdigit() else None


def _body_end(response: requests.Response, start: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else _total(response)


def _is_page(response: requests.Response, first: bytes) -> bool:
    head = first[:512].lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html")) or (
        "text/html" in response.headers.get("Content-Type", "") and b"<" in head[:1]
    )


def _check_space(part: _Part, total: int | None, start: int) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if total is not None and total - start > free:
        part.drop()
        raise _no_space(part, f": {total - start} bytes are needed, {free} are free")


def cause(error: BaseException, url: str = "") -> str:
    """Return the reason of a connection error in words, and whether it was a proxy's.

    Args:
        error: of requests or urllib3, which wrap the reason several times.
        url: what was to be fetched.
    """
    chain = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    last = chain[-1]
    text = (
        (last.strerror if isinstance(last, OSError) else None) or str(last).rpartition(": ")[2] or str(last)
    )
    if not any(type(each).__name__ == "ProxyError" for each in chain):
        return text
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)) or ""
    place = re.sub(r"//[^/@]*@", "//", proxy)  # without its password
    return (
        f"the proxy {place} of the environment lets nothing through: {text}"
        if place
        else f"the proxy: {text}"
    )


def _inner(error: BaseException) -> BaseException | None:
    """Return what an error wraps, if anything."""
    reasons = (getattr(error, "reason", None), getattr(error, "original_error", None), *error.args)
    wrapped = next((each for each in reasons if isinstance(each, BaseException)), None)
    return wrapped or (
        error.__cause__ if type(error).__module__.startswith(("urllib3", "requests")) else None
    )


def _disk_error(error: OSError, part: _Part) -> DownloadError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        part.drop()  # gives the space back
        return _no_space(part, "")
    return DownloadError(f"{part.path} cannot be written: {error.strerror or error}")


def _no_space(part: _Part, detail: str) -> DownloadError:
    return DownloadError(
        f"no space left for weights in {part.path.parent}{detail}",
        "free some space, or set RESTORE_WEIGHTS_DIR to a folder on another disk",
    )


def browser_session() -> requests.Session:
    """Return a session that Drive serves files to; proxies come from the environment."""
    session = requests.Session()
    session.headers["User-Agent"] = "Mozilla/5.0 (restorecli)"
    return session
