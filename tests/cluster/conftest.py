"""A store and a cluster on this machine: moto's S3 server and a local Ray, each its own process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
from PIL import Image

STORE = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
LONG = 900  # seconds that a machine with many other jobs may take to start a cluster
DEADLY = "deadly.png"
"""A photo of which a worker of `local_ray` dies as soon as it opens it, as for want of memory."""
_HOOK = f"""
import os, signal, sys
def die(event, told):
    if event == "open" and str(told[0]).endswith("{DEADLY}"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
"""
RUN = ("upscale", "-x2", "--tile", "64", "--json")


@dataclass(frozen=True)
class Running:
    """A run that goes on; what it says goes to files, which can be read meanwhile."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def wait_for(self, word: str) -> None:
        """Wait until an event of that kind has come."""
        while word not in self.out.read_text():
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.05)

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Wait for its end: its exit code, its events, and what it said."""
        code = self.process.wait(LONG)
        events = [json.loads(line) for line in self.out.read_text().splitlines()]
        return code, events, self.err.read_text()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Command:
    """``restore ARGUMENTS…`` in a process of its own."""

    environment: dict[str, str]
    folder: Path
    count: int = 0

    def start(self, *arguments: object) -> Running:
        self.count += 1
        out, err = (self.folder / f"{self.count}.{kind}" for kind in ("out", "err"))
        command = [sys.executable, "-m", "restorecli", *map(str, arguments)]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        return Running(process, out, err)

    def run(self, *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        return self.start(*arguments).end()


@dataclass(frozen=True)
class LocalRay:
    """A Ray of this machine: its address, and the process that all of its own are below."""

    address: str
    process: int

    def workers(self) -> list[psutil.Process]:
        """Its processes that hold a worker."""
        found = []
        for process in psutil.Process(self.process).children(recursive=True):
            with suppress(psutil.Error):
                if any("ray::Worker" in word for word in process.cmdline()):
                    found.append(process)
        return found


def of(events: list[dict[str, Any]], name: str) -> list[str]:
    return sorted(event["input"] for event in events if event["event"] == name)


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((24, 24)).save(folder / f"{number:02}.png")
    return folder


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.fixture
def command(tmp_path: Path, cache_folders: dict[str, str]) -> Command:
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESTORE_")}
    own = {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    return Command({**kept, **cache_folders, **own, **STORE, **RAY}, tmp_path)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server with a bucket called "bucket"."""
    if find_spec("moto") is None or find_spec("s3fs") is None:
        pytest.skip("needs the extra test-cluster")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(LONG):
            try:
                urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                time.sleep(1)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(s3: str, command: Command) -> Iterator[Any]:
    """fsspec's view of the server's only bucket, empty; commands use the same server."""
    import s3fs

    command.environment["AWS_ENDPOINT_URL"] = s3
    files = s3fs.S3FileSystem(
        key="test",
        secret="test",
        endpoint_url=s3,
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    files.mkdir("bucket")
    yield files
    files.rm("bucket", recursive=True)


@pytest.fixture(scope="session")
def local_ray(cache_folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRay]:
    """A local Ray with two cores."""
    if find_spec("ray") is None:
        pytest.skip("needs the extra test-cluster")
    code = (
        "import ray, sys; context = ray.init(address='local', num_cpus=2, include_dashboard=False, "
        "log_to_driver=False); print(context.address_info['address'], flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, **cache_folders, **STORE, **RAY, "OMP_NUM_THREADS": "1"}
    hooks = tmp_path_factory.mktemp("hooks")
    (hooks / "sitecustomize.py").write_text(_HOOK)
    environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}{os.pathsep}{hooks}"
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    try:
        assert address, "Ray did not start"
        yield LocalRay(address, server.pid)
    finally:
        server.communicate("", timeout=LONG)
