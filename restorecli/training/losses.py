"""What training minimises: functions of output and truth, both B×C×H×W with 1 for white."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from restorecli.errors import UsageError
from restorecli.models.convert import native_metadata
from restorecli.networks import from_native
from restorecli.networks.nlsn import NLSN
from restorecli.networks.packed import Packed
from restorecli.training.device.filters import luma
from restorecli.training.recipe import Recipe, weights_named

Loss = Callable[[Tensor, Tensor], Tensor]
CHARBONNIER_EPS = 1e-3  # on the 0–1 scale
STILL = 1e-3  # added to a channel's standard deviation: where there is nothing, nothing counts much


def charbonnier(output: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of √(d² + ε²) (Charbonnier et al. 1994): L1, but smooth near zero."""
    return ((output - clean) ** 2 + CHARBONNIER_EPS**2).sqrt().mean()


def negative_psnr(output: Tensor, clean: Tensor, error_floor: float) -> Tensor:
    """Return the batch's mean of 10·log10(MSE + floor²), in dB: each patch counts alike down to the floor."""
    errors = (output - clean).square().flatten(1).mean(1)
    return 10 * (errors + (error_floor / 255) ** 2).log10().mean()


@dataclass(frozen=True)
class Sharpness:
    """Likeness as the eye sees it: of pixels, and of edges and features, at their places and in their spread.

    Pixels alone reward the mean of all that might have been there, which is soft. Where features are sorted
    within small windows before they are compared, a picture gains by having edges and texture as strong as
    the true ones, even where it cannot know their places: the projected distribution loss of Delbracio,
    Talebi, Milanfar, WACVW 2021, within windows, on features of a restoration network in place of VGG's.
    What enlarges could make up texture as a grid, the same in every square of scale × scale pixels; so only
    values at the same place of these squares are sorted together: a grid is none of what was there.

    Attributes:
        features: gives feature maps of a picture, B×3×H×W; its weights stay as they are.
        scale: of the network that is trained.
        fidelity: weight of the mean absolute error of pixels.
        pointwise: weight of that of features at their places, in standard deviations of each.
        spread: weight of that of features sorted within windows.
        window: side of the windows in pixels.
    """

    features: Callable[[Tensor], Sequence[Tensor]]
    scale: int = 1
    _: KW_ONLY
    fidelity: float = 10.0
    pointwise: float = 0.3
    spread: float = 1.0
    window: int = 32

    def __call__(self, output: Tensor, clean: Tensor) -> Tensor:
        """Return the sum of the three terms; the features' are means over the maps."""
        loss = self.fidelity * F.l1_loss(output, clean)
        with torch.no_grad():
            wanted = [edges(clean), *self.features(clean)]
        found = [edges(output), *self.features(output)]
        for seen, true in zip(found, wanted, strict=True):
            seen, true = seen.float(), true.float()
            unit = true.std((0, 2, 3), keepdim=True) + STILL
            seen, true = seen / unit, true / unit
            loss = loss + self.pointwise / len(found) * F.l1_loss(seen, true)
            shrunk = clean.shape[2] // true.shape[2]
            window, period = self.window // shrunk, max(1, self.scale // shrunk)
            apart = F.l1_loss(spread_in(seen, window, period), spread_in(true, window, period))
            loss = loss + self.spread / len(found) * apart
        return loss


def edges(picture: Tensor) -> Tensor:
    """Return the luma's differences to the right and below, B×2×H×W; 0 where there is no neighbour."""
    gray = luma(picture)
    right = F.pad(gray[..., 1:] - gray[..., :-1], (0, 1))
    return torch.cat([right, F.pad(gray[..., 1:, :] - gray[..., :-1, :], (0, 0, 0, 1))], 1)


def spread_in(maps: Tensor, window: int, period: int = 1) -> Tensor:
    """Return what is in each whole window, sorted; a map smaller than a window is one.

    Args:
        maps: B×C×H×W, sides multiples of ``period``.
        window: side of the windows, a multiple of ``period``.
        period: values so many positions apart, across and down, are sorted together.

    Returns:
        B × C·period² × windows × (window/period)².
    """
    apart = F.pixel_unshuffle(maps, period)
    height, width = (min(window // period, side) for side in apart.shape[2:])
    squares = apart.unfold(2, height, height).unfold(3, width, width)
    return squares.flatten(4).flatten(2, 3).sort(-1).values


class Features(nn.Module):
    """The first layers of one of our restoration networks, frozen: what it sees in a picture.

    Args:
        network: an NLSN on packed pixels.
        depth: layers of its body; the maps are those after its head and after every second of these.
    """

    def __init__(self, network: Packed, depth: int) -> None:
        super().__init__()
        inner = network.inner
        if not isinstance(inner, NLSN):
            raise UsageError("features are taken from an NLSN on packed pixels only")
        self.packing = network.packing
        self.head, self.layers = inner.head, nn.ModuleList(list(inner.body)[:depth])
        self.requires_grad_(False)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Return maps of B×F×H/p×W/p; sides must be multiples of the packing p."""
        with torch.autocast(picture.device.type, torch.bfloat16):
            deep = self.head(F.pixel_unshuffle(picture, self.packing))
            found = [deep]
            for index, layer in enumerate(self.layers, 1):
                deep = layer(deep)
                if index % 2 == 0:
                    found.append(deep)
        return found


def features_of(file: Path, depth: int, device: torch.device) -> Features:
    """Return the first layers of the network in a weights file of ours.

    Raises:
        UsageError: it is no NLSN on packed pixels.
    """
    native = native_metadata(file)
    network = None if native is None else from_native(native[0], load_file(file), native[1])
    if not isinstance(network, Packed):
        raise UsageError(f"{file}: features are taken from an NLSN on packed pixels only")
    features = Features(network, depth).to(device)
    features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return features


def loss_of(recipe: Recipe, weights: Path, device: torch.device) -> Loss:
    """Return what a recipe minimises.

    Raises:
        UsageError: the features' network is neither in the folder ``weights`` nor in the package, or an
            entry of ``[sharpness]`` is unknown.
    """
    if recipe.loss == "sharp":
        return sharpness(recipe, weights, device)
    if recipe.loss == "psnr":
        return partial(negative_psnr, error_floor=recipe.error_floor)
    return charbonnier if recipe.loss == "charbonnier" else F.l1_loss


def sharpness(recipe: Recipe, weights: Path, device: torch.device) -> Sharpness:
    """Return the loss that a recipe's ``[sharpness]`` describes; see `loss_of`."""
    given = dict(recipe.sharpness)
    try:
        network, depth = str(given.pop("network")), int(given.pop("depth"))
        file = weights_named(network, f"the loss of {recipe.name} looks with", "[sharpness]", weights)
        return Sharpness(features_of(file, depth, device), recipe.scale, **given)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"[sharpness] of {recipe.name}: {error}", "network and depth are needed") from error
