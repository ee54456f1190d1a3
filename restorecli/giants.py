"""A photo that is too large to be held, at a network: judged by a sample, restored row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from restorecli.errors import UnsupportedError
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.rows import MakeRounding, RowsOfResult, row_jobs, sides_of_result
from restorecli.tasks.base import Job, LooksAtWhole, Need, Task

HELP = "restore a copy cut into parts, or use a machine with more memory"
_CORNER = 16


def examined(task: Task, photo: Photo) -> Need:
    """Return what ``photo`` asks of ``task``; by a sample where it is not held."""
    if photo.parts is None:
        return task.examine(photo)
    sample = replace(photo, pixels=photo.parts.sample(), parts=None)
    need = task.examine_parts(sample) if isinstance(task, LooksAtWhole) else task.examine(sample)
    return replace(need, notes=(*need.notes, "judged by a sample: it is too large to be held"))


@dataclass(frozen=True)
class Seen:
    """A photo's parts as a network is to see them, see `engine.lane.Pixels`."""

    photo: Photo
    task: Task
    need: Need
    network: Network

    @property
    def shape(self) -> tuple[int, ...]:
        """1, channels, height and width."""
        return 1, self.network.in_channels, self.photo.height, self.photo.width

    def part(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """Return 1×C×h×w float32."""
        return _prepared(self.task, self.photo, self.need, self.network, (top, bottom, left, right)).inputs[0]


def _prepared(
    task: Task, photo: Photo, need: Need, network: Network, place: tuple[int, int, int, int]
) -> Job:
    assert photo.parts is not None
    return task.prepare(replace(photo, pixels=photo.parts.pixels(*place), parts=None), need, network)


def rows_of_result(
    task: Task, photo: Photo, need: Need, share: float, network: Network, make: MakeRounding | None
) -> RowsOfResult:
    """Return what takes the rows of the result of ``photo``, which is not held.

    Raises:
        UnsupportedError: the task, the weights or the result's format take photos as a whole.
    """
    side = min(_CORNER, photo.height), min(_CORNER, photo.width)
    corner = _prepared(task, photo, need, network, (0, side[0], 0, side[1]))
    if len(corner.inputs) != 1 or corner.inputs[0].shape[-2:] != side:
        raise UnsupportedError("a photo of this size cannot be restored by these weights", HELP)
    job = replace(corner, photo=photo, inputs=())
    possible = make is not None and row_jobs(task, replace(corner, photo=photo))
    rounding = make(photo, *sides_of_result(job, network)) if make is not None and possible else None
    if rounding is None:
        raise UnsupportedError("a photo of this size cannot be restored row by row to this format", HELP)
    return RowsOfResult(task, job, share, rounding, network)


def letting_go(photo: Photo, rows: RowsOfResult, scale: int) -> Callable[[int, Tensor], None]:
    """Return what hands rows to ``rows`` and lets go of those of ``photo`` that they came from."""

    def take(top: int, band: Tensor) -> None:
        rows.take(top, band)
        if photo.parts is not None:
            photo.parts.release(rows.taken // scale)

    return take
