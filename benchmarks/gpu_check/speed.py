"""How fast are passes, beside what a data sheet allows, and is the device kept at work?"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import torch

from benchmarks.gpu_check.check import CUDA, Check, batch_of, light, picture
from benchmarks.gpu_check.expected import Expected, network_of, read, timed_case
from benchmarks.roofline import GPUS
from restorecli.engine.device import describe
from restorecli.engine.lane import Notes
from restorecli.engine.passes import graphs
from restorecli.engine.precision import replica
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.networks.network import Network
from restorecli.quality.calibrate import calibrate

KERNELS_NAMED, NAME_LENGTH = 8, 110
SECONDS = 0.25  # of timing, each
MOST = 50


def card() -> str:
    """Return the card of `roofline.GPUS` whose data sheet applies, H100 where none does."""
    return next((name for name in GPUS if name in describe(CUDA)), "H100")


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median of a call by CUDA's events; where the host is slower than the device, of the host."""
    work()
    torch.cuda.synchronize(CUDA)
    began = time.perf_counter()
    work()
    torch.cuda.synchronize(CUDA)
    count = max(3, min(MOST, int(SECONDS / max(1e-6, time.perf_counter() - began))))
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    torch.cuda.synchronize(CUDA)
    return statistics.median(a.elapsed_time(b) for a, b in pairwise(marks))


def two_ways(network: Network, batch: int, side: int) -> tuple[float, float | None, str]:
    """Return the milliseconds of a pass in fp16 launched and as a graph, and what recording had to say."""
    said: list[str] = []
    with torch.inference_mode():
        placed = replica(network, CUDA, "fp16")
        x = batch_of(network, batch, side)
        launched = milliseconds(lambda: placed(x))
        fast = graphs.Graphed(placed, CUDA, said.append)
        for _ in range(3):
            fast(x)
        replayed = milliseconds(lambda: fast(x)) if fast.shapes else None
    return launched, replayed, "; ".join(said)


def times(check: Check) -> None:
    """Time each network's passes in fp16 beside the estimate from the data sheet."""
    peak = calibrate(CUDA, "fp16")
    check.told.row(
        matrix_product_fp16_TFLOP_per_s=round(2 * peak.macs / 1e12, 1),
        copy_TB_per_s=round(peak.bandwidth / 1e12, 2),
        data_sheet=card(),
    )
    known = read()

    def one(name: str) -> None:
        network, case = network_of(name), timed_case(name, check.extent.shrink)
        launched, replayed, said = two_ways(network, case.batch, case.side)
        best = min(launched, replayed or launched) / 1000
        megapixels = case.batch * (case.side * network.scale) ** 2 / 1e6
        estimate = known.get(name) if check.extent.shrink == 1 else None
        check.told.row(**_timed(name, case.side, case.batch, launched, replayed, megapixels / best, estimate))
        if estimate is not None:
            rate = estimate.flops / best
            check.told.number(network=name, TFLOP_per_s=rate / 1e12, of_peak=rate / 2 / peak.macs)
        if said:
            check.told.say(f"{name}: {said}")

    published = [name for name in known if name not in check.extent.networks] if check.extent.timed else []
    check.each([*check.extent.networks, *published], one)


def _timed(
    name: str,
    side: int,
    batch: int,
    launched: float,
    replayed: float | None,
    rate: float,
    known: Expected | None,
) -> dict[str, str | int | float | None]:
    estimated = None if known is None else known.rate[card()]
    return {
        "network": name,
        "tile": side,
        "batch": batch,
        "launched_ms": launched,
        "graph_ms": replayed,
        "MP_per_s": rate,
        "estimated_MP_per_s": estimated,
        "measured_by_estimated": None if estimated is None else rate / estimated,
    }


def sweep(check: Check) -> None:
    """Time tiles and batches of some networks, without the overlap of tiles and with it."""
    extent = check.extent
    names = [
        name
        for name in ("nlsn-light-x2", "nlsn-light-denoise", "grl-light-demosaic", "mirnet-light-denoise",
                     "rnan-light-dejpeg", "panet-light-x4")
        if name in extent.networks
    ]  # fmt: skip

    def one(case: tuple[str, int, int]) -> None:
        name, side, batch = case
        network = light(name)
        launched, replayed, _ = two_ways(network, batch, side)
        best = min(launched, replayed or launched)
        megapixels = batch * (side * network.scale) ** 2 / 1e6
        overlap = min(network.tile_overlap, side // 2)
        check.told.row(
            network=name,
            tile=side,
            batch=batch,
            launched_ms=launched,
            graph_ms=replayed,
            MP_per_s=1000 * megapixels / best,
            MP_per_s_less_overlap=1000 * megapixels / best * (1 - overlap / side) ** 2,
            peak_MiB=round(torch.cuda.max_memory_allocated(CUDA) / 2**20),
        )

    most = max(extent.tiles) ** 2
    cases = [
        (name, side, batch)
        for batch in extent.batches
        for side in reversed(extent.tiles)
        for name in names
        if batch * side**2 <= most and not (name.startswith(("panet", "rnan")) and side > 256)
    ]

    def fresh(case: tuple[str, int, int]) -> None:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(CUDA)
        one(case)

    check.each(cases, fresh)


def kernels(check: Check) -> None:
    """Put the kernels of a pass in fp16, by the profiler, beside those that the make-believe GPU counted."""
    known = read()

    def one(name: str) -> None:
        network, case = network_of(name), timed_case(name, check.extent.shrink)
        found, busiest = _profiled(network, case.batch, case.side, fake=check.fake)
        counted = known[name].kernels if name in known else None
        check.told.row(
            network=name,
            kernels=found,
            make_believe=counted,
            times=None if not counted else found / counted,
            most_time_in=busiest,
        )

    check.each(check.extent.networks, one)


def _profiled(network: Network, batch: int, side: int, *, fake: bool) -> tuple[int, str | None]:
    """Return how many kernels a pass launches, and those that take most of the time, with their shares."""
    with torch.inference_mode():
        placed = replica(network, CUDA, "fp16")
        x = batch_of(network, batch, side)
        placed(x)
        if fake:
            return _counted(lambda: placed(x)), None
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            placed(x)
            torch.cuda.synchronize(CUDA)
    on_device = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    spent: dict[str, float] = {}
    for event in on_device:
        spent[event.name] = spent.get(event.name, 0.0) + event.time_range.elapsed_us()
    whole = sum(spent.values()) or 1.0
    launched = Counter(event.name for event in on_device)
    first = sorted(spent.items(), key=lambda pair: -pair[1])[:KERNELS_NAMED]
    shares = "; ".join(
        f"{name[:NAME_LENGTH].replace('|', '¦')} {100 * used / whole:.0f} %, {launched[name]} × "
        f"{used / launched[name]:.0f} µs"
        for name, used in first
    )
    return sum(not event.name.startswith(("Memcpy", "Memset")) for event in on_device), shares


def _counted(work: Callable[[], object]) -> int:
    from benchmarks.fake_gpu.tensors import DeviceTensor

    gpu = DeviceTensor.gpu
    assert gpu is not None
    gpu.record.clear()
    work()
    return len(gpu.kernels)


def busy(check: Check) -> None:
    """See for how much of the time of a picture of 8 bits the device runs passes, as tiles are chosen."""

    def one(name: str) -> None:
        network = light(name)
        prepared = prepare(network, RunSettings(device="cuda", precision="fp16"))
        whole = picture(network.in_channels, check.extent.picture)
        for _ in range(3):
            result = run(prepared, whole, deliver=lambda top, rows: None, peak=255)
        grid = prepared.grid(*whole.shape[-2:])
        size = prepared.batch_of(grid)
        lane = prepared.lanes[0]
        tiles = whole[..., : grid.tile[0], : grid.tile[1]].expand(size, -1, -1, -1).contiguous()
        lane.restore(tiles, "fp16", Notes())
        with torch.inference_mode():
            fast, x = lane._fastest("fp16"), tiles.to(CUDA) * network.value_range
            one_pass = milliseconds(lambda: fast(x))
        passes = -(-grid.count // size)
        megapixels = (check.extent.picture * network.scale) ** 2 / 1e6
        check.told.row(
            network=name,
            tile="×".join(map(str, grid.tile)),
            batch=size,
            passes=passes,
            ms_a_pass=one_pass,
            seconds=result.seconds,
            share_of_time_in_passes=one_pass * passes / 1000 / result.seconds,
            MP_per_s=megapixels / result.seconds,
        )

    check.each(check.extent.networks, one)
