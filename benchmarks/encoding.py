"""How fast PNG and TIFF files are written, on one core: ``python -m benchmarks.encoding PICTURE…``.

Each picture is written as 8 bits, and as 16 bits with grain of half a grey level, by the tool's encoders and
by what they are compared with: libpng at level 3, and for TIFF libdeflate's level 4, as both were written
before. Seconds are the process's CPU time, the least of the repetitions, in turn.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from restorecli.photos.formats.packing import png_write, tiff_write
from restorecli.photos.formats.page import Page
from restorecli.photos.raster import Samples

STRIP = 1 << 20


def png_now(samples: Samples) -> int:
    """Write a PNG by the tool's encoder; return its length."""
    return sum(len(part) for part in png_write.body(samples))


def png_before(samples: Samples) -> int:
    """Write a PNG by libpng."""
    return len(imagecodecs.png_encode(samples, level=3))


def tiff_now(samples: Samples) -> int:
    """Write a TIFF by the tool's encoder."""
    stream = io.BytesIO()
    tiff_write.encode([Page(samples, False)], stream)
    return len(stream.getvalue())


def tiff_before(samples: Samples) -> int:
    """Write a TIFF at libdeflate's level 4."""
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        samples,
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 4},
        predictor=True,
        rowsperstrip=max(1, STRIP // (samples.shape[1] * 3 * samples.itemsize)),
        metadata=None,
    )
    return len(stream.getvalue())


def seconds(write: Callable[[], int]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    write()
    return time.process_time() - began


def measured(writers: dict[str, Callable[[], int]], runs: int) -> dict[str, tuple[float, int]]:
    """Return the least seconds and the length that each writer gives, all of them in turn."""
    least = dict.fromkeys(writers, float("inf"))
    for _ in range(runs):
        for name, write in writers.items():
            least[name] = min(least[name], seconds(write))
    return {name: (least[name], write()) for name, write in writers.items()}


def rows(name: str, samples: Samples, runs: int) -> None:
    """Print the rows of a table for one picture."""
    writers: dict[str, Callable[[], int]] = {
        "PNG, libpng": lambda: png_before(samples),
        "PNG": lambda: png_now(samples),
        "TIFF, before": lambda: tiff_before(samples),
        "TIFF": lambda: tiff_now(samples),
    }
    found = measured(writers, runs)
    megapixels = samples.shape[0] * samples.shape[1] / 1e6
    for what, (spent, length) in found.items():
        base = "PNG, libpng" if what.startswith("PNG") else "TIFF, before"
        times, size = found[base][0] / spent, 100 * (length / found[base][1] - 1)
        print(f"| {name} | {what} | {megapixels / spent:.1f} | {times:.2f} | {size:+.1f} % |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--enlarge", type=int, default=1, help="enlarge pictures so many times, smoothly")
    options = parser.parse_args()
    print("| picture | written as | MP/s | times | size |\n|---|---|---|---|---|")
    for path in options.pictures:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image = image.resize([side * options.enlarge for side in image.size], Image.Resampling.BICUBIC)
        eight = np.asarray(image)
        grain = np.random.default_rng(0).normal(0, 128, eight.shape)
        sixteen = np.clip(eight * 257.0 + grain, 0, 65535).astype(np.uint16)
        for bits, samples in ((8, eight), (16, sixteen)):
            rows(f"{path.stem}, {bits} bits", samples, options.runs)


if __name__ == "__main__":
    main()
