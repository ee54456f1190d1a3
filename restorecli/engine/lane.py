"""One device with its copies of the network: tiles go in from the host, finite tiles come back to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from restorecli.engine.blend import Canvas
from restorecli.engine.cutting import cut
from restorecli.engine.device import describe
from restorecli.engine.ensemble import self_ensemble
from restorecli.engine.facts import Facts
from restorecli.engine.faults import (
    device_failed,
    device_lost,
    is_device_lost,
    is_out_of_memory,
    may_be_out_of_memory,
)
from restorecli.engine.memory import SMALLEST_TILE, Curve, release
from restorecli.engine.passes.compiling import Compiled
from restorecli.engine.passes.graphs import Graphed
from restorecli.engine.precision import replica
from restorecli.engine.tiles import plan_grid
from restorecli.engine.transfer import ASYNCHRONOUS, download, upload
from restorecli.errors import NonFiniteError, OutOfMemoryError, WeightsError


@dataclass
class Notes:
    """What happened to one image's tiles, gathered from every lane.

    Attributes:
        redone: how many tiles gave NaN or infinity and were redone in float32.
        smallest: the smallest tile side that a shortage of memory led to; None where there was none.
    """

    redone: int = 0
    smallest: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_redone(self) -> None:
        """Note that a tile was redone."""
        with self._lock:
            self.redone += 1

    def add_smaller(self, side: int) -> None:
        """Note that tiles of ``side`` were used for want of memory."""
        with self._lock:
            self.smallest = side if self.smallest is None else min(self.smallest, side)


@dataclass(frozen=True)
class Pending:
    """A batch on its way: B×C'×sH×sW float32 and whether each is finite, valid once ``wait`` returns.

    The outputs may lie on the device, where nobody need wait for them.
    """

    outputs: Tensor
    finite: Tensor
    wait: Callable[[], None]


class Lane:
    """One device's replicas of a network. Safe to call from several threads: passes go one after another.

    Args:
        network: the network; copied, never changed.
        facts: its facts.
        device: where to run.
        transforms: symmetries to average over; None for a single pass.
        overlap: overlap of tiles that are cut smaller for want of memory.
        alignment: their alignment.
        compiled: run the network through `torch.compile`.
    """

    def __init__(
        self,
        network: nn.Module,
        facts: Facts,
        device: torch.device,
        *,
        transforms: tuple[str, ...] | None,
        overlap: int,
        alignment: int,
        compiled: bool = False,
    ) -> None:
        self.device = device
        self.name = describe(device)
        self.curve: Curve | None = None  # how much memory a pass takes, where that was measured
        self.budget: int | None = (
            None  # input pixels a pass may have, by the memory that was free at the start
        )
        self.fitting: int | None = None  # input pixels a pass is held to since a larger one did not fit
        self.has_room = True  # to put tiles together, until that has failed
        self._suspect: int | None = None  # a pass of so many failed in a way that may mean memory
        self._network = network
        self._facts = facts
        self._transforms = transforms
        self._overlap = overlap
        self._alignment = alignment
        self._compile = compiled
        self._fast: dict[str, Compiled | Graphed] = {}
        self._messages: deque[str] = deque()
        self._replicas: dict[str, Callable[[Tensor], Tensor]] = {}
        self._lock = threading.Lock()

    @property
    def asynchronous(self) -> bool:
        """Whether a pass runs while the host does something else."""
        return self.device.type in ASYNCHRONOUS

    @property
    def pixel_limit(self) -> int | None:
        """The input pixels one pass may have; None where no bound is known."""
        known = [limit for limit in (self.budget, self.fitting) if limit is not None]
        return min(known, default=None)

    def restore(self, tiles: Tensor, precision: str, notes: Notes) -> Tensor:
        """Return the network's output for ``tiles`` and wait for it; see `finish`."""
        return self.finish(tiles, self.launch(tiles, precision), precision, notes)

    def launch(self, tiles: Tensor, precision: str, *, stay: bool = False) -> Pending | None:
        """Start a pass.

        Args:
            tiles: B×C×h×w float32 in 0–1, on the host.
            precision: what to compute in.
            stay: leave the outputs on the device.

        Returns:
            The pass under way, or None where memory does not suffice for it.
        """
        count, _, height, width = tiles.shape
        pixels = count * height * width
        if self.pixel_limit is not None and pixels > self.pixel_limit:
            return None
        with self._lock:
            pending = self._attempt(tiles, precision, stay)
            if pending is None and (recorded := self._without_recordings()):
                pending = self._attempt(tiles, precision, stay)
                if pending is not None:
                    for graphed in recorded:
                        graphed.records = False
                    self._messages.append("memory does not suffice for CUDA graphs: the network runs without")
            if pending is None:
                # What is tried next: half of the tiles, or a smaller one.
                next_size = count // 2 * height * width if count > 1 else pixels - 1
                self.fitting = min(next_size, self.fitting or next_size)
        return pending

    def _attempt(self, tiles: Tensor, precision: str, stay: bool) -> Pending | None:
        """Start a pass; None where memory does not suffice, which is free again then."""
        try:
            pending = self._start(tiles, precision, stay)
            self._suspect = None
            return pending
        except (RuntimeError, MemoryError) as error:
            if is_device_lost(error):
                raise device_lost(self.device, error) from error
            pixels = tiles.shape[0] * tiles.shape[2] * tiles.shape[3]
            if may_be_out_of_memory(error) and not self._is_worth_a_smaller_try(pixels):
                raise device_failed(self.device, error) from error
            if not (is_out_of_memory(error) or may_be_out_of_memory(error)):
                raise
        # Outside the except block: the traceback would keep the failed pass's tensors alive.
        release(self.device)
        return None

    def _without_recordings(self) -> list[Graphed]:
        """Let recorded passes go, so that what they hold does not decide on the tiles of a later photo."""
        recorded = [fast for fast in self._fast.values() if isinstance(fast, Graphed) and fast.forget()]
        if recorded:
            release(self.device)
        return recorded

    def _is_worth_a_smaller_try(self, pixels: int) -> bool:
        """Whether memory may be why a pass failed: not where one smaller than a failed one fails too."""
        if self._suspect is not None and pixels < self._suspect:
            return False
        self._suspect = pixels
        return True

    @torch.inference_mode()
    def finish(
        self, tiles: Tensor, pending: Pending | None, precision: str, notes: Notes, count: int | None = None
    ) -> Tensor:
        """Wait for a pass, and repeat what failed.

        Args:
            tiles: what was given to `launch`.
            pending: what `launch` returned; None has the tiles run in smaller parts.
            precision: what was given to `launch`.
            notes: gets what went wrong.
            count: tiles that are wanted; those behind them only fill the batch, and may not be finite.

        Returns:
            B×C'×sh×sw float32, finite, 0–1 but not clipped; on the host, or where it was to stay.

        Raises:
            OutOfMemoryError: the smallest tile does not fit.
            NonFiniteError: a tile is not finite in float32 either.
        """
        if pending is None:
            wanted = tiles[:count]
            if len(wanted) < len(tiles):
                return self.restore(wanted, precision, notes)
            return self._in_parts(tiles, precision, notes)
        try:
            pending.wait()
        except RuntimeError as error:
            if is_device_lost(error):
                raise device_lost(self.device, error) from error
            raise
        for index, good in enumerate(pending.finite.tolist()[:count]):
            if not good:
                pending.outputs[index] = self._exact(tiles[index : index + 1], precision, notes)[0]
        return pending.outputs

    def replica(self, precision: str) -> Callable[[Tensor], Tensor]:
        """Return the copy of the network that computes in ``precision``, made at the first call."""
        if precision not in self._replicas:
            with torch.inference_mode(False):
                self._replicas[precision] = replica(self._network, self.device, precision)
        return self._replicas[precision]

    @torch.inference_mode()
    def _start(self, tiles: Tensor, precision: str, stay: bool) -> Pending:
        network = self._fastest(precision)
        x = upload(tiles, self.device) * self._facts.value_range

        def checked(x: Tensor) -> Tensor:
            return self._of_due_size(x, network(x))

        def passed(x: Tensor) -> Tensor:
            return self_ensemble(checked, x, self._transforms) if self._transforms else checked(x)

        # On a CPU several at once are no faster, and would round otherwise than each by itself.
        raw = (
            torch.cat([passed(tile) for tile in torch.split(x, 1)])
            if self.device.type == "cpu"
            else passed(x)
        )
        outputs = raw.to(torch.float32, memory_format=torch.contiguous_format) / self._facts.value_range
        finite = torch.isfinite(outputs).flatten(1).all(1)
        if stay:
            flags, wait = download((finite,))
            return Pending(outputs, flags[0], wait)
        host, wait = download((outputs, finite))
        return Pending(host[0], host[1], wait)

    def _of_due_size(self, tiles: Tensor, outputs: Tensor) -> Tensor:
        scale, (height, width) = self._facts.scale, tiles.shape[-2:]
        due = (tiles.shape[0], self._facts.out_channels, height * scale, width * scale)
        if outputs.shape != due:
            made, wanted = ("×".join(str(side) for side in shape[1:]) for shape in (outputs.shape, due))
            raise WeightsError(
                f"the network gives {made} (channels, height, width) where {wanted} is due",
                "the weights are of another network or scale than they say: choose others",
            )
        return outputs

    def messages(self) -> Iterator[str]:
        """Yield what compiling or recording had to say since the last call."""
        while self._messages:
            yield self._messages.popleft()

    def _fastest(self, precision: str) -> Callable[[Tensor], Tensor]:
        plain = self.replica(precision)
        if precision not in self._fast:
            if self._compile:
                self._fast[precision] = Compiled(plain, self._messages.append)
            elif self.device.type == "cuda":
                self._fast[precision] = Graphed(plain, self.device, self._messages.append)
            else:
                return plain
        return self._fast[precision]

    def _in_parts(self, tiles: Tensor, precision: str, notes: Notes) -> Tensor:
        if tiles.shape[0] > 1:
            return torch.cat(
                [self.restore(part, precision, notes) for part in torch.split(tiles, tiles.shape[0] // 2)]
            )
        height, width = tiles.shape[-2:]
        side = max(height, width) // 2
        overlap = min(self._overlap, side // 2)
        grid = plan_grid(height, width, side, overlap, self._facts.side_multiple, self._alignment)
        if side < SMALLEST_TILE or grid.count == 1:
            self.fitting = None  # no size is small enough now: that tells nothing of what will fit later
            raise OutOfMemoryError(
                f"a tile of {width}×{height} pixels does not fit in the memory of {self.device}",
                "close other programs, choose another --device, or use --precision fp16 or bf16",
            )
        notes.add_smaller(side)
        canvas = Canvas(grid, self._facts.out_channels, self._facts.scale)
        for box in grid.boxes:
            part = cut(tiles, box.top, box.left, grid.tile)
            canvas.add(box, self.restore(part, precision, notes)[0])
        return canvas.output

    def _exact(self, tile: Tensor, precision: str, notes: Notes) -> Tensor:
        """Redo a tile in float32, whatever the precision: only that is right for every network."""
        if precision == "fp32":
            raise NonFiniteError(
                "the network gives NaN or infinity even in float32",
                "check the weights and the input's values",
            )
        notes.add_redone()
        return self.restore(tile, "fp32", notes)
