"""What every task offers the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo


@dataclass(frozen=True)
class Need:
    """What one photo asks of a task; decided once per photo, never per tile.

    A task may add what its ``prepare`` is to know, so that nothing is computed twice.

    Attributes:
        channels: of the weights that suit it: 1 for gray ones, 3 for colour.
        level: noise sigma on the 0–255 scale, or JPEG quality; None for what was asked for.
        leave: why the photo is best left as it is; empty where it is to be restored.
        degradation: which of the task's weights suit it; "" for those of the usual degradation.
        network: whether one is needed; False for RAW without a mosaic, which is developed by `finish` alone.
        shares: how much of what the network changes is kept, for each time that it is run on what the time
            before gave: (0.5,) is half way, (1.0, 0.5) goes on from the result by half of a second run.
        notes: for the user: what was found and how.
        details: the same for machines, such as ``{"sigma": 12.4, "sigma_source": "estimated"}``.
        weigh: decides how much of the change is kept once it is known how much the network takes out, given
            on the 0–255 scale (see `estimate.taken_out`).
        beside: what other tasks need, by their names, where it had to be found out to decide this.
    """

    channels: int = 3
    level: float | None = None
    leave: str = ""
    notes: tuple[str, ...] = ()
    details: Mapping[str, str | float] = field(default_factory=dict)
    network: bool = True
    shares: tuple[float, ...] = (1.0,)
    degradation: str = ""
    weigh: Callable[[float], Weighed] | None = None
    beside: Mapping[str, Need] = field(default_factory=dict)


@dataclass(frozen=True)
class Weighed:
    """What follows from how much a network takes out of a photo.

    Attributes:
        share: of the change that is kept, 0–1; 0 leaves the photo as it is.
        notes, details: as in `Need`.
        leave: as in `Need`, where the share is 0.
    """

    share: float = 1.0
    notes: tuple[str, ...] = ()
    details: Mapping[str, str | float] = field(default_factory=dict)
    leave: str = ""


@dataclass(frozen=True)
class Job:
    """One photo on its way through a network; a task may add what its ``finish`` wants to know.

    Attributes:
        photo: the photo it came from.
        inputs: what the network is to be run on, each 1×C×H×W float32 in 0–1 on the CPU.
        covers: tasks that are done with this one: later stages that are for them leave the photo alone.
    """

    photo: Photo
    inputs: tuple[Tensor, ...]
    covers: tuple[str, ...] = ()


class Task(Protocol):
    """A task: pure functions on either side of the network, no state kept between photos."""

    @property
    def suffix(self) -> str:
        """What output names end in, such as "upscale-x4"."""

    def examine(self, photo: Photo) -> Need:
        """Look at a photo and say which weights it needs, if any."""

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Turn a photo into what ``network`` was trained on; only the network's facts are used."""

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Turn the network's outputs (one per input, 1×C'×sH×sW, not clipped) into the restored photo."""


@runtime_checkable
class ByRows(Protocol):
    """A task whose results can be finished in bands of rows, so that they need not be held in float32."""

    def row_jobs(self, job: Job) -> tuple[Job, ...]:
        """Return jobs of one input each of which `Task.finish` gives some rows without the others.

        The first gives the photo; where it leaves out the alpha, a second gives that, as a gray photo. Empty
        where the photo is to be finished as a whole.
        """

    def only_clips(self, job: Job) -> bool:
        """Whether such a `Task.finish` only clips an output that has the photo's channels to 0–1."""


@runtime_checkable
class LooksAtWhole(Protocol):
    """A task that needs the whole of a photo for more than to judge it."""

    def examine_parts(self, sample: Photo) -> Need:
        """Say as `Task.examine` does what a photo needs that is restored part by part, by a sample of it."""


def one_of_rows(job: Job) -> tuple[Job, ...]:
    """Return ``job`` for `ByRows.row_jobs` if it has one input."""
    return (job,) if len(job.inputs) == 1 else ()


def partly(before: Photo, after: Photo, share: float) -> Photo:
    """Return ``after`` with ``share`` (0–1) of what it changes in ``before``, a photo of the same size.

    The pixels of ``after`` are used up.
    """
    if share == 1:
        return after
    pixels = after.pixels
    pixels -= before.pixels
    pixels *= np.float32(share)
    pixels += before.pixels
    return replace(after, pixels=pixels)


def to_tensor(pixels: FloatArray) -> Tensor:
    """Turn H×W×C float32 into 1×C×H×W, sharing memory."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def to_pixels(tensor: Tensor) -> FloatArray:
    """Turn 1×C×H×W float32 into H×W×C, sharing memory."""
    pixels: FloatArray = tensor[0].permute(1, 2, 0).numpy()
    return pixels
