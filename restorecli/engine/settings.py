"""What a caller can choose about how a network is run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from restorecli.engine.tiles import Pace
from restorecli.errors import DeviceError, UsageError, unknown_value

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
TRANSFORMS = (
    "identity",
    "flip-x",
    "flip-y",
    "rotate-180",
    "transpose",
    "rotate-90",
    "rotate-270",
    "anti-transpose",
)
"""The eight symmetries of a square; rotations are counter-clockwise, "flip-x" swaps left and right."""


DEVICE = re.compile(r"(cpu|cuda|xpu|mps)(?::(\d+))?")
"""How one device is spelt: its kind, and its number after a colon."""


def device_names(spec: str) -> list[str]:
    """Return the names in ``--device``, in lower case; "auto" and "all" only stand alone.

    Raises:
        DeviceError: one is spelt as no device is. `device.parse_devices` tells whether it is there.
    """
    names = [name.strip().lower() for name in spec.split(",")]
    if names not in (["auto"], ["all"]):
        for name in names:
            if DEVICE.fullmatch(name) is None:
                raise DeviceError(
                    f"unknown device: {name or '(empty)'}",
                    "use auto, all, cpu, cuda, cuda:1, cuda:0,cuda:1, mps or xpu; restore doctor lists them",
                )
    return names


@dataclass(frozen=True)
class RunSettings:
    """How to run a network.

    Attributes:
        tile: side of a tile in input pixels; None chooses by memory, 0 takes the whole image at once.
        overlap: pixels neighbouring tiles share at least; None takes the network's own.
        precision: one of `PRECISIONS`.
        self_ensemble: average over the symmetries in ``transforms``.
        transforms: some of `TRANSFORMS`; fewer where the input has a phase (a Bayer mosaic).
        device: see `device.parse_devices`.
        batch: tiles per forward pass; None chooses.
        alignment: tiles start at multiples of it (2 keeps a Bayer mosaic's phase).
        compile: run the network through `torch.compile`; the first tile of a size waits for the compiler.
        paces: by precision, how long the network takes per pixel of tiles of several sizes on a CPU, where
            that is known: automatic tiles are then those that take the least time.

    Raises:
        UsageError: a value is outside its range.
        DeviceError: there is no such kind of device.
    """

    tile: int | None = None
    overlap: int | None = None
    precision: str = "auto"
    self_ensemble: bool = False
    transforms: tuple[str, ...] = TRANSFORMS
    device: str = "auto"
    batch: int | None = None
    alignment: int = 1
    compile: bool = False
    paces: Mapping[str, Pace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown_value("--precision", self.precision, PRECISIONS)
        device_names(self.device)
        _at_least("--tile", self.tile, 0)
        _at_least("--tile-overlap", self.overlap, 0)
        _at_least("--batch", self.batch, 1)
        _at_least("alignment", self.alignment, 1)
        unknown = set(self.transforms) - set(TRANSFORMS)
        if unknown or not self.transforms:
            raise UsageError(f"unknown transforms: {', '.join(sorted(unknown)) or 'none given'}")


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"{name} is {value}", f"give {least} or more")
