"""Small photos of one size through a network at once: a GPU is hardly busy with one of them.

Photos advance side by side, each until it waits for a network. Those that wait for the same one, for pictures
of the same size that are a single tile, get their results from one pass. Whatever goes other than usual in it
is done again for each photo alone, so that warnings and errors are those of the photo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as Flag
from typing import TypeVar

import torch
from torch import Tensor

from restorecli.engine.cutting import cut
from restorecli.engine.lane import Lane, Notes, Pending
from restorecli.engine.memory import BATCH_PIXELS, LARGEST_BATCH, SMALL_PIXELS
from restorecli.engine.order import Cancelled
from restorecli.engine.run import RunResult
from restorecli.engine.tiles import Grid
from restorecli.engine.transfer import download, rounds, to_samples
from restorecli.errors import RestoreError
from restorecli.photo import Document
from restorecli.running import Asking, Request
from restorecli.stages import Passed

T = TypeVar("T")

Alone = Callable[[int, Request], RunResult]
"""Runs the network for the photo of an index alone."""


def most_together(document: Document) -> int:
    """Return how many photos such as this one are worth taking together."""
    if len(document.pages) != 1 or document.pages[0].raw is not None or document.pages[0].parts is not None:
        return 1
    pixels = document.pages[0].width * document.pages[0].height
    return 1 if 2 * pixels > SMALL_PIXELS else min(LARGEST_BATCH, BATCH_PIXELS // pixels)


def are_alike(one: Document, other: Document) -> bool:
    """Whether two photos can be taken together: of one page, the same size and channels."""
    if min(most_together(one), most_together(other)) == 1:
        return False
    first, second = one.pages[0], other.pages[0]
    return first.pixels.shape == second.pixels.shape and (first.alpha is None) == (second.alpha is None)


def in_groups(items: Iterable[T], document_of: Callable[[T], Document | None]) -> Iterator[list[T]]:
    """Yield items in their order: alone, or as many as follow each other with photos to be taken together.

    Args:
        items: whatever stands for photos.
        document_of: what was read of an item; None has it go alone.
    """
    group: list[T] = []
    first: Document | None = None
    for item in items:
        document = document_of(item)
        if group and not (first and document and are_alike(first, document)):
            yield group
            group = []
        if not group:
            first = document
        group.append(item)
        if first is None or len(group) >= most_together(first):
            yield group
            group = []
    if group:
        yield group


def taken_together(
    photos: Sequence[Asking[Passed]], alone: Alone, cancelled: Flag
) -> list[Passed | Exception]:
    """Take photos through their stages side by side.

    Args:
        photos: each on its way, see `stages.on_its_way`.
        alone: for what cannot be done for several.
        cancelled: when set, the run stops at the next pass.

    Returns:
        For each photo what became of it, or the error that ended its way.

    Raises:
        Cancelled: ``cancelled`` was set.
    """
    waiting: dict[int, Request] = {}
    ended: dict[int, Passed | Exception] = {}

    def advance(index: int, step: Callable[[], Request]) -> None:
        try:
            waiting[index] = step()
        except StopIteration as end:
            ended[index] = end.value
        except Exception as error:  # noqa: BLE001 - handed to whoever tells of it
            ended[index] = error

    for index, photo in enumerate(photos):
        advance(index, partial(next, photo))
    while waiting:
        if cancelled.is_set():
            raise Cancelled
        indices = _joined(waiting)
        requests = [waiting.pop(index) for index in indices]
        for index, answer in zip(indices, _answers(indices, requests, alone), strict=True):
            photo = photos[index]
            if isinstance(answer, Exception):
                advance(index, partial(photo.throw, answer))
            else:
                advance(index, partial(photo.send, answer))
    return [ended[index] for index in range(len(photos))]


def _joined(waiting: dict[int, Request]) -> list[int]:
    """Return the first photo that waits, and those that the same passes can serve, one on each device."""
    (first, request), *others = waiting.items()
    grid = _grid(request)
    most = request.prepared.batch_of(grid) * len(request.prepared.lanes) if grid.count == 1 else 1
    alike = [first] + [
        index
        for index, other in others
        if other.prepared is request.prepared and other.image.shape == request.image.shape
    ]
    return alike[:most]


def _grid(request: Request) -> Grid:
    added = 2 * request.prepared.facts.border
    height, width = (side + added for side in request.image.shape[-2:])
    return request.prepared.grid(height, width)


def _answers(
    indices: Sequence[int], requests: Sequence[Request], alone: Alone
) -> Iterator[RunResult | Exception]:
    results = _of_shared_passes(requests) if len(requests) > 1 else None
    if results is not None:
        yield from results
        return
    for index, request in zip(indices, requests, strict=True):
        try:
            yield alone(index, request)
        except Exception as error:  # noqa: BLE001 - the photo's own
            yield error


@torch.inference_mode()
def _of_shared_passes(requests: Sequence[Request]) -> list[RunResult] | None:
    """Return the results of one pass a device; None, with nothing delivered, if anything is unusual."""
    began, prepared = time.perf_counter(), requests[0].prepared
    lanes, grid = prepared.lanes, _grid(requests[0])
    images = [request.image for request in requests if isinstance(request.image, Tensor)]
    if len(images) < len(requests) or not all(bool(torch.isfinite(image).all()) for image in images):
        return None
    share = -(-len(requests) // len(lanes))
    parts = [requests[start : start + share] for start in range(0, len(requests), share)]
    # All are launched before one is waited for.
    passes = [_Pass.launched(lane, part, grid) for lane, part in zip(lanes, parts, strict=False)]
    copies: list[tuple[Tensor, Callable[[], None]]] = []
    for each in passes:
        outputs = each.outputs()
        if outputs is None:
            return None
        copies += [_copied(output, request) for output, request in zip(outputs, each.requests, strict=False)]
    shared = (time.perf_counter() - began) / len(requests)
    messages = tuple(message for lane in lanes for message in lane.messages())
    return [
        RunResult(
            _delivered(*copy, request),
            1,
            grid.tile,
            prepared.overlap,
            prepared.precision,
            () if number else messages,
            shared,
        )
        for number, (copy, request) in enumerate(zip(copies, requests, strict=True))
    ]


@dataclass(frozen=True)
class _Pass:
    """Pictures on their way through a device."""

    lane: Lane
    requests: Sequence[Request]
    batch: Tensor
    pending: Pending | None

    @classmethod
    def launched(cls, lane: Lane, requests: Sequence[Request], grid: Grid) -> _Pass:
        """Start a pass of a picture of each request."""
        prepared = requests[0].prepared
        tiles = [cut(request.image, 0, 0, grid.tile, prepared.facts.border) for request in requests]
        batch = torch.cat([*tiles, *tiles[-1:] * (prepared.batch_of(grid) - len(tiles))])
        return cls(lane, requests, batch, lane.launch(batch, prepared.precision, stay=True))

    def outputs(self) -> Tensor | None:
        """Wait for the pass; None where something was not as usual."""
        notes, precision = Notes(), self.requests[0].prepared.precision
        if self.pending is None:
            return None
        try:
            outputs = self.lane.finish(self.batch, self.pending, precision, notes, len(self.requests))
        except RestoreError:
            return None
        return None if notes.redone or notes.smallest is not None else outputs


def _copied(output: Tensor, request: Request) -> tuple[Tensor, Callable[[], None]]:
    """Start copying a picture's output to the host, rounded where the device can do that."""
    facts = request.prepared.facts
    margin = facts.border * facts.scale
    height, width = (side * facts.scale for side in request.image.shape[-2:])
    inner = output[:, margin : margin + height, margin : margin + width]
    if request.peak is not None and rounds(inner.device, request.peak):
        inner = to_samples(inner, request.peak)
    copies, wait = download((inner.contiguous(),))
    return copies[0], wait


def _delivered(copy: Tensor, wait: Callable[[], None], request: Request) -> Tensor:
    """Hand a picture on; return what the result is to hold."""
    wait()
    if request.deliver is None:
        return copy[None]
    if request.peak is not None and copy.is_floating_point():
        copy = to_samples(copy, request.peak)
    request.deliver(0, copy)
    return torch.empty(0)
