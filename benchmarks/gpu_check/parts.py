"""The parts of the check, in the order in which they tell most, and one process's way through them."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.fake_gpu import FakeGpu
from benchmarks.gpu_check import folders, memory, parity, speed
from benchmarks.gpu_check.check import CUDA, EXTENTS, Check, ContextLostError
from benchmarks.gpu_check.names import LOST, NO_DEVICE
from benchmarks.gpu_check.told import Told
from restorecli.engine.device import describe
from restorecli.engine.precision import exact_arithmetic
from restorecli.quality import calibrate


@dataclass(frozen=True)
class Part:
    """A part of the check.

    Attributes:
        title: its heading.
        work: does it.
        weight: its share of the time beside the others'.
    """

    title: str
    work: Callable[[Check], None]
    weight: float


PARTS = {
    "parity": Part("Parity with the CPU in fp32", parity.parity, 90),
    "shortage": Part("Little memory", memory.shortage, 8),
    "folder": Part("A folder, twice", folders.folder_twice, 16),
    "small": Part("Small photos of one size", folders.small_photos, 10),
    "times": Part("Passes in fp16 beside the estimate", speed.times, 24),
    "kernels": Part("Kernels of a pass", speed.kernels, 12),
    "sweep": Part("Tiles and batches", speed.sweep, 20),
    "predicted": Part("Memory that is reckoned with", memory.predicted, 14),
    "exactness": Part("Bytes, neighbours and batches", parity.exactness, 16),
    "busy": Part("The device at work", speed.busy, 16),
    "training": Part("Training", folders.training, 6),
    "bench": Part("`restore bench`", folders.bench, 60),
}


def go_through(names: Sequence[str], size: str, told: Told, seconds: float) -> int:
    """Do what is left of the parts called ``names``.

    Returns:
        0, `NO_DEVICE`, or `LOST` where another process is to go on.
    """
    extent, fake = EXTENTS[size], size == "fake"
    if not fake and not torch.cuda.is_available():
        return NO_DEVICE
    events = list(told.events())
    done = {event["part"] for event in events if event.get("event") == "done"}
    begun = {event["part"] for event in events if event.get("event") == "begun"}
    items = {(event["part"], event["item"]) for event in events if event.get("event") == "item"}
    waiting = [name for name in names if name not in done and (name != "bench" or extent.bench)]
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as place, _device(fake):
        if not events:
            _introduce(told, fake)
        for index, name in enumerate(waiting):
            again = frozenset(item for part, item in items if part == name)
            if name in begun and not again:
                told.part = name
                told.end(0)  # it took a process with it, and would take the next one
                continue
            weights = sum(PARTS[other].weight for other in waiting[index:])
            left = ends - time.monotonic()
            until = time.monotonic() + left * PARTS[name].weight / weights
            folder = Path(place) / name
            folder.mkdir()
            check = Check(extent, told, folder, fake, until if math.isfinite(left) else math.inf, again)
            if not _done(check, name):
                return LOST
    return 0


def _done(check: Check, name: str) -> bool:
    began = time.perf_counter()
    check.told.begin(name, PARTS[name].title)
    try:
        check.attempt(PARTS[name].title, lambda: PARTS[name].work(check))
    except ContextLostError:
        check.told.say("The device does nothing more in this process: what is left goes on in another.")
        return False
    finally:
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
    check.told.end(time.perf_counter() - began)
    return True


@contextlib.contextmanager
def _device(fake: bool) -> Iterator[None]:
    """Have the device, and the engine's measurements in a folder of this check alone."""
    with tempfile.TemporaryDirectory(prefix="gpu-check-cache-") as cache:
        os.environ["RESTORE_CACHE_DIR"] = cache
        if fake:  # the product that a GPU is measured by would take the host minutes
            calibrate.SIDES["gpu"], calibrate.COPIED["gpu"] = 64, 1 << 16
        with FakeGpu() if fake else contextlib.nullcontext():
            exact_arithmetic()
            yield


def _introduce(told: Told, fake: bool) -> None:
    note = " (make-believe: no number here is a measurement)" if fake else ""
    told.head(f"# GPU check: {describe(CUDA)}{note}")
    told.row(torch=torch.__version__, cuda=str(torch.version.cuda), cudnn=torch.backends.cudnn.version() or 0)
