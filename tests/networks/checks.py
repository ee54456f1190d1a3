"""Checks that hold for every network, called by the tests of each."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from restorecli.networks import from_checkpoint, layout
from restorecli.networks.network import Network
from tests.networks.seeded import Parity

REPOSITORY = Path(__file__).parents[2]
PEAK = """
import pathlib, re, sys, torch
from restorecli.networks import layout
torch.set_num_threads(2)

def kibibytes(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

name, size, settings = sys.argv[1], int(sys.argv[2]), eval(sys.argv[3])
torch.manual_seed(0)
network = layout(name).build(**settings).eval().requires_grad_(False)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = kibibytes("VmRSS")
with torch.inference_mode():
    network(torch.rand(1, network.in_channels, size, size) * network.value_range)
print((kibibytes("VmHWM") - before) / 1024)
"""


def every_key_is_used_once(parity: Parity) -> None:
    """Each released key is renamed by exactly one rule; ours are met, and twice only by an alias."""
    rules = layout(parity.config["arch"])
    ours: Counter[str] = Counter()
    for key, entry in parity.keys.items():
        is_dropped = any(re.fullmatch(pattern, key) for pattern in rules.dropped)
        assert is_dropped == entry["fixed"], key
        matches = [(m, new) for old, new in rules.renames if (m := re.fullmatch(old, key))]
        assert is_dropped or len(matches) == 1, (key, [new for _, new in matches])
        if not is_dropped and "alias_of" not in entry:
            ours[matches[0][0].expand(matches[0][1])] += 1
    network = from_checkpoint(parity.config["arch"], parity.state_dict, **parity.settings)
    assert set(ours) == set(network.state_dict())
    assert set(ours.values()) == {1}


def shape_is_kept(network: Network, height: int, width: int, batch: int = 1) -> Tensor:
    """Run a seeded image of this size and check the output's shape and that it is finite."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    x = torch.rand(batch, network.in_channels, height, width, generator=generator) * network.value_range
    y = network(x)
    assert y.shape == (batch, network.out_channels, height * network.scale, width * network.scale)
    assert bool(y.isfinite().all())
    return y


def noisy_picture(value_range: float, side: int = 48) -> tuple[Tensor, Tensor]:
    """Return a 1×3 picture of waves and an edge with noise of 10 % of the range, and the picture without."""
    line = torch.linspace(0, 6, side)
    waves = 0.5 + 0.25 * torch.sin(line)[:, None] * torch.cos(2 * line)[None, :]
    clean = torch.stack([waves, waves.flip(0), torch.where(waves > 0.55, 0.9, waves)])[None]
    noise = 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return (clean + noise).clamp(0, 1) * value_range, clean * value_range


def peak_mebibytes(network: str, size: int, settings: dict[str, Any]) -> float:
    """Return the peak resident memory of one float32 image of ``size``² above that of the loaded network.

    In a process of its own. What getrusage tells would not do: a child starts with its parent's peak.
    """
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read the Linux way")
    command = [sys.executable, "-c", PEAK, network, str(size), repr(settings)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return float(done.stdout)
