"""Whatever fails, at any tile and any photo: right pixels or a named failure, and the others are done."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError
from restorecli.loading import Loaded, Models
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photos.formats import encode
from restorecli.pipeline import photo as photo_steps
from restorecli.stages import Stage
from restorecli.tasks.dejpeg import Dejpeg
from tests.pipeline.test_threads import Copy, Listener, run

PHOTOS, TILES = 3, 4  # of each
SIDE, TILE = 70, 40


@dataclass
class Script:
    """What is to happen at which call of the network; stays the same object in copies of a network."""

    at: int = -1
    act: Callable[[Tensor], Tensor] = lambda x: x
    calls: int = field(default=0)

    def __deepcopy__(self, memo: object) -> Script:
        return self


class Scripted(Network):
    """Gives its input back, but for one call."""

    tile_overlap = 10

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.settings = {}
        self.one = nn.Parameter(torch.ones(1))
        self.script = script

    def forward(self, x: Tensor) -> Tensor:
        number, self.script.calls = self.script.calls, self.script.calls + 1
        return self.script.act(x) if number == self.script.at else x * self.one


class Networks:
    def __init__(self, script: Script, tile: int = TILE) -> None:
        self.network = Scripted(script).eval()
        script.calls = -1000  # nothing happens while the network is measured
        self.prepared = prepare(self.network, RunSettings(tile=tile, precision="fp32", device="cpu"))
        script.calls = 0

    def get(self, request: ModelRequest, run: Mapping[str, Any]) -> Loaded:
        return Loaded(Resolved("rnan", "light", "scripted", None, None), self.network, self.prepared)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def right(photos: Path, out: Path) -> set[str]:
    """Return the names of results, each of which must be its photo."""
    found = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.exists() else set()
    for name in found:
        assert np.array_equal(np.asarray(Image.open(out / name)), np.asarray(Image.open(photos / name)))
    return found


def all_but(*numbers: int) -> set[str]:
    return {f"{number}.png" for number in range(PHOTOS) if number not in numbers}


def no_half_files(out: Path) -> None:
    assert not list(out.glob(".restore-*.part"))


EVERY_TILE = pytest.mark.parametrize("at", range(PHOTOS * TILES))
EVERY_PHOTO = pytest.mark.parametrize("number", range(PHOTOS))


@EVERY_TILE
def test_nan_fails_the_photo_and_no_other(at: int, photos: Path, tmp_path: Path) -> None:
    listener = Listener()
    networks = Networks(Script(at, lambda x: x * float("nan")))
    run(photos, tmp_path, Copy(), listener=listener, networks=networks)
    hit = at // TILES
    assert listener.failed() == {f"{hit}.png": "non_finite"}
    assert right(photos, tmp_path) == all_but(hit)


def short_of_memory(x: Tensor) -> Tensor:
    raise MemoryError


@EVERY_PHOTO
def test_a_tile_that_memory_lacks_for_is_done_in_parts(number: int, photos: Path, tmp_path: Path) -> None:
    # The whole photo is a tile: its parts are larger than the smallest that are tried.
    networks = Networks(Script(number, short_of_memory), tile=0)
    tally = run(photos, tmp_path, Copy(), networks=networks)
    assert tally.failed == 0 and right(photos, tmp_path) == all_but()


def lost(x: Tensor) -> Tensor:
    raise RuntimeError("CUDA error: device lost")


@EVERY_TILE
def test_a_lost_device_ends_the_run_with_whole_files_only(at: int, photos: Path, tmp_path: Path) -> None:
    listener = Listener()
    with pytest.raises(DeviceError):
        run(photos, tmp_path, Copy(), listener=listener, networks=Networks(Script(at, lost)))
    hit = at // TILES
    assert right(photos, tmp_path) == all_but(*range(hit, PHOTOS))
    assert any(f"{PHOTOS - hit} of {PHOTOS} photos were not restored" in text for text in listener.notes)


@EVERY_PHOTO
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("encoder"), MemoryError()]
)
def test_a_writer_that_fails_costs_its_photo(
    number: int, error: Exception, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encode.encode
    written = np.asarray(Image.open(photos / f"{number}.png"))

    def failing(pages: Any, name: str, stream: Any, quality: int) -> None:
        if np.array_equal(pages[0].samples, written):
            stream.write(b"half of it")
            raise error
        whole(pages, name, stream, quality)

    monkeypatch.setattr(encode, "encode", failing)
    listener = Listener()
    run(photos, tmp_path, Copy(), listener=listener, networks=Networks(Script()))
    assert set(listener.failed()) == {f"{number}.png"}
    assert right(photos, tmp_path) == all_but(number)
    no_half_files(tmp_path)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@EVERY_PHOTO
def test_a_decoder_that_hangs_costs_its_photo(
    number: int, released: threading.Event, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = photo_steps.read

    def hanging(source: Any, **options: Any) -> Any:
        if str(source).endswith(f"{number}.png"):
            released.wait()
        return whole(source, **options)

    monkeypatch.setattr(photo_steps, "read", hanging)
    listener = Listener()
    run(photos, tmp_path, Copy(), listener=listener, networks=Networks(Script()), file_timeout=2.0)
    assert listener.failed() == {f"{number}.png": "timed_out"}
    assert right(photos, tmp_path) == all_but(number)


def test_the_bytes_do_not_depend_on_jobs_batches_and_threads(photos: Path, tmp_path: Path) -> None:
    request = ModelRequest("dejpeg", model="nlsn-light-dejpeg")
    found, before = [], torch.get_num_threads()
    try:
        for jobs, batch, threads in ((1, 1, 1), (3, 1, 2), (2, 3, 1), (1, 4, 2)):
            torch.set_num_threads(threads)
            models = Models(RunSettings(tile=48, precision="fp32", device="cpu", batch=batch))
            out = tmp_path / f"{jobs}-{batch}-{threads}"
            stage = Stage(Dejpeg(30), request)
            run(photos, out, jobs=jobs, networks=models, stages=(stage,))
            found.append({path.name: path.read_bytes() for path in out.glob("*.png")})
    finally:
        torch.set_num_threads(before)
    assert len(found[0]) == PHOTOS
    assert all(other == found[0] for other in found[1:])
