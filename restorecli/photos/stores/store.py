"""Finding, reading and writing objects by fsspec; every failure of a client under one name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from restorecli.errors import UsageError, first_line
from restorecli.photos.stores.path import MEMORY, WEB, AnyPath, StorePath

EXTRA = "pip install 'restorecli[cluster]'"


class RefusedError(OSError):
    """What a store's client says, in words for the user; `strerror` holds them."""

    def __init__(self, text: str) -> None:
        super().__init__(None, text)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of an object.

    Attributes:
        size: in bytes.
        changed: when it was changed, in nanoseconds; of stores that do not say, a number for its state.
        is_folder: whether it is a common beginning of names, not an object.
    """

    size: int
    changed: int
    is_folder: bool = False

    @property
    def stamp(self) -> tuple[int, int]:
        """Size and time, as `Document.stamp`."""
        return self.size, self.changed


def usable(path: StorePath) -> None:
    """See that this kind of store can be used.

    Raises:
        UsageError: a package is missing, or there is no such kind.
    """
    _client(path.scheme)


@functools.cache
def _client(scheme: str) -> Any:
    try:
        import fsspec
        from fsspec.registry import known_implementations, registry
    except ImportError as error:
        raise UsageError(f"{scheme}:// needs packages that are not installed", EXTRA) from error
    if scheme not in {*known_implementations, *registry}:
        raise UsageError(
            f"{scheme}:// is no kind of store that is known", "use s3://, gs://, https:// or file://"
        )
    more = {} if scheme in (*WEB, MEMORY) else {"use_listings_cache": False}  # others write there too
    try:
        return fsspec.filesystem(scheme, **more)
    except ImportError as error:
        raise UsageError(f"{scheme}:// needs packages that are not installed", EXTRA) from error
    except Exception as error:
        raise UsageError(
            f"{scheme}:// cannot be used: {first_line(error)}", "see to the credentials of the store"
        ) from error


@contextmanager
def _said(path: StorePath) -> Iterator[None]:
    """Turn what a client raises into `RefusedError`; a missing object stays `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError as error:
        bucket = "" if path.scheme in WEB else " or bucket"
        raise FileNotFoundError(2, f"there is no such object{bucket}", str(path)) from error
    except PermissionError as error:
        raise RefusedError(
            f"the store refuses access ({first_line(error)}): see to its credentials"
        ) from error
    except (UsageError, FileExistsError, MemoryError):
        raise
    except Exception as error:  # each client has classes of its own
        if "credential" in f"{type(error).__name__} {error}".lower():
            raise RefusedError(f"no credentials for the store ({first_line(error)})") from error
        status = getattr(error, "status", None)
        text = f"the server answers {status}" if isinstance(status, int) else first_line(error)
        raise RefusedError(text) from error


def entry(path: StorePath) -> Entry | None:
    """Return what the store says of a name; None where there is none.

    Raises:
        RefusedError: the store does not answer.
    """
    client = _client(path.scheme)
    try:
        with _said(path):
            return _entry(client.info(str(path)))
    except FileNotFoundError:
        return None


def _entry(info: dict[str, Any]) -> Entry:
    return Entry(int(info.get("size") or 0), _changed(info), info.get("type") == "directory")


def _changed(info: dict[str, Any]) -> int:
    for name in ("LastModified", "mtime", "updated", "last_modified", "created"):
        when = info.get(name)
        if isinstance(when, str):
            with suppress(ValueError):
                when = datetime.fromisoformat(when)
        if isinstance(when, datetime):
            return int(when.timestamp() * 1e6) * 1000
        if isinstance(when, int | float):
            return int(when * 1e9)
    state = str(info.get("ETag") or info.get("etag") or "")
    return int.from_bytes(hashlib.blake2b(state.encode(), digest_size=7).digest()) if state else 0


def children(folder: StorePath) -> dict[str, Entry]:
    """Return what is directly in a folder, by name; nothing where there is no such folder.

    Raises:
        RefusedError: the store does not answer.
    """
    client = _client(folder.scheme)
    try:
        with _said(folder):
            listed = client.ls(str(folder), detail=True)
    except FileNotFoundError:
        return {}
    found = {}
    for info in listed:
        name = str(info["name"]).rstrip("/").rpartition("/")[2]
        whole = str(info["name"]).rstrip("/") == client._strip_protocol(str(folder)).rstrip("/")
        if name and not whole:  # some stores list the folder itself
            found[name] = _entry(info)
    return found


def has_bucket(path: StorePath) -> bool:
    """Whether the bucket of a name is there, as far as its store has buckets.

    Raises:
        RefusedError: the store does not answer.
    """
    bucket = path.bucket
    if bucket is None:
        return True
    with _said(bucket):
        return bool(_client(path.scheme).exists(str(bucket)))


def read(path: StorePath) -> bytes:
    """Return an object's bytes.

    Raises:
        OSError: it is missing, or the store refuses.
    """
    with _said(path):
        return bytes(_client(path.scheme).cat_file(str(path)))


def read_all(paths: list[StorePath]) -> list[bytes]:
    """Return the bytes of several objects of one store, asked for at the same time.

    Raises:
        OSError: one is missing, or the store refuses.
    """
    if not paths:
        return []
    client = _client(paths[0].scheme)
    with _said(paths[0]):
        found = client.cat([str(path) for path in paths])
    if isinstance(found, bytes):
        return [found]
    return [found[client._strip_protocol(str(path))] for path in paths]


def head(path: StorePath, count: int) -> bytes:
    """Return an object's first bytes.

    Raises:
        OSError: it is missing, or the store refuses.
    """
    with _said(path):
        return bytes(_client(path.scheme).cat_file(str(path), start=0, end=count))


def put(path: StorePath, data: bytes) -> Entry:
    """Write an object in one operation, and return what the store says of it then.

    Raises:
        OSError: the store refuses.
    """
    with _said(path):
        client = _client(path.scheme)
        client.pipe_file(str(path), data)
        return _entry(client.info(str(path)))


def create(path: StorePath, data: bytes) -> bool:
    """Write an object unless there is one of this name; whether it was written.

    Raises:
        OSError: the store refuses.
    """
    client = _client(path.scheme)
    try:
        with _said(path):
            client.pipe_file(str(path), data, mode="create")
    except FileExistsError:
        return False
    except OSError:
        if entry(path) is not None:  # not every client has an error of its own for it
            return False
        raise
    return True


def remove(path: StorePath) -> None:
    """Delete an object; one that is missing is deleted.

    Raises:
        OSError: the store refuses.
    """
    with suppress(FileNotFoundError), _said(path):
        _client(path.scheme).rm_file(str(path))


def is_web(path: AnyPath) -> bool:
    """Whether a path is an address on the web, where nothing is listed or written."""
    return isinstance(path, StorePath) and path.scheme in WEB
