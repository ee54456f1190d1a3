"""PSNR and SSIM of upscaling weights on test sets: ``python -m benchmarks.quality --data FOLDER``.

The protocol of the super-resolution papers: clean images cropped to a multiple of the scale and shrunk by
MATLAB's bicubic to 8 bit; PSNR and SSIM on BT.601 luma of the 8-bit result, ``scale`` pixels cut all round.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.quality.degrade import Bytes, crop_to_multiple, imresize, shrink, to_bytes
from restorecli.quality.scores import luma, psnr, ssim

SETS = {"Set5": "set5/HR", "Set14": "set14/HR", "B100": "b100/HR", "Urban100 (20)": "urban100_20/HR"}
Enlarge = Callable[[Bytes], Bytes]


def network(name: str, scale: int, settings: RunSettings) -> Enlarge:
    """Return the enlargement by the model called ``name`` (an entry, or a weights file)."""
    file = Path(name)
    given = {"weights": file} if file.is_file() else {"model": name}
    request = ModelRequest("upscale", scale=scale, **given)
    prepared = prepare(load(resolve(request)), settings)

    def enlarge(image: Bytes) -> Bytes:
        tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        return to_bytes(run(prepared, tensor).output[0].permute(1, 2, 0).numpy())

    return enlarge


def bicubic(scale: int) -> Enlarge:
    """Return MATLAB's bicubic enlargement."""
    return lambda image: imresize(image, image.shape[0] * scale, image.shape[1] * scale, scale)


def score(folder: Path, scale: int, enlarge: Enlarge) -> tuple[float, float, int]:
    """Return mean PSNR, mean SSIM and the number of images of ``folder``."""
    rows = []
    for file in sorted(f for f in folder.iterdir() if f.suffix.lower() in (".png", ".bmp", ".jpg")):
        with Image.open(file) as image:
            truth = crop_to_multiple(np.asarray(image.convert("RGB")), scale)
        result = luma(enlarge(shrink(truth, scale)))
        clean = luma(truth)
        rows.append((psnr(result, clean, border=scale), ssim(result, clean, border=scale)))
    return float(np.mean([row[0] for row in rows])), float(np.mean([row[1] for row in rows])), len(rows)


def main() -> None:
    """Print a Markdown table: bicubic and each model, per scale and set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds set5/HR, set14/HR, …")
    parser.add_argument("--scale", type=int, action="append", help="2, 3 or 4; repeatable (default: all)")
    parser.add_argument("--model", default="nlsn-light-x{scale}", help="entry or file; {scale} is filled in")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--tile", type=int, default=0, help="0: whole images")
    parser.add_argument("--self-ensemble", action="store_true")
    options = parser.parse_args()
    settings = RunSettings(
        tile=options.tile, precision=options.precision, self_ensemble=options.self_ensemble
    )
    sets = {name: options.data / place for name, place in SETS.items() if (options.data / place).is_dir()}
    print("| scale | enlarged by | " + " | ".join(f"{name} PSNR / SSIM" for name in sets) + " |")
    print("|---|---|" + "---|" * len(sets))
    for scale in options.scale or (2, 3, 4):
        name = options.model.format(scale=scale)
        for label, enlarge in (("bicubic", bicubic(scale)), (name, network(name, scale, settings))):
            cells = [f"{p:.2f} / {s:.4f}" for p, s, _ in (score(f, scale, enlarge) for f in sets.values())]
            print(f"| ×{scale} | {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
