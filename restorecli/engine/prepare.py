"""Readying a network once for many images: devices, precision, tile, batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from restorecli.engine.device import describe, parse_devices
from restorecli.engine.facts import Facts, read_facts
from restorecli.engine.faults import device_lost, is_device_lost, is_out_of_memory, may_be_out_of_memory
from restorecli.engine.lane import Lane
from restorecli.engine.memory import (
    LARGEST_BATCH,
    MODEST_TILE,
    SMALL_PIXELS,
    SMALLEST_TILE,
    Curve,
    affordable_pixels,
    choose_batch,
    choose_tile,
    measure_curve,
)
from restorecli.engine.precision import Choice, choose, exact_arithmetic
from restorecli.engine.settings import RunSettings
from restorecli.engine.tiles import Grid, Pace, plan_cheapest, plan_grid
from restorecli.engine.tuned import (
    REASON,
    recall_batch,
    recall_tuned,
    remember_batch,
    use_tuned_threads,
)
from restorecli.errors import DeviceError, OutOfMemoryError, first_line

LOW = 256  # rows of the tiles of pictures that are not held
FINE_STEP, COARSE_STEP, COARSE_FROM = 32, 64, 256
"""On GPUs a tile's side is a multiple of the first up to the third, beyond it of the second."""


class Prepared:
    """A network on its devices, with everything decided that does not depend on the image.

    Holds nothing of any image; several threads may run images through it at once. All it learns on the way
    is how much fits in a device's memory: later images start from there.

    Attributes:
        facts: the network's facts.
        tile: side planned for tiles in input pixels; 0 for the whole image. With a ``pace``, tiles of any
            shape have as many pixels as such a square or fewer.
        pace: by which tiles are planned; None for tiles as large as may be.
        overlap: pixels that neighbouring tiles share at least.
        batch: tiles per forward pass.
        precision: what images are computed in.
        devices: as `--device` spells them.
        device_names: their names for people, each once, with how many there are.
        few_shapes: whether tiles of images of many sizes are to have few sizes, since each new one costs a
            GPU a choice of kernels, a compilation or the recording of a graph.
        shares_passes: whether several small pictures at once are quicker: on GPUs of one kind.
        warnings: what the user should know, one sentence each.
        reasons: why this precision and this tile.
    """

    def __init__(
        self,
        facts: Facts,
        lanes: Sequence[Lane],
        settings: RunSettings,
        *,
        tile: int,
        overlap: int,
        batch: int,
        pace: Pace | None = None,
    ) -> None:
        self.facts = facts
        self.lanes = tuple(lanes)
        self.tile = tile
        self.pace = pace
        self.overlap = overlap
        self.batch = batch
        self.precision = "fp32"
        self.warnings: tuple[str, ...] = ()
        self.reasons: tuple[str, ...] = ()
        self.few_shapes = any(lane.device.type != "cpu" for lane in lanes)
        alike = len({lane.name for lane in lanes}) == 1
        self.shares_passes = alike and all(lane.asynchronous for lane in lanes)
        self._asked_batch = settings.batch
        self._alignment = settings.alignment

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, as `--device` spells them."""
        return tuple(str(lane.device) for lane in self.lanes)

    @property
    def curve(self) -> Curve | None:
        """How much memory the first device needs, where that was measured."""
        return self.lanes[0].curve

    @property
    def device_names(self) -> tuple[str, ...]:
        """The devices' names for people, each once: "2 × NVIDIA H100"."""
        counts = Counter(lane.name for lane in self.lanes)
        return tuple(name if count == 1 else f"{count} × {name}" for name, count in counts.items())

    def grid(self, height: int, width: int) -> Grid:
        """Return the tiles of an image of ``height``×``width``: as planned, or as small as memory demands."""
        tile = self.tile
        limits = [lane.pixel_limit for lane in self.lanes if lane.pixel_limit is not None]
        if self.pace is not None:
            return self._cheapest(height, width, self.pace, min([*limits, tile**2]))
        if limits:
            tile = tile or max(height, width)
            while min(tile, height) * min(tile, width) > min(limits) and tile // 2 >= SMALLEST_TILE:
                tile //= 2
        overlap = min(self.overlap, tile // 2) if tile != self.tile else self.overlap
        return self._plan(height, width, tile, overlap)

    def planned_grid(self, height: int, width: int) -> Grid:
        """Return the tiles of an image of ``height``×``width`` where memory is no matter."""
        if self.pace is not None:
            return self._cheapest(height, width, self.pace, self.tile**2)
        return self._plan(height, width, self.tile, self.overlap)

    def low_grid(self, height: int, width: int) -> Grid:
        """Return the tiles of an image that is not held: none is higher than `LOW`, as a row of them is."""
        if self.pace is not None:
            return self._cheapest(height, width, self.pace, self.tile**2, LOW)
        return self._plan(height, width, min(self.tile or LOW, LOW), min(self.overlap, LOW // 2))

    def _cheapest(self, height: int, width: int, pace: Pace, most: int, tallest: int = 0) -> Grid:
        multiple = self.facts.side_multiple
        most = max(most, SMALLEST_TILE**2)
        return plan_cheapest(height, width, most, self.overlap, pace, multiple, self._alignment, tallest)

    def _plan(self, height: int, width: int, tile: int, overlap: int) -> Grid:
        rounding = 1
        if self.few_shapes:
            rounding = FINE_STEP if tile <= COARSE_FROM else COARSE_STEP
        multiple = self.facts.side_multiple
        return plan_grid(height, width, tile, overlap, multiple, self._alignment, rounding)

    def batch_of(self, grid: Grid) -> int:
        """Return the most tiles of ``grid`` per pass: as planned, or as few as memory demands.

        For a single tile, of how many pictures of its size: then a picture rounds the same whether others go
        with it or not, as filling up a pass makes no difference and its size does.
        """
        pixels = grid.tile[0] * grid.tile[1]
        planned = self.batch if grid.count > 1 else self._pictures(pixels)
        limits = [lane.pixel_limit for lane in self.lanes if lane.pixel_limit is not None]
        return max(1, min([planned, *(limit // pixels for limit in limits)]))

    def _pictures(self, pixels: int) -> int:
        """Return how many pictures of ``pixels`` in one tile share a pass."""
        if not self.shares_passes or self._asked_batch == 1 or self.facts.tile_limit is not None:
            return 1
        asked = (self._asked_batch or 0) * self.tile**2
        return min(LARGEST_BATCH, min(SMALL_PIXELS, asked or SMALL_PIXELS) // pixels)

    def pass_of(self, grid: Grid, count: int) -> int:
        """Return the tiles that a pass for ``count`` of ``grid`` takes, so that passes have few shapes."""
        size = self.batch_of(grid)
        return size if grid.count == 1 else min(size, 1 << (count - 1).bit_length())

    def tile_count(self, height: int, width: int) -> int:
        """Return how many tiles an image of ``height``×``width`` takes."""
        added = 2 * self.facts.border
        return self.grid(height + added, width + added).count

    def budget(self) -> None:
        """Set the CPU lanes' limits by the memory that is free now."""
        for lane in self.lanes:
            if lane.curve is not None:
                lane.budget = affordable_pixels(lane.curve, lane.device)

    def learn(self) -> None:
        """Keep the batch that fitted, for this run and for later ones with the same tile."""
        for lane in self.lanes:
            if self.tile and lane.fitting is not None:
                fitting = max(1, lane.fitting // self.tile**2)
                if fitting < self.batch:
                    remember_batch(self.facts, lane.device, self.precision, self.tile, fitting)
                    self.batch = fitting


def prepare(network: nn.Module, settings: RunSettings) -> Prepared:
    """Ready ``network`` for images. What has to be measured is measured now, once per machine.

    Args:
        network: in float32; copied to each device and never changed.
        settings: how to run it.

    Raises:
        DeviceError: a device is missing or cannot run the network in the precision asked for.
        OutOfMemoryError: the weights alone do not fit.
    """
    facts = read_facts(network)
    devices, warnings = parse_devices(settings.device)
    if any(device.type == "cuda" for device in devices):
        exact_arithmetic()
    use_tuned_threads(devices)
    unlike = {describe(device): str(device) for device in devices}
    if len(unlike) > 1:
        names = ", ".join(f"{device} is {name}" for name, device in unlike.items())
        warnings.append(f"unlike devices ({names}) take as many tiles each, so the slowest sets the pace")
    choices = {}
    for device in devices:
        with _device_errors(device, settings.precision):
            choices[str(device)] = choose(network, device, settings.precision)
    chosen = _common(list(choices.values()))
    overlap = facts.tile_overlap if settings.overlap is None else settings.overlap
    lanes = [
        Lane(
            network,
            facts,
            device,
            transforms=settings.transforms if settings.self_ensemble else None,
            overlap=overlap,
            alignment=settings.alignment,
            compiled=settings.compile,
        )
        for device in devices
    ]
    plans = {}
    for lane in lanes:
        with _device_errors(lane.device, chosen.precision):
            lane.replica(chosen.precision)
            plans[str(lane.device)] = _plan(lane, facts, settings, chosen.precision)
    for lane in lanes:
        lane.curve = plans[str(lane.device)][2]
    tile, batch, _, reason = min(plans.values(), key=lambda plan: plan[:2])
    pace = _pace(settings, devices, chosen.precision) if tile and reason != REASON else None
    if tile and overlap > tile // 2:
        if settings.overlap is not None:
            warnings.append(f"tiles of {tile} overlap by {tile // 2}, half their side, not by {overlap}")
        overlap = tile // 2
    prepared = Prepared(facts, lanes, settings, tile=tile, overlap=overlap, batch=batch, pace=pace)
    prepared.precision = chosen.precision
    prepared.warnings = tuple(dict.fromkeys([*warnings, *(w for c in choices.values() for w in c.warnings)]))
    prepared.reasons = (f"precision {chosen.precision}: {chosen.reason}", f"tile {tile or 'whole'}: {reason}")
    return prepared


def _pace(settings: RunSettings, devices: Sequence[torch.device], precision: str) -> Pace | None:
    """Return the network's pace where all devices are CPUs and it is known for ``precision``."""
    on_cpus = all(device.type == "cpu" for device in devices)
    return settings.paces.get(precision) if on_cpus and settings.tile is None else None


def _common(choices: Sequence[Choice]) -> Choice:
    """Return the choice for all devices: tiles of one picture in different precisions could show."""
    if len({choice.precision for choice in choices}) == 1:
        return choices[0]
    wanted = " and ".join(dict.fromkeys(choice.precision for choice in choices))
    return Choice("fp32", f"the devices would take {wanted}")


@contextmanager
def _device_errors(device: torch.device, precision: str) -> Iterator[None]:
    """Name what goes wrong while the network is brought to ``device`` and measured there.

    Raises:
        OutOfMemoryError: the weights, or the smallest pass, do not fit.
        DeviceError: the device is gone, or cannot compute in ``precision``.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if is_device_lost(error):
            raise device_lost(device, error) from error
        if is_out_of_memory(error) or may_be_out_of_memory(error):
            raise OutOfMemoryError(
                f"the network itself does not fit in the memory of {device}", "use another --device"
            ) from error
        raise DeviceError(
            f"{device} cannot run this network in {precision}: {first_line(error)}",
            "use --precision fp32, or another --device",
        ) from error


def _needs_no_measure(tile: int, batch: int | None, lane: Lane) -> bool:
    if lane.device.type == "cpu":
        return 0 < tile**2 * (batch or 1) <= MODEST_TILE**2
    return batch is not None or tile == 0  # a GPU raises an error when its memory is short


def _plan(
    lane: Lane, facts: Facts, settings: RunSettings, precision: str
) -> tuple[int, int, Curve | None, str]:
    """Return tile, batch, memory curve (None where nothing depends on it) and the reason for the tile."""
    if settings.tile is not None and _needs_no_measure(settings.tile, settings.batch, lane):
        return settings.tile, settings.batch or 1, None, "asked for"
    curve = measure_curve(lane.replica(precision), facts, lane.device, precision)
    tile, reason = settings.tile, "asked for"
    tuned = recall_tuned(facts, lane.device, precision)
    if tile is None and tuned.tile is not None:
        tile, reason = tuned.tile, REASON
    if tile is None and facts.prefers_whole:
        tile, reason = 0, "the network is not made for tiles; they may still be needed for memory"
    if tile is None:
        pace = _pace(settings, [lane.device], precision)
        tile, reason = choose_tile(curve, facts, lane.device, pace)
    batch = settings.batch or tuned.batch or choose_batch(curve, tile, lane.device)
    if settings.batch is None:
        batch = min(batch, recall_batch(facts, lane.device, precision, tile) or batch)
    return tile, batch, curve, reason
