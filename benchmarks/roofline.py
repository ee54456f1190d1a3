"""How fast the networks can be on a GPU by its data sheet: no kernel beats its products nor its memory.

    python -m benchmarks.roofline [NAME …] [--precision fp16] [--lines]

Each network of a published size (weights do not matter) runs on the make-believe GPU of `fake_gpu`, which
counts kernels, their operations and the bytes they must touch. A kernel takes the longest of its operations ÷
what matrix units reach, its bytes ÷ what memory reaches, and 2.5 µs; the host needs 8 µs to launch one, or
next to nothing for a recorded graph. Caches and the overlap of tiles are left out. On an H200 passes took 1.7
(NLSN of the published size) to 7 times as long (docs/benchmarks.md): small kernels stay far below that.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.fake_gpu import FakeGpu, Kernel
from restorecli.engine.facts import read_facts
from restorecli.engine.precision import DTYPES, replica
from restorecli.networks import fused, fused_convolution
from restorecli.networks.grl.network import GRL
from restorecli.networks.mirnet import MIRNet
from restorecli.networks.network import Network
from restorecli.networks.nlsn import NLSN
from restorecli.networks.panet.network import PANet
from restorecli.networks.rnan import RNAN

SHORTEST = 2.5e-6
LAUNCH = 8e-6
HALF = (torch.float16, torch.bfloat16)
COMPLEX = {"upscale": 4, "upsampler": "pixelshuffle"}
TINY = {"window_size": 16, "stripe_size": [64, 128], "anchor_window_down_factor": 4}
BASE = {
    "window_size": 32,
    "stripe_size": [64, 128],
    "anchor_window_down_factor": 2,
    "embed_dim": 180,
    "depths": [4, 4, 8, 8, 8, 4, 4],
    "num_heads_window": [3] * 7,
    "num_heads_stripe": [3] * 7,
    "local_connection": True,
}


@dataclass(frozen=True)
class Gpu:
    """What a GPU reaches: operations per second in half precision and float32, bytes per second."""

    half: float
    full: float
    memory: float


GPUS = {
    "H100": Gpu(989e12 * 0.75, 67e12 * 0.6, 3.35e12 * 0.85),
    "H200": Gpu(989e12 * 0.75, 67e12 * 0.6, 4.8e12 * 0.85),
    "RTX 4090": Gpu(165e12 * 0.8, 82.6e12 * 0.6, 1.008e12 * 0.85),
    "RTX 3060": Gpu(51e12 * 0.8, 12.7e12 * 0.7, 0.36e12 * 0.85),
}


@dataclass(frozen=True)
class Case:
    """A network and the tile and batch it is counted at."""

    build: Callable[[], Network]
    side: int
    batch: int = 1


CASES = {
    "nlsn-x4": Case(lambda: NLSN(scale=4), 512),
    "mirnet": Case(MIRNet, 512),
    "grl-base-x4": Case(lambda: GRL(**BASE, **COMPLEX), 256),
    "grl-small-x4": Case(lambda: GRL(**TINY, embed_dim=128, **COMPLEX), 256),
    "rnan": Case(RNAN, 128, 8),
    "panet": Case(PANet, 96),
    "paedsr-x4": Case(lambda: PANet(architecture="paedsr", features=256, blocks=32, scale=4), 96),
}


@dataclass(frozen=True)
class Counted:
    """A pass: its kernels, and the most memory it took beside the weights."""

    kernels: list[Kernel]
    bytes: int
    pixels: int
    scale: int

    def seconds(self, gpu: Gpu) -> float:
        """Return how long the device is busy."""
        return sum(_kernel_seconds(kernel, gpu) for kernel in self.kernels)

    def rate(self, gpu: Gpu, *, graph: bool) -> float:
        """Return output megapixels per second, launched one by one or as a graph."""
        host = 0.0 if graph else LAUNCH * len(self.kernels)
        return self.pixels * self.scale**2 / max(self.seconds(gpu), host) / 1e6

    def share(self, gpu: Gpu) -> float:
        """Return the share of what matrix units reach in half precision, launched as a graph."""
        return sum(kernel.flops for kernel in self.kernels) / self.seconds(gpu) / gpu.half


def _kernel_seconds(kernel: Kernel, gpu: Gpu) -> float:
    peak = gpu.half if kernel.dtype in HALF else gpu.full
    return max(kernel.flops / peak, kernel.bytes / gpu.memory, SHORTEST)


def count(case: Case, precision: str) -> Counted:
    """Count a pass of ``case``; what only its first pass makes is not counted."""
    network = case.build().eval().requires_grad_(False)
    facts = read_facts(network)
    device = torch.device("cuda", 0)
    with FakeGpu(), torch.inference_mode():  # whether it has fused kernels is found out with numbers
        for dtype in (torch.float32, DTYPES[precision]):
            fused.is_available(torch.zeros(1, device=device, dtype=dtype))
            fused_convolution.is_available(torch.zeros(1, device=device, dtype=dtype))
    with FakeGpu(meta=True, capacity=1 << 50) as gpu, torch.inference_mode():
        placed = replica(network, device, precision)
        x = torch.zeros(case.batch, facts.in_channels, case.side, case.side).to(device)
        placed(x)
        gpu.record.clear()
        gpu.peak[0] = before = gpu.live[0]
        placed(x)
        kernels, peak = list(gpu.kernels), gpu.peak[0] - before
    return Counted(kernels, peak, case.batch * case.side**2, facts.scale)


def row(name: str, case: Case, counted: Counted) -> str:
    """Return a line of the table."""
    cells = [name, str(case.side), str(case.batch), str(len(counted.kernels))]
    cells.append(f"{sum(kernel.flops for kernel in counted.kernels) / 1e12:.1f}")
    cells.append(f"{sum(kernel.bytes for kernel in counted.kernels) / 1e9:.0f}")
    cells.append(f"{counted.bytes / 2**30:.1f}")
    for gpu in GPUS.values():
        cells.append(f"{counted.rate(gpu, graph=False):.3g} / {counted.rate(gpu, graph=True):.3g}")
    cells.append(f"{100 * counted.share(GPUS['H100']):.0f} %")
    return f"| {' | '.join(cells)} |"


def lines(counted: Counted, gpu: Gpu, most: int = 12) -> list[str]:
    """Return where the time goes, by operator and line."""
    spent: dict[str, float] = defaultdict(float)
    for kernel in counted.kernels:
        spent[f"{kernel.name} {str(kernel.dtype)[6:]} {kernel.site}"] += _kernel_seconds(kernel, gpu)
    total = counted.seconds(gpu)
    ordered = sorted(spent.items(), key=lambda item: -item[1])[:most]
    return [f"    {100 * seconds / total:5.1f} %  {name}" for name, seconds in ordered]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--lines", action="store_true", help="tell where the time goes on an H100")
    options = parser.parse_args()
    torch.set_num_threads(1)
    titles = ["network", "tile", "batch", "kernels", "TFLOP", "GB", "GiB held"]
    titles += [f"{name}, MP/s: launched / graph" for name in GPUS] + ["share of H100"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name in options.names or CASES:
        counted = count(CASES[name], options.precision)
        print(row(name, CASES[name], counted), flush=True)
        if options.lines:
            print("\n".join(lines(counted, GPUS["H100"])), flush=True)


if __name__ == "__main__":
    main()
