"""Batches of one image's tiles on every device at once, and back in their order."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from restorecli.engine.cutting import Pixels, cut
from restorecli.engine.lane import Lane, Notes, Pending
from restorecli.engine.tiles import Box, Grid

AHEAD = 3
"""Batches a device may be ahead of the blending: one computing, one waiting, one being blended."""


class Cancelled(KeyboardInterrupt):
    """The caller's event was set; the image is not finished."""


@dataclass(frozen=True)
class Job:
    """What every lane works on: the same image, in numbered batches.

    Attributes:
        batches: the tiles of each.
        sizes: how many tiles the pass of each takes: what is missing is filled up.
        stay: whether outputs are blended on the device.
    """

    image: Tensor | Pixels
    border: int
    grid: Grid
    batches: list[tuple[Box, ...]]
    sizes: list[int]
    precision: str
    notes: Notes
    stop: threading.Event
    stay: bool = False

    def tiles(self, index: int) -> Tensor:
        """Return batch ``index``, B×C×h×w float32 in 0–1; the last tile is repeated to fill it."""
        boxes = self.batches[index]
        tiles = [cut(self.image, box.top, box.left, self.grid.tile, self.border) for box in boxes]
        return torch.cat([*tiles, *tiles[-1:] * (self.sizes[index] - len(boxes))])


def in_order(lanes: tuple[Lane, ...], job: Job) -> Generator[tuple[int, Tensor], None, None]:
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


def _work(lane: Lane, job: Job, indices: Iterator[int]) -> Iterator[tuple[int, Tensor]]:
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


def _finish(lane: Lane, job: Job, index: int, tiles: Tensor, pending: Pending | None) -> tuple[int, Tensor]:
    return index, lane.finish(tiles, pending, job.precision, job.notes, len(job.batches[index]))


class _Workers:
    """One thread per lane, each taking batches from a list; leaving it waits for all of them."""

    def __init__(self, lanes: tuple[Lane, ...], job: Job) -> None:
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
