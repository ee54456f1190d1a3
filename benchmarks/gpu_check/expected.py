"""What the make-believe GPU counts of a pass in fp16, kept in a file, since counting takes the host minutes.

python -m benchmarks.gpu_check.expected          writes expected.json again
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.gpu_check.check import NAMES, light
from benchmarks.roofline import CASES, GPUS, Case, count
from restorecli.networks.network import Network

FILE = Path(__file__).with_name("expected.json")
LARGE = 512
TILES = {"panet": (96, 1), "rnan": (128, 8), "grl": (256, 1)}
"""Side and batch of families that are slow, or not made for tiles of `LARGE`."""


@dataclass(frozen=True)
class Expected:
    """A pass as the make-believe GPU counts it.

    Attributes:
        side, batch: of its tiles.
        kernels: how many it launches.
        flops: operations of products and convolutions.
        bytes: what kernels read and write.
        held: the most bytes it holds beside the weights.
        rate: megapixels of output per second as a recorded graph, by card of `roofline.GPUS`.
    """

    side: int
    batch: int
    kernels: int
    flops: int
    bytes: int
    held: int
    rate: dict[str, float]


def timed_case(name: str, shrink: int = 1) -> Case:
    """Return the tile and batch that the network called ``name`` is counted and timed at."""
    if name in CASES:
        known = CASES[name]
        return Case(known.build, known.side // shrink, known.batch)
    side, batch = TILES.get(name.split("-")[0], (LARGE, 1))
    return Case(lambda: light(name), side // shrink, batch)


def network_of(name: str) -> Network:
    """Return the light network called ``name``, or one of a published size with random weights."""
    torch.manual_seed(0)
    return timed_case(name).build().eval().requires_grad_(False)


def counted(name: str) -> Expected:
    """Count a pass."""
    case = timed_case(name)
    found = count(case, "fp16")
    return Expected(
        case.side,
        case.batch,
        len(found.kernels),
        sum(kernel.flops for kernel in found.kernels),
        sum(kernel.bytes for kernel in found.kernels),
        found.bytes,
        {card: float(f"{found.rate(gpu, graph=True):.4g}") for card, gpu in GPUS.items()},
    )


def read() -> dict[str, Expected]:
    """Return what the file holds, by name."""
    return {name: Expected(**cells) for name, cells in json.loads(FILE.read_text(encoding="utf-8")).items()}


def main() -> None:
    found = {}
    for name in (*NAMES, *CASES):
        found[name] = asdict(counted(name))
        print(name, found[name], flush=True)
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
