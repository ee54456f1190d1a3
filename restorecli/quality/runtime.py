"""How fast a network is on a device, what it takes, and how near that is to what the device can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor

from restorecli.engine.ensemble import self_ensemble
from restorecli.engine.facts import Facts, read_facts
from restorecli.engine.faults import device_lost, is_device_lost, is_out_of_memory
from restorecli.engine.memory import measure_curve, peak_memory, release
from restorecli.engine.passes.compiling import Compiled
from restorecli.engine.passes.graphs import Graphed
from restorecli.engine.precision import DTYPES, choose, exact_arithmetic, photo_like, replica
from restorecli.engine.settings import TRANSFORMS
from restorecli.errors import OutOfMemoryError
from restorecli.host import available_bytes
from restorecli.networks.network import Network
from restorecli.quality.calibrate import Calibration, calibrate
from restorecli.quality.counting import Work, count
from restorecli.quality.energy import EnergyMeter
from restorecli.quality.subjects import Subject
from restorecli.quality.timing import Times, repeat

Call = Callable[[Tensor], Tensor]
UNQUESTIONED = 512 * 512  # input pixels a pass may have on a CPU before the memory it needs is asked for


@dataclass(frozen=True)
class Setup:
    """How networks are measured.

    Attributes:
        device: where.
        precision: "auto" takes what the engine would choose; else "fp32", "fp16" or "bf16".
        batch: images per pass.
        runs: timed passes; None continues until the median is known (see `timing.repeat`).
        warmup: passes before, one at least; one more then counts work and memory.
        budget: seconds of timed passes, where ``runs`` is None.
        self_ensemble: average over the eight symmetries.
        compiled: run through `torch.compile`.
    """

    device: torch.device
    precision: str = "auto"
    batch: int = 1
    runs: int | None = None
    warmup: int = 1
    budget: float = 3.0
    self_ensemble: bool = False
    compiled: bool = False


@dataclass(frozen=True)
class Row:
    """One network at one size: everything measured. Bytes, seconds, pixels; nothing rounded.

    Attributes:
        task, name, model, variant, weights: see `subjects.Subject`.
        scale: output side ÷ input side.
        width, height: of the input, in pixels.
        batch, precision, self_ensemble, compiled, device, threads: how.
        parameters: learned values.
        macs: multiply-adds per image (convolutions and matrix products).
        traffic: bytes that the operators of one image read and write, if nothing were cached or fused.
        seconds: of each timed pass.
        device_bytes: the weights and the most that a pass took beside them, on the device.
        host_bytes: the process's resident memory after the passes.
        matrix_share: multiply-adds per second ÷ those of the device's own best matrix product.
        bandwidth_share: ``traffic`` per second ÷ the device's own best copy; may exceed 1 thanks to caches.
        joules: per image, where it can be read; ``energy_source`` says how.
    """

    task: str
    name: str
    model: str
    variant: str
    weights: str
    scale: int
    width: int
    height: int
    batch: int
    precision: str
    self_ensemble: bool
    compiled: bool
    device: str
    threads: int
    parameters: int
    macs: int
    traffic: int
    seconds: tuple[float, ...]
    device_bytes: int
    host_bytes: int
    matrix_share: float
    bandwidth_share: float
    joules: float | None = None
    energy_source: str = ""

    @property
    def times(self) -> Times:
        """The passes' times."""
        return Times(self.seconds)

    @property
    def megapixels_in(self) -> float:
        """Millions of input pixels per second, by the median."""
        return self.batch * self.width * self.height / 1e6 / self.times.median

    @property
    def megapixels_out(self) -> float:
        """Millions of output pixels per second, by the median."""
        return self.megapixels_in * self.scale**2


@dataclass
class Bench:
    """Measures networks on one device; the device's own best is measured once per precision."""

    setup: Setup
    calibrations: dict[str, Calibration] = field(default_factory=dict)

    def measure(self, subject: Subject, sizes: Sequence[tuple[int, int]]) -> list[Row | OutOfMemoryError]:
        """Measure ``subject`` at each size (width, height); an error in place of what does not fit in memory.

        Raises:
            RestoreError: the network cannot be built, or cannot be run in the precision asked for.
        """
        device, network = self.setup.device, subject.build()
        if device.type == "cuda":
            exact_arithmetic()
        precision = choose(network, device, self.setup.precision).precision
        calibration = self.calibration(precision)
        placed = placed_network(network, self.setup, precision)
        rows: list[Row | OutOfMemoryError] = []
        for size in sizes:
            try:
                rows.append(self._row(subject, network, placed, size, calibration))
            except OutOfMemoryError as error:
                rows.append(error)
        return rows

    def calibration(self, precision: str) -> Calibration:
        """Return the device's own best in ``precision``."""
        if precision not in self.calibrations:
            self.calibrations[precision] = calibrate(self.setup.device, precision)
        return self.calibrations[precision]

    def _row(
        self,
        subject: Subject,
        network: Network,
        placed: tuple[Call, Call],
        size: tuple[int, int],
        calibration: Calibration,
    ) -> Row:
        setup, facts, precision = self.setup, read_facts(network), calibration.precision
        plain, call = placed
        _check_memory(plain, facts, setup, precision, size)
        x = sample_input(facts, size, setup.batch).to(setup.device)
        work, peak, times, meter = _run(plain, call, x, setup)
        rate = setup.batch / times.median
        work = Work(work.macs // setup.batch, work.traffic // setup.batch)
        return Row(
            task=subject.task,
            name=subject.name,
            model=subject.model,
            variant=subject.variant,
            weights=subject.weights,
            scale=facts.scale,
            width=size[0],
            height=size[1],
            batch=setup.batch,
            precision=precision,
            self_ensemble=setup.self_ensemble,
            compiled=setup.compiled,
            device=str(setup.device),
            threads=torch.get_num_threads(),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            macs=work.macs,
            traffic=work.traffic,
            seconds=times.seconds,
            device_bytes=weight_bytes(network, precision) + peak,
            host_bytes=int(psutil.Process().memory_info().rss),
            matrix_share=work.macs * rate / calibration.macs,
            bandwidth_share=work.traffic * rate / calibration.bandwidth,
            joules=None if meter.joules is None else meter.joules / (len(times.seconds) * setup.batch),
            energy_source=meter.source,
        )


def placed_network(network: Network, setup: Setup, precision: str) -> tuple[Call, Call]:
    """Return ``network`` on the device, plain (for counting) and as it is to be timed."""
    plain: Call = replica(network, setup.device, precision)
    call: Call = plain
    if setup.compiled:
        call = Compiled(plain, _unsaid)
    elif setup.device.type == "cuda":
        call = Graphed(plain, setup.device, _unsaid)
    if not setup.self_ensemble:
        return plain, call
    return (lambda x: self_ensemble(plain, x, TRANSFORMS)), (lambda x: self_ensemble(call, x, TRANSFORMS))


def _unsaid(text: str) -> None:
    """What compiling or recording cost is no part of a pass's time."""


def sample_input(facts: Facts, size: tuple[int, int], batch: int) -> Tensor:
    """Return a batch of pictures with a photo's statistics, B×C×H×W in the network's own range."""
    width, height = size
    picture = photo_like(facts.in_channels, max(width, height))[:, :, :height, :width]
    return (picture * facts.value_range).expand(batch, -1, -1, -1).contiguous()


def weight_bytes(network: Network, precision: str) -> int:
    """Return the bytes that weights and buffers take in ``precision``, float32 parts not counted apart."""
    size = DTYPES[precision].itemsize
    return sum(t.numel() * size for t in (*network.parameters(), *network.buffers()))


def _run(plain: Call, call: Call, x: Tensor, setup: Setup) -> tuple[Work, int, Times, EnergyMeter]:
    """Warm up, count, measure memory, then time; a shortage of memory becomes `OutOfMemoryError`."""

    @torch.inference_mode()
    def once() -> None:
        call(x)

    try:
        # First: what a network makes at its first pass and keeps (a composed kernel) is not a pass's work.
        for _ in range(max(2 if setup.device.type == "cuda" else 1, setup.warmup)):  # the second is recorded
            once()
        counted: list[Work] = []
        peak = peak_memory(lambda: counted.append(count(plain, x)), setup.device)
        if setup.compiled:
            peak = peak_memory(once, setup.device)
        with EnergyMeter(setup.device) as meter:
            times = repeat(once, setup.device, runs=setup.runs, warmup=0, budget=setup.budget)
        return counted[0], peak, times, meter
    except (RuntimeError, MemoryError) as error:
        if is_device_lost(error):
            raise device_lost(setup.device, error) from error
        if not is_out_of_memory(error):
            raise
    release(setup.device)
    raise _too_large(x.shape[-1], x.shape[-2], f"the memory of {setup.device} does not suffice")


def _check_memory(plain: Call, facts: Facts, setup: Setup, precision: str, size: tuple[int, int]) -> None:
    """Refuse what a CPU's memory would not hold: there is no error to catch, the process would be killed."""
    pixels = size[0] * size[1] * setup.batch
    if setup.device.type != "cpu" or pixels <= UNQUESTIONED:
        return
    needed = measure_curve(plain, facts, setup.device, precision).peak(pixels)
    if needed > available_bytes():
        raise _too_large(*size, f"it takes about {needed / 2**30:.1f} GiB of memory")


def _too_large(width: int, height: int, why: str) -> OutOfMemoryError:
    return OutOfMemoryError(f"{width}×{height} in one pass: {why}", "measure a smaller --size")


def as_json(row: Row) -> dict[str, Any]:
    """Return everything of a row, with what follows from it, for JSON."""
    low, high = row.times.interval
    return {
        **{name: getattr(row, name) for name in Row.__dataclass_fields__},
        "seconds": list(row.seconds),
        "median": row.times.median,
        "p90": row.times.p90,
        "median_interval": [low, high],
        "megapixels_in_per_second": row.megapixels_in,
        "megapixels_out_per_second": row.megapixels_out,
    }
