"""The rows of a result on their way from the engine to the samples of its file, a band at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import ByRows, Job, Task, partly


class Rounding(Protocol):
    """Takes a result's rows and keeps them as the samples of a file; `photos.rounding` is one.

    Attributes:
        done_rows: rows that are there already, from a run that was stopped: they are not taken again.
    """

    done_rows: int

    def put(self, top: int, rows: Photo) -> None:
        """Take a band whose first row is ``top``."""

    def put_alpha(self, top: int, alpha: FloatArray) -> None:
        """Take the alpha, rows×W, of a band that was put without."""

    def peak(self, like: Photo) -> int | None:
        """Return the number of white where samples can be taken for a photo such as ``like``, else None."""

    def put_samples(self, top: int, samples: NDArray[Any]) -> None:
        """Take a band, rows×W×C, that is rounded already."""

    def give_up(self) -> None:
        """The result is not finished: let go of what another run may go on with."""

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """Return the whole result, with the metadata of ``like``."""


FINISHED_AT_ONCE = 16
"""Rows: finishing takes several copies of them."""

MakeRounding = Callable[[Photo, int, int], Rounding | None]
"""From a photo and its result's height and width to what takes the result's rows; None if nothing can."""


def row_jobs(task: Task, job: Job) -> tuple[Job, ...]:
    """Return what the result of ``job`` can be finished from row by row, see `ByRows`; empty if it cannot."""
    return task.row_jobs(job) if isinstance(task, ByRows) else ()


def sides_of_result(job: Job, network: Network) -> tuple[int, int]:
    """Return height and width of what ``network`` makes of a job's input."""
    height, width = job.inputs[0].shape[-2:] if job.inputs else (job.photo.height, job.photo.width)
    return height * network.scale, width * network.scale


class RowsOfResult:
    """Finishes a photo band by band as the engine delivers its rows, and has each rounded.

    Args:
        task: whose result it is.
        job: what the network was given, one of `row_jobs`.
        share: of what the network changes that is kept, see `Need.shares`.
        rounding: takes the finished rows.
        network: whose output it is; for its facts.
        alpha: they are not colours, but alpha.

    Attributes:
        peak: where the network's output is the result, the number of white of its file: rows are then to come
            as samples, which the engine can make on the device.
        done_rows: see `Rounding`.
    """

    def __init__(
        self,
        task: Task,
        job: Job,
        share: float,
        rounding: Rounding,
        network: Network,
        *,
        alpha: bool = False,
    ) -> None:
        self._task, self._job, self._share, self._alpha = task, job, share, alpha
        self._scale = sides_of_result(job, network)[0] // job.photo.height
        self._rounding = rounding
        self._warnings: dict[str, None] = {}
        self.peak = self._rounding.peak(job.photo) if self._is_the_result(network) else None
        self._waiting: Tensor | None = None
        self.done_rows = self._top = self._rounding.done_rows

    def _is_the_result(self, network: Network) -> bool:
        photo = self._job.photo
        alike = self._share == 1 and network.out_channels == photo.pixels.shape[2]
        plain = alike and photo.alpha is None and not self._alpha
        return plain and isinstance(self._task, ByRows) and self._task.only_clips(self._job)

    def take(self, top: int, rows: Tensor) -> None:
        """Finish rows that come from top to bottom: C×rows×W float32, or rows×W×C samples with a `peak`.

        What is no whole row of the photo waits.
        """
        axis = 1 if self.peak is None else 0
        if top < self.done_rows:
            known = min(self.done_rows - top, rows.shape[axis])
            top, rows = top + known, rows.narrow(axis, known, rows.shape[axis] - known)
            if not rows.shape[axis]:
                return
        if self.peak is not None:
            self._rounding.put_samples(top, rows.numpy())
            self._top = top + rows.shape[0]
            return
        rows = rows if self._waiting is None else torch.cat([self._waiting, rows], dim=1)
        usable = rows.shape[1] // self._scale * self._scale
        self._waiting = rows[:, usable:].clone() if usable < rows.shape[1] else None
        step = FINISHED_AT_ONCE * self._scale
        for start in range(0, usable, step):
            part = rows[None, :, start : min(usable, start + step)]
            self._finish(part)
            self._top += part.shape[2]

    @property
    def taken(self) -> int:
        """The rows of the result that are finished."""
        return self._top

    def _finish(self, output: Tensor) -> None:
        photo, first = self._job.photo, self._top // self._scale
        end = first + output.shape[2] // self._scale
        pixels = photo.pixels[first:end] if photo.parts is None else photo.parts.pixels(first, end)
        alpha = None if photo.alpha is None else photo.alpha[first:end]
        band = replace(photo, pixels=pixels, alpha=alpha, parts=None)
        finished = self._task.finish(replace(self._job, photo=band, inputs=()), [output])
        finished = partly(band, finished, self._share)
        self._warnings |= dict.fromkeys(finished.warnings)
        if self._alpha:
            self._rounding.put_alpha(self._top, finished.pixels[:, :, 0])
        else:
            self._rounding.put(self._top, finished)

    def give_up(self) -> None:
        """See `Rounding.give_up`."""
        self._rounding.give_up()

    def photo(self) -> Photo:
        """Return the whole result."""
        warnings = self._warnings if self.peak is None else self._job.photo.warnings
        return self._rounding.photo(self._job.photo, tuple(warnings))
