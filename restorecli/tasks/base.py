"""What every task offers the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from restorecli.photo import FloatArray, Photo


@dataclass(frozen=True)
class Job:
    """One photo on its way through a network.

    Attributes:
        photo: the photo it came from.
        inputs: what the network is to be run on, each 1×C×H×W float32 in 0–1 on the CPU.
    """

    photo: Photo
    inputs: tuple[Tensor, ...]


class Task(Protocol):
    """A task: pure functions on either side of the network, no state kept between photos."""

    @property
    def suffix(self) -> str:
        """What output names end in, such as "upscale-x4"."""

    def prepare(self, photo: Photo) -> Job:
        """Turn a photo into what the network was trained on."""

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Turn the network's outputs (one per input, 1×C'×sH×sW, not clipped) into the restored photo."""


def to_tensor(pixels: FloatArray) -> Tensor:
    """Turn H×W×C float32 into 1×C×H×W, sharing memory."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def to_pixels(tensor: Tensor) -> FloatArray:
    """Turn 1×C×H×W float32 into H×W×C, sharing memory."""
    pixels: FloatArray = tensor[0].permute(1, 2, 0).numpy()
    return pixels
