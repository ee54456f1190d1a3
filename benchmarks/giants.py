"""Peak memory of photos that are not held, by their size: ``python -m benchmarks.giants``.

Makes a tiled BigTIFF, or with ``--png`` a PNG, of each size from one square that is repeated, restores it in
a process of its own, and prints the process's largest resident size. By default the network is one
multiplication, since tiles take the same memory for every size; ``--model`` takes one of the catalogue's.
The last column is the ratio to the peak of the first size. Files go to a temporary folder (``--folder``):
twice the largest picture's bytes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import struct
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Any

import imagecodecs
import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.loading import Loaded, Models
from restorecli.models.choose import ModelRequest
from restorecli.models.registry import load_registry
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photos.formats import png
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.pipeline.photo import Setup, process
from restorecli.report.events import Event as Reported
from restorecli.report.events import FileDone
from restorecli.stages import Stage
from restorecli.tasks.same_size import SameSize

TILE = 256
SIZES = (50, 100, 400)  # megapixels


class Dim(Network):
    """A network that costs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = {}
        self.factor = nn.Parameter(torch.full((1,), 0.9))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Networks:
    """Gives every stage the network that costs nothing."""

    def __init__(self) -> None:
        self.network = Dim().eval()
        self.prepared = prepare(self.network, RunSettings(precision="fp32", device="cpu"))

    def get(self, request: ModelRequest, run: Mapping[str, Any]) -> Loaded:
        """Return it."""
        return Loaded(Resolved("none", "light", "dim", None, None), self.network, self.prepared)


class Quiet:
    """Hears everything and says nothing."""

    def event(self, event: Reported) -> None: ...
    def tiles(self, name: str, done: int, total: int) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def close(self) -> None: ...


def make(path: Path, megapixels: int) -> None:
    """Write a square picture of about ``megapixels`` million pixels."""
    side = round((megapixels * 1e6) ** 0.5 / TILE) * TILE
    packed = bytes(imagecodecs.deflate_encode(square(), level=1))
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(
            (packed for _ in range((side // TILE) ** 2)),
            shape=(side, side, 3),
            dtype=np.uint8,
            tile=(TILE, TILE),
            photometric="rgb",
            compression="zlib",
            metadata=None,
        )


def make_png(path: Path, megapixels: int) -> None:
    """Write the same picture as a PNG, a row of squares at a time."""
    side = round((megapixels * 1e6) ** 0.5 / TILE) * TILE
    rows = np.tile(square(), (1, side // TILE, 1)).reshape(TILE, -1)
    filtered = np.hstack([np.zeros((TILE, 1), np.uint8), rows]).tobytes()
    machine = zlib.compressobj(1)
    with path.open("wb") as stream:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        stream.write(png.SIGNATURE + png.chunk(b"IHDR", header))
        for _ in range(side // TILE):
            stream.write(png.chunk(b"IDAT", machine.compress(filtered)))
        stream.write(png.chunk(b"IDAT", machine.flush()) + png.chunk(b"IEND", b""))


def square() -> NDArray[np.uint8]:
    """Return waves with noise, `TILE`×`TILE`×3."""
    y, x = np.mgrid[0:TILE, 0:TILE] / TILE
    waves = 0.5 + 0.3 * np.sin(2 * np.pi * x)[..., None] * np.cos(2 * np.pi * y)[..., None]
    noise = np.random.default_rng(0).normal(0, 0.03, (TILE, TILE, 3))
    return np.rint(255 * np.clip(waves + noise, 0, 1)).astype(np.uint8)


def restored(source: str, out: str, model: str, results: Any) -> None:
    """Restore a photo in this process; report peak, time and what came of it."""
    torch.set_num_threads(1)
    networks: Any = Networks()
    request, task = ModelRequest("denoise"), SameSize("dim")
    if model:
        entry = load_registry().find(model)
        networks = Models(RunSettings(device="cpu"))
        request = ModelRequest(entry.task, model=entry.name, scale=entry.scale)
    photo = plan_names(find_inputs([source]), output=out, task_suffix="x").photos[0]
    began = time.process_time()
    event = process(photo, Setup((Stage(task, request),), networks), Quiet(), Event())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results.put((peak, time.process_time() - began, isinstance(event, FileDone), str(event)))


def main() -> None:
    """Measure every size."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--megapixels", type=int, action="append", help="repeatable; default 50, 100, 400")
    options.add_argument("--model", default="", help="a light file of weights that keeps the size")
    options.add_argument("--folder", type=Path)
    options.add_argument("--png", action="store_true", help="PNG instead of BigTIFF")
    given = options.parse_args()
    context = multiprocessing.get_context("spawn")
    first = 0
    print(
        "| megapixels | peak resident MiB | CPU seconds | ratio to the first |\n|---|---|---|---|", flush=True
    )
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for size in given.megapixels or SIZES:
            source, results = Path(folder, f"{size}.png" if given.png else f"{size}.tif"), context.Queue()
            (make_png if given.png else make)(source, size)
            child = context.Process(
                target=restored, args=(str(source), str(Path(folder, "out")), given.model, results)
            )
            child.start()
            peak, seconds, well, event = results.get()
            child.join()
            if not well:
                raise SystemExit(event)
            first = first or peak
            print(f"| {size} | {peak / 2**20:.0f} | {seconds:.1f} | {peak / first:.2f} |", flush=True)
            for path in (*Path(folder, "out").iterdir(), source):
                path.unlink()


if __name__ == "__main__":
    main()
