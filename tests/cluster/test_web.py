"""Photos from a web server of this machine, and names that begin with file://, by one process and by Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cluster.conftest import RUN, Command, LocalRay, of, pictures, results

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
COUNT = 3


class Silent(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *told: object) -> None: ...


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the pictures in ``tmp_path / "in"``."""
    if find_spec("aiohttp") is None:
        pytest.skip("needs the extra test-cluster")
    folder = pictures(tmp_path / "in", COUNT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["one process", "ray"])
def way(request: pytest.FixtureRequest, command: Command) -> tuple[str, ...]:
    """The arguments of a run without and with a cluster."""
    if request.param == "one process":
        return RUN
    ray: LocalRay = request.getfixturevalue("local_ray")
    command.environment["RAY_ADDRESS"] = ray.address
    return (*RUN, "--cluster", "auto", "--workers", "1")


def test_addresses_give_the_bytes_of_files(
    web: str, way: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    addresses = [f"{web}/{number:02}.png" for number in range(COUNT)]
    code, events, said = command.run(*way, *addresses, "-o", tmp_path / "out")
    assert (code, of(events, "file_done")) == (0, addresses), said
    source, out = (f"file://{tmp_path / name}" for name in ("in", "alone"))
    code, events, said = command.run(*way, source, "-o", out)
    assert (code, len(of(events, "file_done"))) == (0, COUNT), said
    assert results(tmp_path / "out") == results(tmp_path / "alone") and results(tmp_path / "out")
    code, events, _ = command.run(*RUN, *addresses, "-o", tmp_path / "out")
    assert (code, of(events, "file_skipped")) == (0, addresses)


def test_what_a_server_does_not_have_is_named(web: str, command: Command, tmp_path: Path) -> None:
    code, _, said = command.run(*RUN, f"{web}/gone.png", "-o", tmp_path / "out")
    assert code == 2 and "gone.png" in said and "Traceback" not in said
    code, _, said = command.run(*RUN, f"{web}/00.png", "-o", f"{web}/out")
    assert code == 2 and "Traceback" not in said
