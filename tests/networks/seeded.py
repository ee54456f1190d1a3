"""Reference outputs of the five networks with seeded weights, and the measure they are compared by.

A fixture is NAME.json (configuration; key, shape and dtype of every tensor of the released checkpoint) and
NAME.npz (input and output). The weights are not stored: each tensor follows from its key. The small fixtures
lie in tests/data/parity, the full-size ones in a folder beside the checkout, where there is one.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SMALL = Path(__file__).parents[1] / "data" / "parity"
SHARED = Path(__file__).parents[3] / "shared" / "parity"
DESCRIBES_THE_INPUT = ("arch", "task", "h", "w", "n", "seed", "value_range")


@dataclass(frozen=True)
class Parity:
    """One reference: what went in, what came out, and the checkpoint it was computed with."""

    name: str
    config: dict[str, Any]
    keys: dict[str, dict[str, Any]]
    state_dict: dict[str, Tensor]
    input: Tensor
    output: Tensor
    arrays: dict[str, npt.NDArray[Any]]

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without what only describes the input."""
        return {name: value for name, value in self.config.items() if name not in DESCRIBES_THE_INPUT}

    @property
    def fixed_keys(self) -> list[str]:
        """Keys of constants and derived tables: in released files, but not in ``state_dict``."""
        return [key for key, entry in self.keys.items() if entry["fixed"]]


def find_fixture(name: str) -> Path | None:
    """Return the path of NAME.json, or None where neither folder has it."""
    return next((path for folder in (SMALL, SHARED) if (path := folder / f"{name}.json").is_file()), None)


def load_fixture(path: Path) -> Parity:
    """Read the fixture of ``path`` (NAME.json, with NAME.npz beside it)."""
    listing = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as stored:
        arrays = {key: stored[key] for key in stored.files}
    return Parity(
        name=path.stem,
        config=listing["config"],
        keys=listing["state_dict"],
        state_dict=seeded_state_dict(path),
        input=torch.from_numpy(arrays["input"]),
        output=torch.from_numpy(arrays["output"]),
        arrays=arrays,
    )


def seeded_state_dict(json_path: Path) -> dict[str, Tensor]:
    """Return {released key: float32 values} for NAME.json, without the entries marked fixed."""
    listing = json.loads(json_path.read_text())["state_dict"]
    return {
        key: torch.from_numpy(np.array(seeded_values(entry.get("alias_of", key), entry["shape"])))
        for key, entry in listing.items()
        if not entry["fixed"]
    }


def seeded_values(key: str, shape: list[int]) -> npt.NDArray[np.float32]:
    """Return the values of the tensor called ``key``: noise from the key's checksum, scaled by its kind."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    noise = generator.standard_normal(tuple(shape)).astype(np.float32)
    if ".theta." in key or ".phi." in key:
        return noise * np.float32(0.01)
    if key.endswith("logit_scale"):
        return np.float32(math.log(10)) + np.float32(0.1) * noise
    if len(shape) >= 2:
        return noise * np.float32(0.6 / math.sqrt(math.prod(shape[1:])))
    if key.endswith("weight") and tuple(shape) == (1,):
        return np.float32(0.25) + np.float32(0.05) * noise
    if key.endswith("weight"):
        return np.float32(1.0) + np.float32(0.1) * noise
    return np.float32(0.05) * noise


def parity_error(ours: Tensor, reference: Tensor) -> float:
    """Return ‖ours − reference‖ ÷ ‖reference − mean(reference)‖, in float64."""
    assert ours.shape == reference.shape, f"{tuple(ours.shape)} instead of {tuple(reference.shape)}"
    wanted = reference.double()
    return float((ours.double() - wanted).norm() / (wanted - wanted.mean()).norm())


def decibels(ours: Tensor, reference: Tensor, value_range: float) -> float:
    """Return the PSNR of ``ours`` against ``reference``, both clipped to 0 … ``value_range``."""
    difference = ours.double().clamp(0, value_range) - reference.double().clamp(0, value_range)
    return float(-10 * torch.log10(difference.square().mean() / value_range**2))
