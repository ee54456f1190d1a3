"""What was measured on this machine, kept from one run to the next in one small JSON file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

import platformdirs

_LOCK = Lock()


def cache_dir() -> Path:
    """Return the folder for caches: ``RESTORE_CACHE_DIR``, or the system's own place for them."""
    given = os.environ.get("RESTORE_CACHE_DIR")
    return Path(given) if given else Path(platformdirs.user_cache_dir("restorecli", appauthor=False))


def remember(key: str, value: dict[str, Any]) -> None:
    """Store ``value`` (JSON) under ``key``. Where that fails, it is measured again."""
    with _LOCK, contextlib.suppress(OSError):
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = {**_read(path), key: value}
        handle, name = tempfile.mkstemp(suffix=".json", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(entries, stream, indent=1, sort_keys=True)
            Path(name).replace(path)
        except BaseException:  # a full disk, Ctrl-C: no half of a file stays
            Path(name).unlink(missing_ok=True)
            raise


def recall(key: str) -> dict[str, Any] | None:
    """Return what was stored under ``key``, or None."""
    with _LOCK:
        found = _read(_file()).get(key)
    return found if isinstance(found, dict) else None


def _file() -> Path:
    return cache_dir() / "planner.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}
