"""Fixtures of the tests of weights: a cache of their own, a server, a tiny checkpoint and its catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from restorecli.models import cache, download
from restorecli.models.convert import build, save_native
from restorecli.models.registry import Registry, read_registry
from tests.models.server import Web, serve
from tests.networks.seeded import SMALL, load_fixture

TINY = load_fixture(SMALL / "nlsn-tiny-batch.json")
TINY_SETTINGS = {"res_scale": 0.1, "chunk_size": 32, "n_hashes": 2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test's weights in a folder of its own, and waits short."""
    for name in ("RESTORE_OFFLINE", "RESTORE_MIRROR", "RESTORE_LICENSE_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("RESTORE_WEIGHTS_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    return tmp_path / "cache"


@pytest.fixture
def web() -> Iterator[Web]:
    """A local server."""
    with serve() as running:
        yield running


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A tiny NLSN checkpoint in the authors' layout."""
    path = tmp_path / "model_x2.pt"
    torch.save(TINY.state_dict, path)
    return path


@pytest.fixture
def light(tmp_path: Path, released: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped light file in a package folder of the test's own."""
    folder = tmp_path / "light"
    path = folder / "tiny-light-x2.safetensors"
    save_native(build(released, "nlsn", TINY_SETTINGS), path, name="nlsn")
    monkeypatch.setattr(cache, "package_data", lambda name: tmp_path / name)
    return path


def catalogue(tmp_path: Path, *files: dict[str, Any], **network: Any) -> Registry:
    """Return a catalogue of one network, nlsn, with ``files``."""
    about = {"name": "nlsn", "title": "T", "summary": "S", "code": "C", **network}
    lines = ["[network]", *(f"{key} = {_toml(value)}" for key, value in about.items())]
    for table in files:
        lines += ["[[file]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    path = tmp_path / "nlsn.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_registry([path])


def paper(url: str, **more: Any) -> dict[str, Any]:
    """Return a catalogue table of the tiny checkpoint, fetched from ``url``."""
    return {
        "name": "tiny-x2",
        "file": "model_x2.pt",
        "task": "upscale",
        "degradation": "bicubic",
        "scale": 2,
        "settings": TINY_SETTINGS,
        "urls": [url],
        **more,
    }


def light_table(path: Path, **more: Any) -> dict[str, Any]:
    """Return a catalogue table of a shipped light file."""
    return {
        "name": "tiny-light-x2",
        "file": path.name,
        "task": "upscale",
        "degradation": "bicubic",
        "variant": "light",
        "scale": 2,
        "sha256": cache.sha256_of(path),
        "weights_license": "MIT",
        "commercial_use": "yes",
        **more,
    }


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
