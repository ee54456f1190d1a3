"""Where fetched weights are kept: the authors' files with a record each, and our converted copies.

Below the cache folder lie ``released/NETWORK/FILE`` with ``FILE.json`` (where from, sha256, how far it is
trusted), ``native/…safetensors`` (converted, named after the digest of their origin) and ``locks/``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from restorecli.errors import WeightsError
from restorecli.models.registry import ModelEntry, package_data

CHUNK = 1 << 20
NATIVE_VERSION = 1  # part of a converted file's name: raise it when a network's own keys change


@dataclass(frozen=True)
class Record:
    """What is known of a file in the cache.

    Attributes:
        sha256: of the file as it was stored.
        bytes: its size.
        source: where it came from (a link, or "by hand").
        trust: "pinned" (equals a digest of the catalogue) or "first use" (the catalogue knows none).
        fetched: ISO date and time, UTC.
    """

    sha256: str
    bytes: int
    source: str
    trust: str
    fetched: str


def root() -> Path:
    """Return the cache folder: ``RESTORE_WEIGHTS_DIR`` or the user's cache; it need not exist."""
    chosen = os.environ.get("RESTORE_WEIGHTS_DIR")
    return Path(chosen).expanduser() if chosen else user_cache_path("restorecli") / "weights"


def entry_path(entry: ModelEntry) -> Path:
    """Return where the entry's file is (shipped) or would be once fetched."""
    if entry.ships:
        return package_data("light") / entry.file
    return root() / "released" / entry.network / entry.file


def record_path(released: Path) -> Path:
    """Return the record's place for a file of the cache."""
    return released.with_name(released.name + ".json")


def read_record(released: Path) -> Record | None:
    """Return the record of a cached file, or None where there is none that can be read."""
    try:
        record = Record(**json.loads(record_path(released).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (record.sha256, record.source, record.trust, record.fetched)
    right = all(isinstance(text, str) for text in texts) and type(record.bytes) is int
    return record if right and re.fullmatch("[0-9a-f]{64}", record.sha256) else None


def write_record(released: Path, record: Record) -> None:
    """Store ``record`` beside the file it is about."""
    write_whole(record_path(released), json.dumps(dataclasses.asdict(record), indent=1).encode())


def cached(entry: ModelEntry) -> Record | None:
    """Return the record of the entry's file when file and record are there and of one size.

    The bytes are not read again here: that is `restore models verify`.
    """
    path = entry_path(entry)
    if entry.ships:
        return Record(entry.sha256, path.stat().st_size, "package", "pinned", "") if path.is_file() else None
    record = read_record(path)
    if record is None or not path.is_file() or path.stat().st_size != record.bytes:
        return None
    return record


def native_path(network: str, sha256: str, settings: Mapping[str, Any]) -> Path:
    """Return where the converted copy of a file lies, by digest and settings."""
    text = json.dumps(settings, sort_keys=True, default=list)
    by_settings = hashlib.sha256(f"{NATIVE_VERSION} {network} {text}".encode()).hexdigest()
    return root() / "native" / f"{network}-{sha256[:16]}-{by_settings[:8]}.safetensors"


def native_copies(sha256: str) -> list[Path]:
    """Return every converted copy of the file with that digest."""
    return sorted((root() / "native").glob(f"*-{sha256[:16]}-*.safetensors"))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def git_blob_of(path: Path) -> str:
    """Return the git object id of a file: sha1 of ``blob SIZE``, a zero byte, and the bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_cut_off(path: Path) -> bool:
    """Whether a checkpoint ends too early, as far as its container shows without being read.

    A zip file (torch since 1.6) has its table at the end, a safetensors file begins with the lengths of its
    table and, in it, of its tensors. Pickles of older torch do not show it.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
        if head.startswith(b"PK\x03\x04"):
            return not zipfile.is_zipfile(path)
        if path.suffix != ".safetensors":
            return False
        length = int.from_bytes(head, "little")
        table = stream.read(min(length, CHUNK * 64))
    try:
        header = json.loads(table)
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return path.stat().st_size < 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return True


def make_folder(folder: Path) -> None:
    """Create a folder of the cache and see that it can be written.

    Raises:
        WeightsError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WeightsError(
            f"the cache of weights cannot be written: {folder} ({error.strerror})",
            "set RESTORE_WEIGHTS_DIR to a folder that can",
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def lock(target: Path) -> Iterator[None]:
    """Hold the only right to make ``target`` (between processes) until the block ends.

    Raises:
        WeightsError: the cache cannot be written.
    """
    folder = root() / "locks"
    make_folder(folder)
    name = hashlib.sha256(os.fspath(target).encode()).hexdigest()[:16]
    with FileLock(folder / f"{name}.lock"):
        yield
