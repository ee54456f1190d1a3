"""What all tests share: caches of their own, no network beyond this machine, one way to run the command."""

from __future__ import annotations

import functools
import gc
import io
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.main import get_command

from restorecli.cli.loading_line import WAITING

# Read when torch is first imported. As in the command, threads that wait spin for no work.
for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores: one thread each is fastest
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).parents[2] / "shared" / "data"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported while tests are collected stays: no search for garbage has to look at it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def cache_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "RESTORE_WEIGHTS_DIR": str(tmp_path_factory.mktemp("weights")),
        "RESTORE_CACHE_DIR": str(tmp_path_factory.mktemp("measurements")),
        "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("configuration")),
    }


@pytest.fixture(autouse=True)
def own_environment(cache_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's settings and caches out of the tests."""
    for name in [name for name in os.environ if name.startswith("RESTORE_")]:
        monkeypatch.delenv(name)
    for name, value in cache_folders.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def no_connection_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"tests must not connect to {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def shared_data() -> Path:
    """The folder of the large image sets; the test is skipped where this machine does not have it."""
    if not SHARED.is_dir():
        pytest.skip("the large image sets are not beside the checkout")
    return SHARED


@dataclass(frozen=True)
class Done:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str
    raw: bytes


@functools.cache
def built(application: Any) -> Any:
    """Return what Typer builds of an application, once: it takes longer than many a command."""
    return get_command(application)


@pytest.fixture
def restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """Run ``restore ARGUMENTS…`` in this process."""

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        from restorecli.cli.app import main

        out, err = io.BytesIO(), io.BytesIO()
        streams = [io.TextIOWrapper(raw, encoding="utf-8", write_through=True) for raw in (out, err)]
        with monkeypatch.context() as patch:
            patch.setattr(typer.main, "get_command", built)
            patch.setattr(sys, "argv", ["restore", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(bool(end.code))
        raw = out.getvalue()
        return Done(code, raw.decode("utf-8", "replace"), err.getvalue().decode("utf-8"), raw)

    yield run
