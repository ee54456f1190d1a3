"""Measure how sharp the weights for real photos leave a picture: ``python -m benchmarks.styles PICTURES…``.

Each picture is made small by the draw of `restore bench -x 4 --degradation real` and enlarged again. Beside
the PSNR stand two measures that need no learnt weights: GMSD (Xue, Zhang, Mou, Bovik, "Gradient magnitude
similarity deviation", IEEE TIP 2014; less is better), which follows the eye better than PSNR, and how strong
the edges are as a share of the true ones (1 is as sharp as the truth).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, uniform_filter

from benchmarks.documents.cards import restored
from restorecli.models.registry import load_registry
from restorecli.quality.protocols.upscale import RealUpscaleProtocol
from restorecli.quality.scores import luma, psnr
from restorecli.training.lookalikes import pictures

WEIGHTS = ("nlsn-light-x4", "nlsn-light-real-x4", "nlsn-light-real-x4-sharp")
PREWITT = np.array([[1, 0, -1]] * 3) / 3
CONSTANT = 170.0  # of the paper, for 0–255
Gray = NDArray[np.float64]


def gradients(picture: Gray) -> Gray:
    """Return the gradient magnitudes of H×W (0–255) by Prewitt's filters."""
    magnitudes: Gray = np.hypot(convolve(picture, PREWITT), convolve(picture, PREWITT.T))
    return magnitudes


def gmsd(picture: Gray, truth: Gray) -> float:
    """Return the deviation of the gradient similarity of two H×W (0–255), halved first as in the paper."""
    one, other = (gradients(uniform_filter(image, 2)[::2, ::2]) for image in (picture, truth))
    return float(((2 * one * other + CONSTANT) / (one**2 + other**2 + CONSTANT)).std())


def main() -> None:
    """Print the means over the pictures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folders", nargs="+", type=Path)
    options.add_argument("--weights", nargs="*", default=WEIGHTS)
    given = options.parse_args()
    protocol, found = RealUpscaleProtocol(4), defaultdict(list)
    for file in (file for folder in given.folders for file in pictures(folder)):
        with Image.open(file) as opened:
            truth = protocol.truth(np.asarray(opened.convert("RGB")))
        small = protocol.degrade(truth, len(found["bicubic"]))
        made = {"bicubic": protocol.methods()[0][1](small)}
        made |= {name: restored(load_registry().find(name), small) for name in given.weights}
        clean = luma(truth)
        for name, picture in made.items():
            seen = luma(picture)
            edges = gradients(seen.astype(np.float64)).mean() / gradients(clean.astype(np.float64)).mean()
            alike = gmsd(seen.astype(np.float64), clean.astype(np.float64))
            found[name].append((psnr(seen, clean, border=4), alike, edges))
    print("| enlarged by | PSNR dB | GMSD | edges |\n|---|---|---|---|")
    for name, rows in found.items():
        score, alike, edges = np.mean(rows, axis=0)
        print(f"| {name} | {score:.2f} | {alike:.4f} | {edges:.2f} |")


if __name__ == "__main__":
    main()
