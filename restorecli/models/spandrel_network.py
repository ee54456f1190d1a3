"""Checkpoints of other networks, run through the optional spandrel package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from restorecli.errors import CheckpointError, WeightsError
from restorecli.models.convert import read_checkpoint
from restorecli.models.resolve import SPANDREL
from restorecli.networks.network import Network


class SpandrelNetwork(Network):
    """Any single-image network that spandrel recognises, as one of ours.

    Sides are padded by repeating the edge to what the network wants and cropped after; value range 0–1.

    Args:
        descriptor: spandrel's `ImageModelDescriptor`.

    Attributes:
        architecture: the network's name in spandrel.
        supports_half: whether spandrel knows it to be right in float16.
        supports_bfloat16: the same for bfloat16.
        tiling: "supported", "discouraged" or "internal" (it tiles by itself).
    """

    value_range: ClassVar[float] = 1.0

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model
        self._call = descriptor.call_fn if hasattr(descriptor, "call_fn") else None
        self._descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        self.scale = int(descriptor.scale)
        self.in_channels = int(descriptor.input_channels)
        self.out_channels = int(descriptor.output_channels)
        self.supports_half = bool(descriptor.supports_half)
        self.supports_bfloat16 = bool(descriptor.supports_bfloat16)
        self.tiling = str(descriptor.tiling.name).lower()
        needs = descriptor.size_requirements
        self._minimum = int(needs.minimum or 1)
        self._multiple = int(needs.multiple_of or 1)
        self._square = bool(needs.square)
        self.tile_overlap = 32
        self.settings = {}
        if not self.supports_half:
            self.half_unsafe = ("model",)  # type: ignore[misc]  # ours is per class, theirs per file

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W in 0–1 to B×C'×sH×sW."""
        height, width = x.shape[-2:]
        rows, columns = self._padded(height), self._padded(width)
        if self._square:
            rows = columns = max(rows, columns)
        padded = F.pad(x, (0, columns - width, 0, rows - height), mode="replicate")
        output: Tensor = self._descriptor(padded)
        return output[..., : height * self.scale, : width * self.scale]

    def _padded(self, side: int) -> int:
        side = max(side, self._minimum)
        return -(-side // self._multiple) * self._multiple


def load_spandrel(path: Path) -> SpandrelNetwork:
    """Build the network of a checkpoint that spandrel recognises.

    Raises:
        WeightsError: spandrel is not installed.
        CheckpointError: unsafe, damaged, not recognised, or no network from one image to one image.
    """
    spandrel = _spandrel(path)
    checkpoint = read_checkpoint(path)
    try:
        descriptor = spandrel.ModelLoader(device=torch.device("cpu")).load_from_state_dict(checkpoint)
    except Exception as error:
        raise CheckpointError(f"{path}: spandrel does not recognise it: {error}") from error
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise CheckpointError(f"{path} is a {descriptor.architecture.name}, which wants more than one image")
    network = SpandrelNetwork(descriptor)
    return network.eval().requires_grad_(False)


def recognise(path: Path) -> str:
    """Return the architecture spandrel sees in a checkpoint.

    Raises:
        WeightsError: spandrel is not installed.
        CheckpointError: as `load_spandrel`.
    """
    return load_spandrel(path).architecture


def _spandrel(path: Path) -> Any:
    try:
        import spandrel
    except ImportError as error:
        raise WeightsError(
            f"{path} is of none of the five networks; others need the optional package spandrel",
            SPANDREL,
        ) from error
    except (RuntimeError, OSError) as error:  # a torchvision that was built for another torch
        raise WeightsError(
            f"spandrel cannot be imported: {error}", "install a torchvision that goes with the torch there is"
        ) from error
    return spandrel
