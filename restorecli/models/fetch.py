"""Bring an entry's file into the cache: mirror, direct link, Drive; or by hand."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from restorecli.errors import ChecksumError, DownloadError, WeightsError
from restorecli.models.cache import (
    Record,
    cached,
    entry_path,
    git_blob_of,
    is_cut_off,
    lock,
    native_copies,
    read_record,
    record_path,
    sha256_of,
    write_record,
)
from restorecli.models.download import Expected, Progress, download, offline
from restorecli.models.drive import FOLDER, download_file, find_in_folder
from restorecli.models.registry import ModelEntry

Source = tuple[str, Callable[[Path, Expected, "Progress | None"], str]]
"""Where a file comes from (as a person would type it), and how to get it: → its sha256."""


_failed: dict[Path, DownloadError] = {}
"""Why a file could not be fetched in this process: it is not tried again for each photo."""


def expected_of(entry: ModelEntry) -> Expected:
    """Return what the catalogue knows of the entry's bytes."""
    return Expected(entry.sha256, entry.git_blob, entry.bytes)


def fetch(
    entry: ModelEntry,
    *,
    allow_network: bool = True,
    progress: Progress | None = None,
    again: bool = False,
) -> tuple[Record, bool]:
    """Make sure that the entry's file is in the cache.

    Where the catalogue knows no digest, that of the first download is recorded and binds later ones.

    Args:
        entry: whose file.
        allow_network: whether it may be downloaded.
        progress: called with the bytes.
        again: whether to try again for a file that could not be had a moment ago.

    Returns:
        The file's record, and whether it was fetched just now.

    Raises:
        DownloadError: none of its sources gave it; the hint says how to get it by hand.
        ChecksumError: what a source gave is another file.
        WeightsError: the cache cannot be written.
    """
    if (record := cached(entry)) is not None:
        return record, False
    path = entry_path(entry)
    if entry.ships:
        raise WeightsError(f"{entry.file} is missing from the package", "reinstall restorecli")
    if not allow_network or offline():
        raise DownloadError(
            f"{entry.name} is not in the cache, and downloads are switched off", by_hand(entry)
        )
    if not again and (failure := _failed.get(path)) is not None:
        raise type(failure)(failure.message, failure.hint)
    with lock(path):
        if (record := cached(entry)) is not None:  # another process was faster
            return record, False
        try:
            record = _fetch_first(entry, path, progress)
        except DownloadError as error:
            _failed[path] = error
            raise
        _failed.pop(path, None)
        return record, True


def _fetch_first(entry: ModelEntry, path: Path, progress: Progress | None) -> Record:
    expected = _with_first_use(entry, path)
    complaints: list[DownloadError] = []
    for where, get in sources(entry):
        try:
            digest = get(path, expected, progress)
            if not expected.pinned:
                _see_that_it_is_whole(path, where)
        except DownloadError as error:
            complaints.append(error)
            continue
        trust = "pinned" if expected_of(entry).pinned else "first use"
        record = Record(digest, path.stat().st_size, where, trust, _now())
        _write_record(path, record)
        return record
    if expected.sha256 and not entry.sha256 and any(isinstance(e, ChecksumError) for e in complaints):
        raise ChecksumError(
            f"{entry.name} has changed since its first download: {complaints[-1].message}",
            f"if you trust the new one: restore models remove {entry.name}, and again",
        )
    worst = next((error for error in complaints if isinstance(error, ChecksumError)), complaints[-1])
    mirror = f"; the mirror: {complaints[0].message}" if os.environ.get("RESTORE_MIRROR") else ""
    if worst is complaints[0]:
        mirror = ""
    raise type(worst)(
        f"{entry.name} could not be fetched: {worst.message}{mirror}", by_hand(entry)
    ) from worst


def sources(entry: ModelEntry) -> list[Source]:
    """Return the entry's sources in the order to try: mirror, direct links, Drive."""
    found: list[Source] = []
    if mirror := os.environ.get("RESTORE_MIRROR"):
        found.append(_direct(f"{mirror.rstrip('/')}/{quote(entry.network)}/{quote(entry.file)}"))
    found += [_direct(url) for url in entry.urls]
    if entry.drive_id:
        url = f"https://drive.google.com/file/d/{entry.drive_id}/view"
        found.append(
            (url, lambda path, expected, report: download_file(entry.drive_id, path, expected, report))
        )
    if entry.drive_folder:

        def from_folder(path: Path, expected: Expected, report: Progress | None) -> str:
            return download_file(find_in_folder(entry.drive_folder, entry.file), path, expected, report)

        found.append((FOLDER + entry.drive_folder, from_folder))
    return found


def by_hand(entry: ModelEntry) -> str:
    """Return how a person gets the entry's file into the cache."""
    if entry.drive_folder:
        where = f"from the folder {FOLDER}{entry.drive_folder}"
    elif entry.drive_id:
        where = f"from https://drive.google.com/file/d/{entry.drive_id}/view"
    else:
        where = f"from {entry.urls[0]}" if entry.urls else ""
    return (
        f"download {entry.file} {where} in a browser, then: restore models add {entry.file} --as {entry.name}"
    )


def add(entry: ModelEntry, file: Path) -> Record:
    """Copy a file that was downloaded by hand into the cache as the entry's own.

    Raises:
        ChecksumError: the catalogue knows another digest.
        WeightsError: the cache cannot be written.
    """
    digest = sha256_of(file)
    expected = expected_of(entry)
    if (expected.sha256 and digest != expected.sha256) or (
        expected.git_blob and git_blob_of(file) != expected.git_blob
    ):
        raise ChecksumError(
            f"{file} is not {entry.name}: its digest is not the one the catalogue knows",
            f"to use it anyway: --weights {file}",
        )
    path = entry_path(entry)
    with lock(path):
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, part)
            part.replace(path)
        except OSError as error:
            raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        trust = "pinned" if expected.pinned else "first use"
        record = Record(digest, path.stat().st_size, "by hand", trust, _now())
        _write_record(path, record)
    return record


def remove(entry: ModelEntry) -> list[Path]:
    """Delete the entry's file, record and converted copies; return what was deleted.

    Raises:
        WeightsError: a file cannot be deleted, or the weights are part of the package.
    """
    if entry.ships:
        raise WeightsError(f"{entry.name} is part of the package and cannot be removed")
    path = entry_path(entry)
    record = read_record(path)
    doomed = [path, path.with_name(path.name + ".part"), path.with_name(path.name + ".part.tag")]
    doomed += native_copies(record.sha256) if record else []
    doomed = [file for file in [*doomed, record_path(path)] if file.is_file()]
    try:
        for file in doomed:
            file.unlink()
    except OSError as error:
        raise WeightsError(f"{error.filename} cannot be deleted: {error.strerror}") from error
    return doomed


def verify(entry: ModelEntry) -> str:
    """Read the entry's cached file again and say what is wrong with it; empty when it is right."""
    path = entry_path(entry)
    if not path.is_file():
        return "missing"
    digest = sha256_of(path)
    if entry.sha256 and digest != entry.sha256:
        return f"sha256 is {digest}, the catalogue says {entry.sha256}"
    if entry.git_blob and (blob := git_blob_of(path)) != entry.git_blob:
        return f"git blob id is {blob}, the catalogue says {entry.git_blob}"
    record = None if entry.ships else read_record(path)
    if record is None and not entry.ships:
        return "no record of where it came from"
    if record is not None and digest != record.sha256:
        return f"sha256 is {digest}, {record.sha256} was stored"
    return ""


def _with_first_use(entry: ModelEntry, path: Path) -> Expected:
    """Return the catalogue's digest, or else the one recorded when the file was first fetched."""
    expected, record = expected_of(entry), read_record(path)
    if expected.pinned or record is None:
        return expected
    return dataclasses.replace(expected, sha256=record.sha256)


def _write_record(path: Path, record: Record) -> None:
    try:
        write_record(path, record)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # without its record it would not be found again
        raise WeightsError(f"{record_path(path)} cannot be written: {error.strerror or error}") from error


def _see_that_it_is_whole(path: Path, where: str) -> None:
    """Drop a file that ends too early, where neither a digest nor the server's length shows it."""
    if is_cut_off(path):
        path.unlink()
        raise DownloadError(f"{where} gives a file that ends too early", "try again")


def _direct(url: str) -> Source:
    return url, lambda path, expected, progress: download(url, path, expected, progress)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
