"""A self-test of a device: does a small network give there what it gives on the CPU in float32?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from restorecli.engine.precision import DTYPES, photo_like, psnr, replica
from restorecli.errors import first_line

LEAST_PSNR = {"fp32": 90.0, "fp16": 50.0, "bf16": 40.0}
"""What a sound device reaches, in dB: its arithmetic rounds to 24, 11 and 8 bits."""

SIDE = 64


@dataclass(frozen=True)
class SelfTestRow:
    """One precision on one device.

    Attributes:
        device: as `--device` spells it.
        precision: "fp32", "fp16" or "bf16".
        ok: whether the result is right.
        psnr: dB against float32 on the CPU; −inf for NaN, infinity or a failure.
        seconds: of one pass, after a first that does not count.
        message: what is wrong; empty where nothing is.
    """

    device: str
    precision: str
    ok: bool
    psnr: float
    seconds: float
    message: str


class _Sample(nn.Module):
    """Each kind of work the networks do, small: convolutions, a norm, attention, pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.GroupNorm(4, 32)
        self.body = nn.Conv2d(32, 32, 3, padding=1)
        self.mix = nn.Linear(32, 32)
        self.tail = nn.Conv2d(32, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×3×H×W to B×3×2H×2W."""
        features = self.head(x)
        features = features + self.body(torch.relu(self.norm(features)))
        tokens = features.flatten(2).transpose(1, 2)[:, ::8]  # B×HW/8×32
        weights = torch.softmax(tokens @ tokens.transpose(1, 2) / 32**0.5, dim=-1)
        mean = (weights @ self.mix(tokens)).mean(1)  # B×32
        features = features + mean[:, :, None, None]
        residual: Tensor = nn.functional.pixel_shuffle(self.tail(features), 2)
        return nn.functional.interpolate(x, scale_factor=2.0) + residual


def self_test(device: torch.device) -> list[SelfTestRow]:
    """Return how ``device`` does in each precision, for `restore doctor`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _Sample().eval()
    picture = photo_like(3, SIDE)
    with torch.inference_mode():
        reference = network(picture)
    return [_row(network, picture, reference, device, precision) for precision in DTYPES]


def _row(
    network: nn.Module, picture: Tensor, reference: Tensor, device: torch.device, precision: str
) -> SelfTestRow:
    try:
        placed = replica(network, device, precision)
        with torch.inference_mode():
            placed(picture.to(device)).cpu()
            started = time.perf_counter()
            result = placed(picture.to(device)).float().cpu()
            seconds = time.perf_counter() - started
    except (RuntimeError, TypeError) as error:  # TypeError: MPS has no bf16 before macOS 14
        return SelfTestRow(str(device), precision, False, -torch.inf, 0.0, first_line(error))
    decibels = psnr(result, reference)
    ok = decibels >= LEAST_PSNR[precision]
    message = "" if ok else f"{decibels:.1f} dB from float32 on the CPU, {LEAST_PSNR[precision]:.0f} expected"
    return SelfTestRow(str(device), precision, ok, decibels, seconds, message)
