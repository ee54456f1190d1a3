"""One image through a prepared network: cut, restored tile by tile on every device, blended in order."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from restorecli.engine.blend import Bands, Canvas, Deliver, inside, rounding
from restorecli.engine.faults import device_lost, is_device_lost, is_out_of_memory
from restorecli.engine.lane import Lane, Notes, Pending, Pixels, cut
from restorecli.engine.prepare import Prepared
from restorecli.engine.strips import Strips
from restorecli.engine.tiles import Box, Grid, first_needed
from restorecli.engine.transfer import rounds
from restorecli.errors import NonFiniteError, OutOfMemoryError

ROWS = 64
"""Rows that are looked at together."""

AHEAD = 3
"""Batches a device may be ahead of the blending: one computing, one waiting, one being blended."""


class Cancelled(KeyboardInterrupt):
    """The caller's event was set; the image is not finished."""


@dataclass(frozen=True)
class RunResult:
    """One image restored.

    Attributes:
        output: 1×C'×sH×sW float32 on the host, 0–1 but not clipped; mapped from a deleted file
            where memory would be short; empty where the rows were delivered.
        tiles: how many tiles it took.
        tile: their height and width in input pixels.
        overlap: pixels neighbours share at least.
        precision: what the image was computed in; single tiles may have been redone in fp32.
        warnings: what did not go as planned, one sentence each.
        seconds: wall-clock time.
    """

    output: Tensor
    tiles: int
    tile: tuple[int, int]
    overlap: int
    precision: str
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Job:
    """What every lane works on: the same image, in numbered batches of ``size`` tiles or less.

    With ``stay`` the outputs are blended on the device.
    """

    image: Tensor | Pixels
    border: int
    grid: Grid
    batches: list[tuple[Box, ...]]
    size: int
    few_shapes: bool
    stay: bool
    precision: str
    notes: Notes
    stop: threading.Event

    def tiles(self, index: int) -> Tensor:
        """Return batch ``index``, B×C×h×w float32 in 0–1; the last tile is repeated to fill it."""
        boxes = self.batches[index]
        tiles = [cut(self.image, box.top, box.left, self.grid.tile, self.border) for box in boxes]
        return torch.cat([*tiles, *tiles[-1:] * (self.padded(len(boxes)) - len(boxes))])

    def padded(self, count: int) -> int:
        """Return the tiles of a pass for ``count``: the next power of two where shapes are to be few."""
        return min(self.size, 1 << (count - 1).bit_length()) if self.few_shapes else count


@torch.no_grad()
def run(
    prepared: Prepared,
    image: Tensor | Pixels,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
    deliver: Deliver | None = None,
    peak: int | None = None,
    done_rows: int = 0,
) -> RunResult:
    """Put one image through a network.

    The output depends on the image and the settings only: not on the order in which devices finish, nor on
    what other images run at the same time.

    Args:
        prepared: the network, see `prepare.prepare`.
        image: 1×C×H×W float32 in 0–1, on the host; or what gives the parts of one that is too large for it.
        progress: called with (tiles done, tiles in all) in the calling thread.
        cancelled: once set, work stops after the tiles under way.
        deliver: gets the output's rows as they are finished, from top to bottom, so that they need not all be
            held in float32.
        peak: where given, ``deliver`` gets the rows clipped and rounded, see `transfer.to_samples`: on the
            device where tiles are put together there.
        done_rows: so many of the output's rows are there already: only what they lack is computed, and
            ``deliver`` may get some of the last of them again, not to be used.

    Raises:
        OutOfMemoryError: the smallest tile does not fit.
        NonFiniteError: the image, or the network's output in float32, has NaN or infinity.
        Cancelled: ``cancelled`` was set.
    """
    started = time.perf_counter()
    # Part by part: for the whole image it would take several copies of it.
    if isinstance(image, Tensor) and not _is_finite(image):
        raise NonFiniteError("the picture has NaN or infinite samples", "repair the file in an image editor")
    prepared.budget()
    facts = prepared.facts
    height, width = (side + 2 * facts.border for side in image.shape[-2:])
    whole = isinstance(image, Tensor)
    grid = prepared.grid(height, width) if whole else prepared.low_grid(height, width)
    first = first_needed(grid.rows, done_rows / facts.scale + facts.border) if done_rows else 0
    boxes = tuple(box for box in grid.boxes if box.row >= first)
    size = prepared.batch_of(grid)
    batches = [boxes[start : start + size] for start in range(0, len(boxes), size)]
    take = None
    if deliver is not None:
        margin, (rows, columns) = facts.border * facts.scale, image.shape[-2:]
        sides = rows * facts.scale, columns * facts.scale
        take = inside(margin, *sides, deliver, samples=peak is not None)
    canvas = _canvas(prepared, grid, take, peak, first)
    job = _Job(
        image,
        facts.border,
        grid,
        batches,
        size,
        prepared.few_shapes,
        isinstance(canvas, Strips),
        prepared.precision,
        Notes(),
        cancelled or threading.Event(),
    )
    done = grid.count - len(boxes)
    with _device_errors(prepared), closing(_in_order(prepared.lanes, job)) as results:
        for index, outputs in results:
            for box, output in zip(batches[index], outputs, strict=False):  # what fills a batch is dropped
                canvas.add(box, output)
                done += 1
                if progress is not None:
                    progress(done, grid.count)
        output = canvas.finish()
    prepared.learn()
    if deliver is None:
        added = facts.border * facts.scale
        output = output[..., added : output.shape[-2] - added, added : output.shape[-1] - added]
    return RunResult(
        output,
        len(boxes),
        grid.tile,
        prepared.overlap,
        job.precision,
        tuple(_warnings(prepared, job)),
        time.perf_counter() - started,
    )


def _is_finite(image: Tensor) -> bool:
    return all(bool(torch.isfinite(rows).all()) for rows in torch.split(image, ROWS, dim=2))


@contextmanager
def _device_errors(prepared: Prepared) -> Iterator[None]:
    """Name what fails on the device between passes, where its lane does not see it.

    Raises:
        DeviceError: the device is gone.
        OutOfMemoryError: there is no room beside the passes.
    """
    try:
        yield
    except RuntimeError as error:
        device = prepared.lanes[0].device
        if is_device_lost(error):
            raise device_lost(device, error) from error
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"the memory of {device} does not suffice", "choose a smaller --tile, or another --device"
            ) from error
        raise


def _canvas(
    prepared: Prepared, grid: Grid, take: Deliver | None, peak: int | None, first: int
) -> Canvas | Bands | Strips:
    """Return where tiles are put together: on a GPU that works alone, if it has the memory."""
    facts, lane = prepared.facts, prepared.lanes[0]
    alone = len(prepared.lanes) == 1 and lane.asynchronous
    if take is not None and peak is not None and not (alone and rounds(lane.device, peak)):
        take, peak = rounding(take, peak), None
    if (
        alone
        and (grid.count > 1 or peak is not None)
        and Strips.suit(grid, facts.out_channels, facts.scale, lane.device)
    ):
        try:
            return Strips(grid, facts.out_channels, facts.scale, lane.device, take, peak, first)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    if take is not None:
        take = take if peak is None else rounding(take, peak)
        return Bands(grid, facts.out_channels, facts.scale, take, first)
    return Canvas(grid, facts.out_channels, facts.scale)


def _warnings(prepared: Prepared, job: _Job) -> Iterator[str]:
    if job.notes.redone:
        count = job.notes.redone
        tiles = "one tile, which was" if count == 1 else f"{count} tiles, which were"
        yield f"{job.precision} gave NaN or infinity on {tiles} redone in fp32"
    for lane in prepared.lanes:
        yield from lane.messages()
    height, width = (side + 2 * job.border for side in job.image.shape[-2:])
    planned = prepared.planned_grid(height, width) if isinstance(job.image, Tensor) else job.grid
    if job.notes.smallest is not None or job.grid.count > planned.count:
        used = job.notes.smallest or min(job.grid.tile)
        yield f"memory does not suffice for tiles of {max(planned.tile)}; tiles of {used} were used"


def _in_order(lanes: tuple[Lane, ...], job: _Job) -> Generator[tuple[int, Tensor], None, None]:
    """Yield (batch number, outputs) in ascending order, whichever lane finishes first."""
    if len(lanes) == 1:
        yield from _work(lanes[0], job, iter(range(len(job.batches))))
        return
    waiting: dict[int, tuple[int, Tensor]] = {}
    with _Workers(lanes, job) as workers:
        for expected in range(len(job.batches)):
            while expected not in waiting:
                index, lane, outputs = workers.next()
                waiting[index] = lane, outputs
            lane, outputs = waiting.pop(expected)
            yield expected, outputs
            workers.permits[lane].release()


def _work(lane: Lane, job: _Job, indices: Iterator[int]) -> Iterator[tuple[int, Tensor]]:
    """Restore batches in turn; on a GPU the next one is launched before the last one is waited for."""
    earlier: tuple[int, Tensor, Pending | None] | None = None
    for index in indices:
        if job.stop.is_set():
            raise Cancelled
        tiles = job.tiles(index)
        launched = index, tiles, lane.launch(tiles, job.precision, stay=job.stay)
        if earlier is not None:
            yield _finish(lane, job, *earlier)
        earlier = launched
        if not lane.asynchronous:
            yield _finish(lane, job, *launched)
            earlier = None
    if earlier is not None:
        yield _finish(lane, job, *earlier)


def _finish(lane: Lane, job: _Job, index: int, tiles: Tensor, pending: Pending | None) -> tuple[int, Tensor]:
    return index, lane.finish(tiles, pending, job.precision, job.notes)


class _Workers:
    """One thread per lane, each taking batches from a list; leaving it waits for all of them."""

    def __init__(self, lanes: tuple[Lane, ...], job: _Job) -> None:
        self.permits = [threading.Semaphore(AHEAD) for _ in lanes]
        self._job = job
        self._left = threading.Event()
        self._results: queue.SimpleQueue[tuple[int, int, Tensor] | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._indices = _shares(lanes, len(job.batches))
        self._threads = [
            threading.Thread(target=self._labour, args=(number, lane), name=f"restore-{lane.device}")
            for number, lane in enumerate(lanes)
        ]

    def __enter__(self) -> _Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        for permit in self.permits:
            permit.release()
        for thread in self._threads:
            thread.join()

    def next(self) -> tuple[int, int, Tensor]:
        """Return (batch number, lane number, outputs) of the batch that is finished next."""
        result = self._results.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _labour(self, number: int, lane: Lane) -> None:
        try:
            with torch.no_grad():
                for index, outputs in _work(lane, self._job, self._take(number)):
                    self._results.put((index, number, outputs))
        except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it
            self._results.put(error)

    def _take(self, number: int) -> Iterator[int]:
        while True:
            self.permits[number].acquire()
            if self._left.is_set():
                return
            with self._lock:
                index = next(self._indices[number], None)
            if index is None:
                return
            yield index


def _shares(lanes: tuple[Lane, ...], count: int) -> list[Iterator[int]]:
    """Return where each lane takes its batch numbers from.

    Devices of one kind share one list, so that a busy one does less. Unlike devices round differently: there
    each has its fixed share, so that the same input gives the same bytes.
    """
    if len({lane.name for lane in lanes}) == 1:
        return [iter(range(count))] * len(lanes)
    return [itertools.islice(range(count), number, None, len(lanes)) for number in range(len(lanes))]
