"""How well noise and JPEG quality are estimated: ``python -m benchmarks.estimators --data FOLDER``.

Each set of clean images gets noise, or is compressed and decoded, and the estimates are compared with the
truth. Noise: white and Gaussian, with the image's number as seed plus 1000 × the repetition's; once as
floating-point values, once clipped and rounded to 8 bit. JPEG: by Pillow (libjpeg-turbo), 3 rows and 5
columns cropped after decoding, so that the grid has to be found too.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from restorecli.photo import FloatArray
from restorecli.tasks.estimate.jpeg import quality_from_pixels
from restorecli.tasks.estimate.noise import noise_sigma

SETS = {
    "Kodak": "kodak24",
    "LIVE1": "live1",
    "Urban100 (20)": "urban100_20/HR",
    "B100": "b100/HR",
    "Set12": "set12",
}
SIGMAS = (5, 10, 15, 25, 40, 50, 60)
QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
TWICE = ((20, 60), (30, 80), (30, 90), (50, 60), (50, 95), (70, 90), (80, 90), (90, 50))


def images(folder: Path, most: int) -> Iterator[Image.Image]:
    """Yield the folder's first images as gray or RGB."""
    for file in sorted(f for f in folder.iterdir() if f.suffix.lower() in (".png", ".jpg", ".bmp"))[:most]:
        with Image.open(file) as image:
            yield image.convert("L" if image.mode == "L" else "RGB")


def values(image: Image.Image) -> FloatArray:
    """Return H×W×C float32, 0–1."""
    samples = np.asarray(image, np.float32) / 255
    return samples if samples.ndim == 3 else samples[:, :, None]


def compressed(image: Image.Image, quality: int, subsampling: int) -> Image.Image:
    """Return the image compressed and decoded; ``subsampling`` 0 is 4:4:4, 2 is 4:2:0."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as decoded:
        return decoded.convert(image.mode)


def noise_rows(name: str, clean: list[Image.Image], seeds: int) -> None:
    """Print a table row for each strength of noise."""
    without = [noise_sigma(values(image)) for image in clean]
    found = np.array([one.sigma for one in without if one])
    called = sum(one is not None and one.is_clean for one in without)
    spread = f"{found.min():.2f}–{found.max():.2f}"
    print(f"| {name} | none | | {found.mean():.2f} | {spread} | {called} of {len(clean)} |", flush=True)
    for sigma in SIGMAS:
        for rounded in (False, True):
            estimates = []
            for number, image in enumerate(clean * seeds):
                seed = number % len(clean) + 1000 * (number // len(clean))
                noise = np.random.default_rng(seed).normal(0, sigma / 255, values(image).shape)
                noisy = (values(image) + noise).astype(np.float32)
                if rounded:
                    noisy = np.round(np.clip(noisy, 0, 1) * 255) / np.float32(255)
                estimates.append(noise_sigma(noisy))
            found = np.array([one.sigma for one in estimates if one])
            called = sum(one is not None and one.is_clean for one in estimates)
            kind = "8 bit" if rounded else "float"
            print(
                f"| {name} | {sigma} | {kind} | {found.mean():.2f} ({found.mean() / sigma - 1:+.1%}) "
                f"| {found.min():.2f}–{found.max():.2f} | {called} of {len(estimates)} |",
                flush=True,
            )


def jpeg_rows(name: str, clean: list[Image.Image]) -> None:
    """Print a table row for the clean images and for each quality."""
    seen = [quality_from_pixels(values(image)) for image in clean]
    print(f"| {name} | none | | {sum(one is None for one in seen)} of {len(clean)} without traces | |")
    for quality in QUALITIES:
        for subsampling, label in ((0, "4:4:4"), (2, "4:2:0")):
            decoded = (values(compressed(image, quality, subsampling))[3:, 5:] for image in clean)
            found = [quality_from_pixels(pixels) for pixels in decoded]
            errors = [abs(one.quality - quality) for one in found if one]
            grids = sum(one is not None and one.offset == (5, 3) for one in found)
            right, missed = sum(error == 0 for error in errors), len(clean) - len(errors)
            verdict = (
                f"{right} of {len(clean)} exact, worst error {max(errors, default=0)}, {missed} not seen"
            )
            print(f"| {name} | {quality} | {label} | {verdict} | {grids} grids |", flush=True)


def twice_rows(name: str, clean: list[Image.Image]) -> None:
    """Print a table row for each pair of qualities, one after the other in the same grid."""
    for first, second in TWICE:
        found = [
            quality_from_pixels(values(compressed(compressed(one, first, 2), second, 2))) for one in clean
        ]
        qualities = sorted(one.quality for one in found if one)
        print(f"| {name} | {first}, then {second} | {qualities[0]}–{qualities[-1]} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the test sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["Kodak", "LIVE1", "Urban100 (20)"])
    parser.add_argument("--only", choices=("noise", "jpeg", "twice"), help="one of the tables")
    parser.add_argument("--most", type=int, default=1000, help="images of each set")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions of the noise")
    chosen = parser.parse_args()
    sets = {name: list(images(chosen.data / SETS[name], chosen.most)) for name in chosen.sets}
    if chosen.only in (None, "noise"):
        print("| set | σ | values | mean estimate | least–most | called clean |\n|---|---|---|---|---|---|")
        for name, clean in sets.items():
            noise_rows(name, clean, chosen.seeds)
    if chosen.only in (None, "jpeg"):
        print("\n| set | quality | chroma | quality found | grid found |\n|---|---|---|---|---|")
        for name, clean in sets.items():
            jpeg_rows(name, clean)
    if chosen.only in (None, "twice"):
        print("\n| set | qualities | quality found |\n|---|---|---|")
        for name, clean in sets.items():
            twice_rows(name, clean)


if __name__ == "__main__":
    main()
