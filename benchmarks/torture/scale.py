"""Bytes of memory per pixel, by the highest mark of a process; and a photo in a small container."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.torture.children import told
from restorecli import host
from restorecli.engine import blend, memory
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.loading import Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.pipeline import needs
from restorecli.pipeline.photo import Setup, process
from restorecli.report.events import FileDone, FileFailed
from restorecli.report.jsonl import JsonLines
from restorecli.stages import Stage
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.upscale import Upscale

MOST = {"denoise": 24, "upscale-x2": 30}
SIDES = {9: (3000, 3000), 25: (5000, 5000), 49: (7000, 7000), 100: (10_000, 10_000), 400: (20_000, 20_000)}
FIXED = 200 << 20  # tiles, buffers and codecs, whatever the photo
CONTAINER = 1_288_490_188  # 1.2 GiB
LONGEST = 3600.0  # seconds


class Cheap(Network):
    """One value: a network that takes no time."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.settings = scale, {}
        self.one = nn.Parameter(torch.full((1,), 0.999))

    def forward(self, x: Tensor) -> Tensor:
        """Give the input back, enlarged."""
        return nn.functional.interpolate(x, scale_factor=float(self.scale)) * self.one


@dataclass(frozen=True)
class Only:
    """The same network for every request."""

    loaded: Loaded

    def get(self, request: ModelRequest, run: object) -> Loaded:
        """Return it."""
        return self.loaded


def scale(count: int, seed: int) -> tuple[str, bool]:
    """Measure photos of up to ``count`` megapixels; return the summary lines and whether all keep to it."""
    lines, well = [], True
    with tempfile.TemporaryDirectory() as name:
        for megapixels, sides in SIDES.items():
            if megapixels > count:
                continue
            path = photo(Path(name) / f"{megapixels}.jpg", *sides)
            for task in MOST:
                if task != "denoise" and megapixels > 100:
                    continue
                per_pixel, came = measure(path, task, sides)
                well &= came == "done" and per_pixel <= MOST[task]
                lines.append(f"{megapixels} MP {task}: {per_pixel:.1f} bytes a pixel, {came}")
            if megapixels == 49:
                came = in_container(path)
                well &= came.partition(" ")[0] in ("done", "too_large", "out_of_memory")
                lines.append(f"49 MP in 1.2 GiB: {came}")
            path.unlink()
    return "scale: " + "; ".join(lines), well


def photo(path: Path, width: int, height: int) -> Path:
    """Write a noisy JPEG made of one tile that repeats, and return its path."""
    tile = np.random.default_rng(3).normal(120, 25, (500, 500, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(np.tile(tile, (height // 500, width // 500, 1))).save(path, quality=80)
    return path


def measure(path: Path, task: str, sides: tuple[int, int]) -> tuple[float, str]:
    """Return the bytes per input pixel beyond what the process took before, and what came of the photo."""
    text, ended = told(path, lambda: taken(path, task, setup(task)), LONGEST)
    if not text:
        return 0.0, f"ended by {ended.code}"
    grown, came = text.split()
    return max(0, int(grown) - FIXED) / (sides[0] * sides[1]), came


def taken(path: Path, task: str, setup: Setup) -> str:
    """Restore a photo; return the bytes that this process took for it, and what came of it."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _high_water()
    came = _run(path, task, setup)
    return f"{_high_water() - before} {came}"


def in_container(path: Path) -> str:
    """Return what comes of a photo in a control group; where none can be made, with the limit only told.

    A process that is only told counts as killed where it was larger than the limit at any moment.
    """
    group = _group()

    def work() -> str:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            _tell_limit()
        return _run(path, "denoise", setup("denoise"))

    text, ended = told(path, work, LONGEST)
    came = text or f"killed ({ended.code})"
    if group is not None:
        group.rmdir()
        return came
    size = f"limit told, {ended.peak / 2**30:.2f} GiB at most"
    return f"{came} ({size})" if ended.peak <= CONTAINER else f"killed ({size})"


def _group() -> Path | None:
    """Return a new control group of `CONTAINER` bytes; None where this process may not make one."""
    group = Path("/sys/fs/cgroup") / f"restore-torture-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        with open(group / "memory.max", "r+") as limit:  # noqa: PTH123 - a folder of plain files has none
            limit.write(str(CONTAINER))
    except OSError:
        group.rmdir()
        return None
    return group


def _tell_limit() -> None:
    """Have this process believe that it may use `CONTAINER` bytes."""
    free, whole = host.available_bytes, host.total_bytes
    limited = {
        "available_bytes": lambda: max(0, min(free(), CONTAINER - _resident())),
        "total_bytes": lambda: min(whole(), CONTAINER),
    }
    for module in (host, blend, memory, needs):
        for name in limited.keys() & vars(module).keys():
            setattr(module, name, limited[name])


def setup(task: str) -> Setup:
    """Return a task with a network of one value."""
    grown = 2 if task == "upscale-x2" else 1
    network = Cheap(grown)
    prepared = prepare(network, RunSettings(device="cpu", precision="fp32", tile=256, overlap=16))
    loaded = Loaded(Resolved("cheap", "test", "cheap", None, None), network, prepared)
    stage = Stage(Upscale(2) if grown == 2 else Denoise(15.0), ModelRequest(task.partition("-")[0]))
    return Setup((stage,), Only(loaded))


def _run(path: Path, task: str, setup: Setup) -> str:
    """Restore a photo; return "done", or the code of what failed. Its result is removed."""
    out = path.with_suffix(".out")
    plan = plan_names(find_inputs([str(path)]), output=str(out), task_suffix=task, settings={})
    event = process(replace(plan.photos[0]), setup, JsonLines(open(os.devnull, "w")), Event())  # noqa: SIM115, PTH123
    for made in out.glob("*"):
        made.unlink()
    for made in out.glob(".*"):
        made.unlink()
    assert isinstance(event, FileDone | FileFailed)
    return "done" if isinstance(event, FileDone) else event.code


def _high_water() -> int:
    return _status("VmHWM")


def _resident() -> int:
    return _status("VmRSS")


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
