"""One image through a prepared network: cut, restored tile by tile on every device, blended in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorecli.engine.blend import Bands, Canvas, Deliver, from_row, inside, rounding
from restorecli.engine.cutting import Pixels
from restorecli.engine.faults import device_lost, is_device_lost, is_out_of_memory
from restorecli.engine.lane import Lane, Notes
from restorecli.engine.memory import release
from restorecli.engine.order import Job, in_order
from restorecli.engine.prepare import Prepared
from restorecli.engine.strips import Strips
from restorecli.engine.tiles import Grid, first_needed
from restorecli.engine.transfer import rounds
from restorecli.errors import NonFiniteError, OutOfMemoryError

ROWS = 64
"""Rows that are looked at together."""


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
    take = None
    if deliver is not None:
        margin, (rows, columns) = facts.border * facts.scale, image.shape[-2:]
        sides = rows * facts.scale, columns * facts.scale
        take = inside(margin, *sides, deliver, samples=peak is not None)
    job = _job(prepared, image, grid, first, cancelled or threading.Event())
    tiles = sum(map(len, job.batches))
    with _device_errors(prepared):
        output = _restored(prepared, job, first, take, peak, progress)
    prepared.learn()
    if deliver is None:
        added = facts.border * facts.scale
        output = output[..., added : output.shape[-2] - added, added : output.shape[-1] - added]
    return RunResult(
        output,
        tiles,
        grid.tile,
        prepared.overlap,
        job.precision,
        tuple(_warnings(prepared, job)),
        time.perf_counter() - started,
    )


def _job(prepared: Prepared, image: Tensor | Pixels, grid: Grid, first: int, stop: threading.Event) -> Job:
    """Return what is to be done from the row of tiles ``first`` on."""
    boxes, size = grid.boxes, prepared.batch_of(grid)
    batches, sizes = [], []
    for start in range(0, len(boxes), size):  # as from the start: how a tile rounds depends on its pass
        batch = boxes[start : start + size]
        wanted = tuple(box for box in batch if box.row >= first)
        if wanted:
            batches.append(wanted)
            sizes.append(prepared.pass_of(grid, len(batch)) if prepared.few_shapes else len(wanted))
    return Job(image, prepared.facts.border, grid, batches, sizes, prepared.precision, Notes(), stop)


def _restored(
    prepared: Prepared,
    job: Job,
    first: int,
    take: Deliver | None,
    peak: int | None,
    progress: Callable[[int, int], None] | None,
) -> Tensor:
    """Return the output; a device without room to put tiles together leaves that to the host from then on."""
    lane, scale, grid = prepared.lanes[0], prepared.facts.scale, job.grid
    canvas = _canvas(prepared, grid, take, peak, first)
    if isinstance(canvas, Strips):
        output = _put_together(prepared.lanes, replace(job, stay=True), canvas, progress)
        if output is not None:
            return output
        lane.has_room = False
        if take is not None:
            take = from_row(canvas.delivered, take, samples=peak is not None)
            first = max(first, first_needed(grid.rows, canvas.delivered / scale))
        job = replace(_job(prepared, job.image, grid, first, job.stop), notes=job.notes)
        canvas = _canvas(prepared, grid, take, peak, first)
        release(lane.device)
    output = _put_together(prepared.lanes, job, canvas, progress)
    assert output is not None
    return output


def _put_together(
    lanes: tuple[Lane, ...],
    job: Job,
    canvas: Canvas | Bands | Strips,
    progress: Callable[[int, int], None] | None,
) -> Tensor | None:
    """Return what all tiles give; None where memory ran out on the device that puts them together."""
    done = job.grid.count - sum(map(len, job.batches))
    try:
        with closing(in_order(lanes, job)) as results:
            for index, outputs in results:
                # Not strict: behind the tiles there may be what fills the batch.
                for box, output in zip(job.batches[index], outputs, strict=False):
                    canvas.add(box, output)
                    done += 1
                    if progress is not None:
                        progress(done, job.grid.count)
            return canvas.finish()
    except RuntimeError as error:
        if not (job.stay and is_out_of_memory(error)):
            raise
    return None


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
    rounds_right = peak is None or rounds(lane.device, peak)
    if (
        len(prepared.lanes) == 1
        and lane.asynchronous
        and lane.has_room
        and (grid.count > 1 or (peak is not None and rounds_right))
        and Strips.suit(grid, facts.out_channels, facts.scale, lane.device)
    ):
        deliver, white = take, peak
        if take is not None and peak is not None and not rounds_right:
            deliver, white = rounding(take, peak), None
        try:
            return Strips(grid, facts.out_channels, facts.scale, lane.device, deliver, white, first)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    if take is not None:
        return Bands(grid, facts.out_channels, facts.scale, take, first, peak)
    return Canvas(grid, facts.out_channels, facts.scale)


def _warnings(prepared: Prepared, job: Job) -> Iterator[str]:
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
