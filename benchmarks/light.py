"""How long the light weights take, beside a yardstick: ``python -m benchmarks.light``.

A photo of one megapixel goes through each of the weights as the tool runs them by default (precision, tiles);
for upscaling one of a quarter of a megapixel. The yardstick is a 3×3 convolution of 64 to 64 channels on a
megapixel in float32 (37 billion multiply-adds), run before every measured run: the ratio of the two holds on
other machines, and on busy ones, where seconds do not. With OMP_NUM_THREADS=1 the CPU seconds do, too.

How a CPU with less would do: ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m benchmarks.light
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.models.load import load
from restorecli.models.registry import load_registry
from restorecli.models.resolve import ModelRequest, resolve

SAMPLE = Path(__file__).parents[1] / "docs" / "samples" / "motocross.png"
SIDES = {"upscale": 500}  # pixels of the square; other tasks: 1000
YARDSTICK_SIDE = 1000


def photo(side: int) -> Tensor:
    """Return a sample photo, continued by reflection to 1×3×side×side in 0–1."""
    with Image.open(SAMPLE) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=np.float32) / 255
    wide = np.pad(pixels, [(0, max(0, side - length)) for length in pixels.shape[:2]] + [(0, 0)], "reflect")
    return torch.from_numpy(wide[:side, :side]).permute(2, 0, 1)[None].contiguous()


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall-clock time of one call, and the processors' time it took."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def main() -> None:
    """Measure every light file and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--model", action="append", help="only this; repeatable")
    given = options.parse_args()
    features = torch.rand(1, 64, YARDSTICK_SIDE, YARDSTICK_SIDE).to(memory_format=torch.channels_last)
    kernels = torch.rand(64, 64, 3, 3).to(memory_format=torch.channels_last)

    def yardstick() -> Tensor:
        with torch.inference_mode():
            return F.conv2d(features, kernels, padding=1)

    yardstick()
    print("| weights | input | precision | seconds | CPU seconds | yardstick s | ratio |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for entry in (entry for entry in load_registry().entries if entry.ships):
        if given.model and entry.name not in given.model:
            continue
        network = load(resolve(ModelRequest(entry.task, model=entry.name, scale=entry.scale)))
        prepared = prepare(network, RunSettings(device="cpu"))
        image = photo(SIDES.get(entry.task, 1000))
        run(prepared, image)
        pairs = [(seconds(yardstick), seconds(lambda: run(prepared, image))) for _ in range(given.runs)]  # noqa: B023
        own, used, conv = map(
            statistics.median, zip(*((p[1][0], p[1][1], p[0][0]) for p in pairs), strict=True)
        )
        ratio = statistics.median(p[1][1] / p[0][1] for p in pairs)
        size = f"{image.shape[-1]}×{image.shape[-2]}"
        print(
            f"| {entry.name} | {size} | {prepared.precision} | {own:.2f} | {used:.2f} | {conv:.3f} "
            f"| {ratio:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
