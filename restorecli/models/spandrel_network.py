"""Checkpoints of other networks, run through the optional spandrel package."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorecli.errors import CheckpointError, WeightsError, first_line
from restorecli.models.convert import read_checkpoint
from restorecli.models.resolved import SPANDREL
from restorecli.networks.layers import pad_to_multiple
from restorecli.networks.network import Network

OVERLAP = 32  # pixels that neighbouring tiles share; spandrel knows no receptive fields


class SpandrelNetwork(Network):
    """Any network from one image to one image that spandrel recognises, as one of ours.

    Spandrel itself pads to the sides the network wants, crops after, and clips to 0–1.

    Args:
        descriptor: spandrel's `ImageModelDescriptor`.

    Attributes:
        architecture: the network's name in spandrel.
        supports_half: whether spandrel knows it to be right in float16.
        supports_bfloat16: the same for bfloat16.
        tiling: "supported", "discouraged" or "internal" (it tiles by itself).
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model
        self._descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        self.scale = int(descriptor.scale)
        self.in_channels = int(descriptor.input_channels)
        self.out_channels = int(descriptor.output_channels)
        self.supports_half = bool(descriptor.supports_half)
        self.supports_bfloat16 = bool(descriptor.supports_bfloat16)
        self.tiling = str(descriptor.tiling.name).lower()
        self.prefers_whole = self.tiling != "supported"
        self.side_multiple = int(descriptor.size_requirements.multiple_of or 1)  # type: ignore[misc]  # per file
        self.tile_overlap = OVERLAP
        self.settings = {"architecture": self.architecture, "scale": self.scale}

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W in 0–1 to B×C'×sH×sW in 0–1."""
        # spandrel promises nothing for more than one image per call
        return torch.cat([self._restored(image) for image in torch.split(x, 1)])

    def _restored(self, image: Tensor) -> Tensor:
        output: Tensor = self._descriptor(image)
        return output


class NoiseMapNetwork(SpandrelNetwork):
    """DRUNet, given the photo's noise level as a noise level map (spandrel's own call always uses sigma 15).

    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", section 3.1: the noise
    level map is constant, sigma on the image's own scale.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__(descriptor)
        self.in_channels = int(descriptor.input_channels) + 1
        self.extra_input = "noise map"

    def _restored(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        output: Tensor = self.model(pad_to_multiple(image, self.side_multiple))
        return output[..., :height, :width].clamp(0, 1)


class QualityMapNetwork(SpandrelNetwork):
    """FBCNN, given the photo's JPEG quality as a channel, so that all tiles are restored alike.

    Source: Jiang, Zhang, Timofte, "Towards Flexible Blind JPEG Artifacts Removal", section 3.2: the estimated
    quality may be replaced by a given one. Network and map both count 1 − quality ÷ 100.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__(descriptor)
        self.in_channels = int(descriptor.input_channels) + 1
        self.extra_input = "quality map"

    def _restored(self, image: Tensor) -> Tensor:
        picture, quality = image[:, :-1], image[:, -1:].mean((2, 3))
        output: Tensor = self.model(picture, quality)[0]
        return output.clamp(0, 1)


BY_ARCHITECTURE = {"DRUNet": NoiseMapNetwork, "FBCNN": QualityMapNetwork}
"""Spandrel's id of an architecture → the class, where it is given a level beside the picture."""


def load_spandrel(path: Path) -> SpandrelNetwork:
    """Build the network of a checkpoint that spandrel recognises.

    Raises:
        WeightsError: spandrel is not installed.
        CheckpointError: unsafe, damaged, not recognised, or no network from one image to one image.
    """
    spandrel = _spandrel(path)
    # our reader first: spandrel's own would run what hides in a TorchScript file
    checkpoint = spandrel.canonicalize_state_dict(read_checkpoint(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about other people's code are nothing the user can fix
            descriptor = spandrel.ModelLoader(device=torch.device("cpu")).load_from_state_dict(checkpoint)
    except spandrel.UnsupportedModelError as error:
        raise CheckpointError(f"{path} is not of a network that spandrel knows") from error
    except Exception as error:  # whatever its detection stumbles over
        raise CheckpointError(f"{path}: spandrel cannot build it: {first_line(error)}") from error
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise CheckpointError(f"{path} is a {descriptor.architecture.name}, which takes more than one image")
    kind = BY_ARCHITECTURE.get(str(descriptor.architecture.id), SpandrelNetwork)
    return kind(descriptor).eval().requires_grad_(False)


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
            f"spandrel cannot be imported: {error}", "install a torchvision built for the installed torch"
        ) from error
    return spandrel
