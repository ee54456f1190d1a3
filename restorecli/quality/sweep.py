"""One setting varied, the others kept: the curve, the best value, and keeping it for later runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorecli.engine.facts import read_facts
from restorecli.engine.memory import CPU_SIDES, GPU_SIDES, LARGEST_BATCH
from restorecli.engine.precision import (
    RIGHT_PSNR,
    Choice,
    candidates,
    choose,
    photo_like,
    psnr,
    remember_choice,
    replica,
)
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.engine.tuned import REASON, remember_threads, remember_tuned
from restorecli.errors import DeviceError, OutOfMemoryError, RestoreError, UsageError, unknown_value
from restorecli.host import usable_cores
from restorecli.networks.network import Network
from restorecli.quality.runtime import Bench, Row, Setup, sample_input
from restorecli.quality.subjects import SWEEPS, Subject
from restorecli.quality.timing import repeat

SIDES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
IMAGE = {"cpu": 512, "gpu": 2048}  # side of the image that tiles are tried on


@dataclass(frozen=True)
class Point:
    """One value of what is varied.

    Attributes:
        value: a side, a number, or a precision.
        seconds: of each timed pass (tiles: of each image).
        rate: millions of input pixels per second, by the median.
        decibels: PSNR against float32, where precision is varied.
        note: why there are no times, or why it is not chosen.
    """

    value: int | str
    seconds: tuple[float, ...] = ()
    rate: float = 0.0
    decibels: float | None = None
    note: str = ""

    @property
    def eligible(self) -> bool:
        """Whether it may be the best."""
        return bool(self.seconds) and not self.note


@dataclass(frozen=True)
class Sweep:
    """What came out.

    Attributes:
        kind: what was varied, one of `subjects.SWEEPS`.
        subject: the network.
        precision: what it ran in (varied where that is the kind).
        width, height: of the input; 0 where the size is varied.
        points: in the order of the values.
    """

    kind: str
    subject: Subject
    precision: str
    width: int
    height: int
    points: tuple[Point, ...]

    @property
    def best(self) -> Point | None:
        """The value with most pixels per second; None where nothing could be measured."""
        eligible = [point for point in self.points if point.eligible]
        return max(eligible, key=lambda point: point.rate, default=None)


def sweep(kind: str, subject: Subject, setup: Setup, size: tuple[int, int] | None = None) -> Sweep:
    """Measure ``subject`` over a range of one setting.

    Args:
        kind: one of `subjects.SWEEPS`.
        subject: the network.
        setup: everything that is not varied.
        size: width and height of the input; None for 256×256 (tiles: 512×512 on a CPU, 2048×2048 else; batch:
            the tile that later runs take).

    Raises:
        UsageError: there is no such kind, or it makes no sense on this device.
    """
    if kind not in SWEEPS:
        raise unknown_value("--sweep", kind, SWEEPS)
    network = subject.build()
    precision = choose(network, setup.device, setup.precision).precision
    if kind == "tile":
        side = IMAGE["cpu" if setup.device.type == "cpu" else "gpu"]
        width, height = size or (side, side)
        points = _tiles(network, setup, precision, (width, height))
        return Sweep(kind, subject, precision, width, height, tuple(points))
    if kind == "size":
        points = [_point(side, _rows(subject, setup, [(side, side)])[0]) for side in SIDES]
        return Sweep(kind, subject, precision, 0, 0, tuple(points))
    width, height = size or _usual_size(kind, network, setup)
    vary = {"batch": _batches, "precision": _precisions, "threads": _threads}[kind]
    points = vary(subject, setup, (width, height))
    return Sweep(kind, subject, "varied" if kind == "precision" else precision, width, height, tuple(points))


def keep(done: Sweep, device: torch.device) -> str:
    """Store the best value where the engine looks for it; return what that means, in a sentence.

    Raises:
        UsageError: the kind is nothing to tune, or nothing could be measured.
    """
    best = done.best
    if best is None or done.kind == "size":
        raise UsageError(
            f"--sweep {done.kind} gives nothing to tune", "sweep tile, batch, precision or threads"
        )
    facts = read_facts(done.subject.build())
    if done.kind == "tile":
        remember_tuned(facts, device, done.precision, tile=int(best.value))
    elif done.kind == "batch":
        remember_tuned(facts, device, done.precision, batch=int(best.value))
    elif done.kind == "threads":
        remember_threads(device, int(best.value))
    else:
        remember_choice(facts, device, Choice(str(best.value), REASON))
    whom = "every network" if done.kind == "threads" else f"networks shaped like {done.subject.name}"
    return f"later runs use {done.kind} {best.value} for {whom} on {device}, unless options say otherwise"


def _usual_size(kind: str, network: Network, setup: Setup) -> tuple[int, int]:
    if kind != "batch":
        return 256, 256
    settings = RunSettings(device=str(setup.device), precision=setup.precision)
    side = prepare(network, settings).tile or 256
    return side, side


def _rows(subject: Subject, setup: Setup, sizes: Sequence[tuple[int, int]]) -> list[Row | RestoreError]:
    return list(Bench(setup).measure(subject, sizes))


def _point(value: int | str, row: Row | RestoreError) -> Point:
    if isinstance(row, RestoreError):
        return Point(value, note=row.message)
    return Point(value, row.seconds, row.megapixels_in)


def _batches(subject: Subject, setup: Setup, size: tuple[int, int]) -> list[Point]:
    batches = [1, 2, 4, 8] if setup.device.type == "cpu" else [1, 2, 4, 8, 16, LARGEST_BATCH]
    points = []
    for batch in batches:
        points.append(_point(batch, _rows(subject, replace(setup, batch=batch), [size])[0]))
        if points[-1].note:  # a larger one will not fit either
            break
    return points


def _threads(subject: Subject, setup: Setup, size: tuple[int, int]) -> list[Point]:
    if setup.device.type != "cpu":
        raise UsageError("--sweep threads is for a CPU", "add --device cpu")
    cores, before = usable_cores(), torch.get_num_threads()
    counts = sorted({1, 2, 4, 8, 16, 32, 64, cores // 2, cores} & set(range(1, cores + 1)))
    try:
        points = []
        for count in counts:
            torch.set_num_threads(count)
            points.append(_point(count, _rows(subject, setup, [size])[0]))
        return points
    finally:
        torch.set_num_threads(before)


def _precisions(subject: Subject, setup: Setup, size: tuple[int, int]) -> list[Point]:
    network = subject.build()
    points = []
    for precision in ("fp32", *candidates(setup.device)):
        try:
            point = _point(precision, _rows(subject, replace(setup, precision=precision), [size])[0])
        except (DeviceError, RuntimeError) as error:
            points.append(Point(precision, note=str(error).splitlines()[0]))
            continue
        decibels = None if precision == "fp32" else _agreement(network, setup.device, precision)
        note = point.note
        if decibels is not None and decibels < RIGHT_PSNR:
            note = f"below {RIGHT_PSNR:g} dB of fp32"
        points.append(replace(point, decibels=decibels, note=note))
    return points


@torch.inference_mode()
def _agreement(network: Network, device: torch.device, precision: str) -> float:
    """Return the PSNR of a small picture in ``precision`` against float32."""
    facts = read_facts(network)
    side = max(64, facts.side_multiple)
    picture = (photo_like(facts.in_channels, side) * facts.value_range).to(device)
    outputs = [
        replica(network, device, name)(picture).float().cpu() / facts.value_range
        for name in ("fp32", precision)
    ]
    return psnr(outputs[1], outputs[0])


def _tiles(network: Network, setup: Setup, precision: str, size: tuple[int, int]) -> list[Point]:
    """Time whole images through the engine, overlaps and blending included."""
    facts = read_facts(network)
    image = sample_input(facts, size, 1) / facts.value_range
    sides = CPU_SIDES if setup.device.type == "cpu" else GPU_SIDES
    return [
        _tile(side, network, image, replace(setup, precision=precision))
        for side in [*(side for side in sorted(sides) if side < max(size)), 0]
    ]


def _tile(side: int, network: Network, image: Tensor, setup: Setup) -> Point:
    settings = RunSettings(
        tile=side,
        precision=setup.precision,
        device=str(setup.device),
        self_ensemble=setup.self_ensemble,
        compile=setup.compiled,
    )
    prepared = prepare(network, settings)
    warnings: list[str] = []
    try:
        times = repeat(
            lambda: warnings.extend(run(prepared, image).warnings),
            setup.device,
            runs=setup.runs,
            warmup=setup.warmup,
            budget=setup.budget,
        )
    except OutOfMemoryError as error:
        return Point(side, note=error.message)
    short = next((text for text in warnings if "memory" in text), "")
    return Point(side, times.seconds, image.shape[-1] * image.shape[-2] / 1e6 / times.median, note=short)
