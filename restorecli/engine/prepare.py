"""Readying a network once for many images: devices, precision, tile, batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from torch import nn

from restorecli.engine.device import parse_devices
from restorecli.engine.facts import Facts, read_facts
from restorecli.engine.lane import Lane, Notes
from restorecli.engine.memory import (
    MODEST_TILE,
    SMALLEST_TILE,
    Curve,
    affordable_pixels,
    choose_batch,
    choose_tile,
    is_out_of_memory,
    measure_curve,
)
from restorecli.engine.precision import SAFER, choose, exact_arithmetic
from restorecli.engine.settings import RunSettings
from restorecli.engine.tiles import Grid, plan_grid
from restorecli.engine.tuned import REASON, recall_tuned, use_tuned_threads
from restorecli.errors import DeviceError, OutOfMemoryError


class Prepared:
    """A network on its devices, with everything decided that does not depend on the image.

    Holds nothing of any image; several threads may run images through it at once. All it learns on the way
    is that a precision gave NaN, or a tile size did not fit: later images start from there.

    Attributes:
        facts: the network's facts.
        tile: side planned for tiles in input pixels; 0 for the whole image.
        overlap: pixels that neighbouring tiles share at least.
        batch: tiles per forward pass.
        precision: what images start in.
        devices: as `--device` spells them.
        device_names: their names for people, in the same order.
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
    ) -> None:
        self.facts = facts
        self.lanes = tuple(lanes)
        self.tile = tile
        self.overlap = overlap
        self.batch = batch
        self.precision = "fp32"
        self.warnings: tuple[str, ...] = ()
        self.reasons: tuple[str, ...] = ()
        self._alignment = settings.alignment
        self._lock = threading.Lock()

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
        """The devices' names for people."""
        return tuple(lane.name for lane in self.lanes)

    def grid(self, height: int, width: int) -> Grid:
        """Return the tiles of an image of ``height``×``width``: as planned, or as small as memory demands."""
        tile = self.tile
        limits = [lane.pixel_limit for lane in self.lanes if lane.pixel_limit is not None]
        if limits:
            tile = tile or max(height, width)
            while min(tile, height) * min(tile, width) > min(limits) and tile // 2 >= SMALLEST_TILE:
                tile //= 2
        overlap = min(self.overlap, tile // 2) if tile != self.tile else self.overlap
        return plan_grid(height, width, tile, overlap, self.facts.side_multiple, self._alignment)

    def planned_grid(self, height: int, width: int) -> Grid:
        """Return the tiles of an image of ``height``×``width`` where memory is no matter."""
        multiple = self.facts.side_multiple
        return plan_grid(height, width, self.tile, self.overlap, multiple, self._alignment)

    def tile_count(self, height: int, width: int) -> int:
        """Return how many tiles an image of ``height``×``width`` takes."""
        added = 2 * self.facts.border
        return self.grid(height + added, width + added).count

    def budget(self) -> None:
        """Set the CPU lanes' limits by the memory that is free now."""
        for lane in self.lanes:
            if lane.curve is not None:
                lane.budget = affordable_pixels(lane.curve, lane.device)

    def learn(self, notes: Notes) -> None:
        """Start later images in the precision that the last one needed."""
        with self._lock:
            while self.precision in notes.redone and SAFER[self.precision]:
                self.precision = SAFER[self.precision][0]


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
    choices = {str(device): choose(network, device, settings.precision) for device in devices}
    # Tiles of one picture in different precisions could show: all devices take the most exact choice.
    chosen = min(choices.values(), key=lambda choice: len(SAFER[choice.precision]))
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
    for lane in lanes:
        _load(lane, chosen.precision)
    plans = {str(lane.device): _plan(lane, facts, settings, chosen.precision) for lane in lanes}
    for lane in lanes:
        lane.curve = plans[str(lane.device)][2]
    tile, batch, _, reason = min(plans.values(), key=lambda plan: plan[:2])
    if tile and overlap > tile // 2:
        if settings.overlap is not None:
            warnings.append(f"tiles of {tile} overlap by {tile // 2}, half their side, not by {overlap}")
        overlap = tile // 2
    prepared = Prepared(facts, lanes, settings, tile=tile, overlap=overlap, batch=batch)
    prepared.precision = chosen.precision
    prepared.warnings = tuple(dict.fromkeys([*warnings, *(w for c in choices.values() for w in c.warnings)]))
    prepared.reasons = (f"precision {chosen.precision}: {chosen.reason}", f"tile {tile or 'whole'}: {reason}")
    return prepared


def _load(lane: Lane, precision: str) -> None:
    """Bring the network to the lane's device.

    Raises:
        OutOfMemoryError: the weights alone do not fit.
        DeviceError: the device cannot compute in ``precision``.
    """
    try:
        lane.replica(precision)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"the network itself does not fit in the memory of {lane.device}", "use another --device"
            ) from error
        raise DeviceError(
            f"{lane.device} cannot run this network in {precision}: {str(error).splitlines()[0]}",
            "use --precision fp32, or another --device",
        ) from error


def _needs_no_measure(tile: int, batch: int | None, lane: Lane) -> bool:
    if lane.device.type == "cpu":
        return 0 < tile**2 * (batch or 1) <= MODEST_TILE**2
    return batch is not None or tile == 0  # a GPU tells when its memory is short


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
        tile, reason = 0, "the network is not made for tiles; memory may demand them all the same"
    if tile is None:
        tile, reason = choose_tile(curve, facts, lane.device)
    batch = settings.batch or tuned.batch or choose_batch(curve, tile, lane.device)
    return tile, batch, curve, reason
