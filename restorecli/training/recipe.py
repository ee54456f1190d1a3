"""A recipe: everything that decides what a training run gives, in one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from restorecli.errors import UsageError
from restorecli.models.registry import package_data
from restorecli.training.degradations import TASKS

CHOICES = {
    "precision": ("bf16", "fp32"),
    "loss": ("l1", "charbonnier", "psnr", "sharp"),
    "optimiser": ("adam", "muon"),
}
_INPUTS = ("demosaic_input", "extra_input")


ROUNDING_ERROR = 12**-0.5
"""Root mean square of the error of rounding to 8 bit, in grey levels: what is nearer looks the same."""


@dataclass(frozen=True)
class Recipe:
    """How one weights file is trained.

    Attributes:
        name: the weights file's name, without extension.
        network: which of the networks.
        task: what it learns to undo: one of `degradations.TASKS`.
        settings: the network's constructor arguments.
        steps: optimiser steps.
        batch: patches per step.
        patch: side of the network's input patch in pixels.
        optimiser: "adam", or "muon" (Adam beside it for what is no matrix).
        learning_rate: the largest one.
        photo_scale: photos are shrunk to this share of their sides first: their JPEG artifacts shrink away.
        more_scales: further shares of their sides at which the photos are there too: few photos teach more in
            several sizes.
        final_learning_rate: where the cosine ends.
        warmup: steps of linear rise.
        border: pixels by which pictures are continued before the weights are used; see `Network.border`.
        ema: decay of the weights' moving average, which is what is validated and shipped.
        clip_gradient: largest norm of the gradient.
        seed: of initial weights and patches.
        init_from: name of a weights file whose tensors of the same name and shape are the start; "" for none.
        init_names: beginning of a tensor's name there → what it begins with here; empty: the same names.
        average_with: names of weights files of the same network; what is written is the mean of theirs and
            of the trained ones (Wortsman et al., "Model soups", ICML 2022).
        widened: tensors with more inputs than where they come from: the new ones, behind, begin at zero.
        hard: share of patches around squares where plain demosaicing fails, as often as it does; see
            `mosaics.difficulty`.
        drawings: share of patches of drawn text and line art; see `drawings.sheets`.
        zero_at_start: tensors that begin at zero, such as the last one of a network that adds its input.
        validate_every: steps between validations and checkpoints.
        precision: "bf16" (autocast) or "fp32".
        stored: "fp32", or "fp16" for a file of half the size.
        holdout: every N-th source picture is kept for validation.
        loss: "l1", "charbonnier", "psnr" (10·log10 of each patch's mean squared error) or "sharp" (as the eye
            sees it; see `losses.Sharpness`).
        sharpness: for "sharp": ``network`` (a weights file whose features are looked at), ``depth`` (layers
            of it), and the arguments of `losses.Sharpness`.
        error_floor: grey levels of error (root mean square, 0–255) below which "psnr" hardly counts
            what is gained; 1/√12 is the error of rounding to 8 bit.
        validation_draws: fixed degradations per held-out photo, for tasks that draw them.
        degradation: what `degradations` draws from, such as ``sigma = [0, 60]``; empty for upscaling: photos
            are shrunk by bicubic.
        sources: repository in the photos' manifest → its licence; only these are used. Empty: all photos.
        most_megapixels: larger photos are shrunk to so many first; 0: none is.
        licence: of the weights, as their file is to state it; empty: none is stated.
    """

    name: str
    network: str
    task: str
    settings: dict[str, Any]
    steps: int
    batch: int = 8
    patch: int = 48
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup: int = 200
    border: int = 1
    ema: float = 0.999
    clip_gradient: float = 1.0
    seed: int = 0
    init_from: str = ""
    validate_every: int = 500
    precision: str = "bf16"
    stored: str = "fp32"
    holdout: int = 25
    loss: str = "l1"
    error_floor: float = ROUNDING_ERROR
    validation_draws: int = 1
    photo_scale: float = 1.0
    more_scales: list[float] = field(default_factory=list)
    init_names: dict[str, str] = field(default_factory=dict)
    widened: list[str] = field(default_factory=list)
    hard: float = 0.0
    drawings: float = 0.0
    zero_at_start: list[str] = field(default_factory=list)
    average_with: list[str] = field(default_factory=list)
    sharpness: dict[str, Any] = field(default_factory=dict)
    degradation: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    most_megapixels: float = 0.0
    licence: str = "MIT"

    @property
    def scale(self) -> int:
        """Output side ÷ input side."""
        return int(self.settings.get("scale", 1))

    @property
    def draws(self) -> bool:
        """Whether every patch is degraded by itself; without, whole photos are shrunk once."""
        return self.task != "upscale" or bool(self.degradation)

    @property
    def drawn(self) -> dict[str, Any]:
        """What a degradation is drawn from: ``degradation``, and what the network takes."""
        taken = {name: self.settings[name] for name in _INPUTS if name in self.settings}
        return {**taken, "scale": self.scale, **self.degradation}


def find_recipe(name: str) -> Path:
    """Return the recipe file ``name``, or that of this name that comes with the package.

    Raises:
        UsageError: there is neither.
    """
    given = Path(name)
    if given.is_file() or given.suffix:
        return given
    files = sorted(package_data("recipes").rglob("*.toml"))
    shipped = {file.stem: file for file in files if file.parent.name != "plans"}
    if name not in shipped:
        raise UsageError(f"there is no recipe {name}", f"give a file, or one of {', '.join(shipped)}")
    return shipped[name]


def starting_weights(recipe: Recipe, folder: Path) -> Path | None:
    """Return the file that ``init_from`` means: in ``folder``, else in the package; None where it is empty.

    Raises:
        UsageError: it is in neither.
    """
    if not recipe.init_from:
        return None
    return weights_named(recipe.init_from, f"{recipe.name} starts from", "init_from", folder)


def averaged_weights(recipe: Recipe, folder: Path) -> list[Path]:
    """Return the files that ``average_with`` means: in ``folder``, else in the package.

    Raises:
        UsageError: one is in neither.
    """
    what = f"{recipe.name} is averaged with"
    return [weights_named(name, what, "average_with", folder) for name in recipe.average_with]


def weights_named(name: str, what: str, entry: str, folder: Path) -> Path:
    """Return the weights file ``name``: in ``folder``, else in the package.

    Args:
        name: without extension.
        what: the beginning of the sentence that says why it is needed.
        entry: of the recipe, which names it.
        folder: where it is looked for first.

    Raises:
        UsageError: it is in neither.
    """
    files = [place / f"{name}.safetensors" for place in (folder, package_data("light"))]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise UsageError(
            f"{what} {name}, which is neither in {folder} nor in the package",
            f"train that one first, into {folder}; or remove {entry} from the recipe",
        )
    return found


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        UsageError: the file is missing, no TOML, or has an unknown or missing entry.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # no TOML, or no UTF-8
        raise UsageError(f"cannot read the recipe {path}: {error}") from error
    known = {entry.name for entry in fields(Recipe)}
    unknown = sorted(set(table) - known)
    if unknown:
        known_names = ", ".join(sorted(known))
        raise UsageError(f"unknown entries in {path}: {', '.join(unknown)}", f"known: {known_names}")
    try:
        recipe = Recipe(**table)
    except TypeError as error:
        raise UsageError(f"the recipe {path} is incomplete: {error}") from error
    for entry, choices in CHOICES.items():
        if getattr(recipe, entry) not in choices:
            raise UsageError(f"{entry} {getattr(recipe, entry)} in {path}", " or ".join(choices))
    if recipe.task == "demosaic" and recipe.border % 2:
        raise UsageError(f"border {recipe.border} in {path} would shift the mosaic", "an even number")
    for entry, share in (
        ("photo_scale", recipe.photo_scale),
        *(("more_scales", share) for share in recipe.more_scales),
    ):
        if not 0 < share <= 1:
            raise UsageError(f"{entry} {share} in {path}", "above 0, at most 1")
    if recipe.error_floor <= 0 or (recipe.error_floor != ROUNDING_ERROR and recipe.loss != "psnr"):
        raise UsageError(f"error_floor {recipe.error_floor} in {path}", 'above 0, with loss = "psnr" only')
    if bool(recipe.sharpness) != (recipe.loss == "sharp"):
        described = "a" if recipe.sharpness else "no"
        complaint = f"loss = {recipe.loss} and {described} table [sharpness] in {path}"
        raise UsageError(complaint, 'the table describes loss = "sharp": both, or neither')
    if recipe.most_megapixels < 0:
        raise UsageError(f"most_megapixels {recipe.most_megapixels} in {path}", "above 0, or 0 for no limit")
    if recipe.task not in TASKS:
        known_names = ", ".join(TASKS)
        raise UsageError(f"task {recipe.task} in {path} cannot be trained", f"known tasks: {known_names}")
    return recipe
