"""Photos of all kinds take no more memory than the plan, which lets them in, has foretold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.torture import scale
from benchmarks.torture.children import told
from restorecli.photos.read import identify
from restorecli.pipeline.needs import Going, needed_bytes

Array = NDArray[np.uint8]
TASKS = ("denoise", "upscale-x2")
TILE = 500


def _png(pixels: Array, path: Path) -> None:
    path.write_bytes(imagecodecs.png_encode(pixels, level=1))


def _tiff(pixels: NDArray[np.generic], path: Path, extra: str = "unassalpha") -> None:
    alpha = [extra] if pixels.shape[2] == 4 else None
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=alpha)


# what it is → its channels, and what writes it
KINDS: dict[str, tuple[int, Callable[[Array, Path], None]]] = {
    "opaque.png": (3, _png),
    "transparent.png": (4, _png),
    "gray-and-alpha.png": (2, _png),
    "16-bit.tif": (3, lambda pixels, path: _tiff(pixels.astype(np.uint16) * 257, path)),
    "16-bit-transparent.tif": (4, lambda pixels, path: _tiff(pixels.astype(np.uint16) * 257, path)),
    "premultiplied.tif": (4, lambda pixels, path: _tiff(pixels, path, "assocalpha")),
    "float.tif": (3, lambda pixels, path: _tiff(pixels / np.float32(255), path)),
    "float-transparent.tif": (4, lambda pixels, path: _tiff(pixels / np.float32(255), path)),
}


def memory(count: int, seed: int) -> tuple[str, bool]:
    """Measure photos of ``count`` megapixels; return what each took and whether the plan holds."""
    side = max(1, round((count * 1e6) ** 0.5 / TILE)) * TILE
    lines, well = [], True
    with tempfile.TemporaryDirectory() as name:
        for kind, (channels, write) in KINDS.items():
            path = Path(name) / kind
            tile = np.random.default_rng(seed).normal(120, 25, (TILE, TILE, channels)).clip(0, 255)
            tile[:9, :9, channels - 1] = 0  # in transparent ones: colours that are not seen
            write(np.tile(tile.astype(np.uint8), (side // TILE, side // TILE, 1)), path)
            for task in TASKS:
                taken, foretold, outcome = measure(path, task)
                well &= outcome == "done" and taken <= foretold
                per = [f"{value / side**2:.1f}" for value in (taken, foretold)]
                lines.append(f"{kind} {task}: {per[0]} of {per[1]} bytes a pixel foretold, {outcome}")
            path.unlink()
    return f"memory: {side**2 / 1e6:.0f} MP: " + "; ".join(lines), well


def measure(path: Path, task: str) -> tuple[int, int, str]:
    """Return the bytes that a photo took, those that were foretold, and what came of it."""

    def work() -> str:
        setup = scale.setup(task)
        kind, extents, length = identify(path, path.name)
        foretold = needed_bytes(extents, length, Going(setup.stages, kind))
        return f"{foretold} {scale.taken(path, task, setup)}"

    text, ended = told(path, work, scale.LONGEST)
    if not text:
        return 0, 0, f"ended by {ended.code}"
    foretold, taken, outcome = text.split()
    return int(taken), int(foretold), outcome
