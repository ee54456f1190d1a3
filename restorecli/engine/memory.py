"""How much memory a network takes per pixel on a device, measured, and the tile that fits.

Peak memory is taken as fixed + per_pixel · pixels, from two tiles of different sizes, kept for later runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from restorecli.engine.cache import recall, remember
from restorecli.engine.facts import Facts
from restorecli.engine.faults import is_out_of_memory, may_be_out_of_memory
from restorecli.engine.precision import device_key, photo_like, probe_side
from restorecli.engine.tiles import Pace
from restorecli.host import available_bytes, total_bytes

# On a CPU the time per useful pixel is flat from about 128 to 384 (below, most of it is overlap; above, it
# outgrows the caches): the middle of that, since attention sees more in a larger tile.
CPU_SIDES = (256, 192, 128, 96, 64, 48, 32)
LARGEST_CPU_TILE = 512  # beyond it little is gained, and a tile takes four times the memory
GPU_SIDES = (1024, 768, 512, 384, *CPU_SIDES)
GPU_SHARE = 0.75  # of the device's whole memory: what is free shrinks as torch's own cache grows
CPU_SHARE = 0.5  # of the machine's whole memory, so that the choice is the same each time
AVAILABLE_SHARE = 0.8  # of what is free now, beyond which a CPU run would be killed without an error
SMALLEST_TILE = 32
MODEST_TILE = 128  # of every network takes well below 1 GiB: not worth measuring where it was asked for
BATCH_PIXELS = 1024 * 1024  # per forward pass: enough to fill any GPU
LARGEST_BATCH = 32
SMALL_PIXELS = 256 * 256  # a pass of fewer takes an H200 more than half as long: it is not busy with them

SHARE_OF_GPU = "RESTORE_SHARE_OF_GPU"
"""The variable with the share of a card's memory that a process may take, where several share a card."""


@dataclass(frozen=True)
class Curve:
    """Peak bytes beyond the network's weights: ``fixed + per_pixel · input pixels``."""

    fixed: float
    per_pixel: float

    def peak(self, pixels: int) -> float:
        """Return the bytes ``pixels`` input pixels in one pass take."""
        return self.fixed + self.per_pixel * pixels

    def pixels(self, budget: float) -> int:
        """Return how many input pixels fit in ``budget`` bytes."""
        return max(0, int((budget - self.fixed) / self.per_pixel))


def measure_curve(
    call: Callable[[Tensor], Tensor], facts: Facts, device: torch.device, precision: str
) -> Curve:
    """Return the memory curve of ``call``, a copy of the network; measured once per machine."""
    key = "|".join(["memory", facts.identity, precision, device_key(device), torch.__version__])
    known = recall(key)
    remembered = _remembered(known or {})
    if remembered is not None:
        return remembered
    large, count = (probe_side(call, facts, device), 1) if device.type == "cpu" else _on_a_gpu(facts)
    large = max(large, 2 * facts.side_multiple)
    gc.collect()  # once: passes leave no cycles behind
    pixels, peaks = _peaks(call, facts, device, large, count)
    # What goes in and comes out, twice (the network's own and the float32 copy), is the least there can be.
    least = 8 * (facts.in_channels + facts.out_channels * facts.scale**2)
    # What grows less than half as much as the pixels is doubtful; in batches, exact on GPUs, it is not.
    share = peaks[1] / (2 * pixels[1]) if count == 1 else 0.0
    per_pixel = max((peaks[1] - peaks[0]) / (pixels[1] - pixels[0]), share, least)
    curve = Curve(max(0.0, peaks[1] - per_pixel * pixels[1]), per_pixel)
    remember(key, {"fixed": curve.fixed, "per_pixel": curve.per_pixel})
    return curve


def _remembered(known: Mapping[str, Any]) -> Curve | None:
    """Return the curve of a cache entry; None where it holds no two sensible numbers."""
    fixed, per_pixel = known.get("fixed"), known.get("per_pixel")
    if not (isinstance(fixed, int | float) and isinstance(per_pixel, int | float)):
        return None
    return Curve(float(fixed), float(per_pixel)) if 0 <= fixed < 1e15 and 0 < per_pixel < 1e15 else None


def _on_a_gpu(facts: Facts) -> tuple[int, int]:
    """Return the side of tiles to measure on a GPU, and how many: several of those that have a largest size.

    There it is the batch that grows, and what PANet takes for one picture serves the next.
    """
    if facts.tile_limit is None:
        return 256, 1
    return -(-facts.tile_limit // facts.side_multiple) * facts.side_multiple, 4


def _peaks(
    call: Callable[[Tensor], Tensor], facts: Facts, device: torch.device, large: int, count: int
) -> tuple[list[int], list[float]]:
    """Return the pixels of two passes and their peaks.

    They are of a tile of ``large`` and one of half the side; of ``count`` tiles and one, where it is not 1.
    """
    small = -(-large // (2 * facts.side_multiple)) * facts.side_multiple
    passes = [(small if count == 1 else large, 1), (large, count)]
    try:
        peaks = [_peak_of(call, facts, device, *sides) for sides in passes]
        return [side**2 * tiles for side, tiles in passes], peaks
    except (RuntimeError, MemoryError) as error:
        if small < max(SMALLEST_TILE, 2 * facts.side_multiple) or not (
            is_out_of_memory(error) or may_be_out_of_memory(error)
        ):
            raise
    release(device)  # outside the except block, whose traceback keeps the failed pass's tensors
    return _peaks(call, facts, device, small, count)


def choose_tile(
    curve: Curve, facts: Facts, device: torch.device, pace: Pace | None = None
) -> tuple[int, str]:
    """Return the side of the largest automatic tile, and why.

    With a ``pace`` the sides to choose from are those that it was measured at.

    It depends on the machine's whole memory only, so it is the same for each run: attention networks see a
    tile, not the photo, and their output changes slightly with it.
    """
    budget = total_memory(device) * (CPU_SHARE if device.type == "cpu" else GPU_SHARE)
    sides: tuple[int, ...] = CPU_SIDES if device.type == "cpu" else GPU_SIDES
    if pace is not None:
        smaller = (side for side in sides if side < pace.sides[0])
        measured = (min(side, LARGEST_CPU_TILE) for side in pace.sides)
        sides = tuple(sorted({*measured, *smaller}, reverse=True))
    limit = facts.tile_limit or sides[0]
    fitting = [side for side in sides if side <= limit and curve.peak(side**2) <= budget]
    side = fitting[0] if fitting else SMALLEST_TILE
    megabytes = curve.peak(side**2) / 2**20
    return side, f"{megabytes:.0f} MiB for a tile of {side}, {budget / 2**20:.0f} MiB to be used"


def choose_batch(curve: Curve, side: int, device: torch.device) -> int:
    """Return how many tiles of ``side`` to take per pass: one on a CPU, where more are not faster."""
    if device.type == "cpu" or side == 0:
        return 1
    fitting = curve.pixels(total_memory(device) * GPU_SHARE) // side**2
    return max(1, min(LARGEST_BATCH, fitting, BATCH_PIXELS // side**2))


def affordable_pixels(curve: Curve, device: torch.device) -> int | None:
    """Return the pixels one pass may take now on a CPU; None on devices that report a shortage."""
    if device.type != "cpu":
        return None
    return curve.pixels(available_bytes() * AVAILABLE_SHARE)


def total_memory(device: torch.device) -> int:
    """Return the device's memory in bytes: all of it, or this process's share of a GPU's."""
    if device.type == "cpu":
        return total_bytes()
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    whole = int(getattr(torch, device.type).get_device_properties(device).total_memory)
    return int(whole * float(os.environ.get(SHARE_OF_GPU, "1")))


def release(device: torch.device) -> None:
    """Give memory that is no longer used back to the device or the system."""
    gc.collect()
    _give_back(device)


def _give_back(device: torch.device) -> None:
    if device.type != "cpu":
        with contextlib.suppress(RuntimeError):  # a device that is lost has nothing to give back
            getattr(torch, device.type).empty_cache()
    elif sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every libc
        if trim is not None:
            trim(0)


def _peak_of(
    call: Callable[[Tensor], Tensor], facts: Facts, device: torch.device, side: int, count: int
) -> float:
    x = (photo_like(facts.in_channels, side) * facts.value_range).repeat(count, 1, 1, 1)

    def once() -> None:
        with torch.inference_mode():
            call(x.to(device)).float().cpu()

    # What else the process does at the time can only add, so the lesser of two is nearer the truth.
    return float(min(_raised_by(once, device) for _ in range(2)))


def peak_memory(work: Callable[[], None], device: torch.device) -> int:
    """Return by how many bytes ``work`` raised the memory in use on ``device`` at its highest."""
    gc.collect()
    return _raised_by(work, device)


def _raised_by(work: Callable[[], None], device: torch.device) -> int:
    _give_back(device)
    if device.type == "cpu":
        return _peak_rss(work)
    if device.type == "mps":
        before = torch.mps.driver_allocated_memory()
        work()
        return max(0, int(torch.mps.driver_allocated_memory() - before))
    backend = getattr(torch, device.type)
    backend.synchronize(device)
    backend.reset_peak_memory_stats(device)
    before = backend.memory_allocated(device)
    work()
    backend.synchronize(device)
    return int(backend.max_memory_allocated(device) - before)


def _peak_rss(work: Callable[[], None]) -> int:
    before = psutil.Process().memory_info().rss
    if not _reset_high_water_mark():
        return max(0, _sampled_peak(work) - before)
    work()
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return max(0, int(line.split()[1]) * 1024 - before)


def _reset_high_water_mark() -> bool:
    """Have Linux forget the process's largest resident size; False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _sampled_peak(work: Callable[[], None]) -> int:
    """Return the largest resident size seen every 2 ms while ``work`` runs: for systems without /proc."""
    process, done = psutil.Process(), threading.Event()
    highest = process.memory_info().rss

    def sample() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, process.memory_info().rss)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        work()
    finally:
        done.set()
        sampler.join()
    return int(max(highest, process.memory_info().rss))
