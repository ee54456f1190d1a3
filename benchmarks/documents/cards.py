"""Draw the light weights' pictures for their model cards: ``python -m benchmarks.documents.cards``.

One row per file, from the sample photos: what the network is given, what it makes, and the truth.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.documents.gallery import GALLERY, NOISY_CROPS, SAMPLES, label, side_by_side, stacked
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.imaging import cfa, network_view
from restorecli.models.load import load
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.quality.degradations.blur import blurred, motion_kernel
from restorecli.quality.degradations.darkness import SHOT, darkened
from restorecli.quality.degradations.small_photo import draw_past, made_small
from restorecli.quality.degrade import add_noise, jpeg, shrink, to_bytes
from restorecli.quality.scores import psnr
from restorecli.tasks.demosaic import mosaic_run
from restorecli.tasks.estimate.exposure import brightened, stops_too_dark
from restorecli.tasks.mosaics import show

SIGMA, QUALITY = 35, 12
MOTION, STOPS = 11, 3  # pixels; stops
CROPS = {"motocross.png": (70, 0), "coast/lighthouse.png": (124, 58), "parrots.png": (20, 60)}
SIDE, ZOOM = 84, 3  # pixels of a crop; how much larger it is drawn
Bytes = NDArray[np.uint8]


def given_to(entry: ModelEntry, clean: Bytes, seed: int = 0) -> tuple[NDArray[np.float32], Bytes, str]:
    """Return what the entry restores (0–1; H×W if a mosaic), a picture of it, and what that is."""
    light, rng = clean.astype(np.float32) / np.float32(255), np.random.default_rng(seed)
    if entry.task == "denoise":
        noisy = add_noise(clean, SIGMA, seed=7)
        return noisy, to_bytes(noisy), f"noise, sigma {SIGMA}"
    if entry.task == "dejpeg":
        once = jpeg(clean, QUALITY)
        return once.astype(np.float32) / np.float32(255), once, f"JPEG, quality {QUALITY}"
    if entry.task == "demosaic":
        pattern = network_view.FORMS[entry.shape["demosaic_input"]]
        mosaic = cfa.sample(light, pattern)
        named = "X-Trans mosaic" if entry.degradation == "xtrans" else "mosaic"
        return mosaic, to_bytes(cfa.as_zeros(mosaic, pattern)), named
    if entry.task == "deblur":
        blurry = to_bytes(blurred(clean, motion_kernel(rng, MOTION)))
        return blurry.astype(np.float32) / np.float32(255), blurry, f"motion of {MOTION} pixels"
    if entry.task == "enhance":
        dark = darkened(clean, STOPS, SHOT, rng)
        seen = dark.astype(np.float32) / np.float32(255)
        return brightened(seen, 2 ** stops_too_dark(seen)), dark, f"{STOPS} stops too dark"
    small = shrink(clean, entry.scale or 1)
    if entry.degradation in ("real", "real-sharp"):
        small = made_small(clean, entry.scale, draw_past(rng, entry.scale), rng)
    larger = Image.fromarray(small).resize((clean.shape[1], clean.shape[0]), Image.Resampling.BICUBIC)
    return small.astype(np.float32) / np.float32(255), np.asarray(larger), f"bicubic x{entry.scale}"


def restored(entry: ModelEntry, given: NDArray[np.float32]) -> Bytes:
    """Run the entry's weights on what `given_to` returned."""
    network = load(resolve(ModelRequest(entry.task, model=entry.name, scale=entry.scale)))
    if entry.task == "demosaic":
        shown = show(given, network_view.FORMS[network.demosaic_input], network)
        prepared = prepare(network, RunSettings(device="cpu", tile=256, **mosaic_run(network)))
        return to_bytes(shown.colours(run(prepared, shown.tensor).output, *given.shape))
    prepared = prepare(network, RunSettings(device="cpu", tile=256))
    x = torch.from_numpy(np.ascontiguousarray(given)).permute(2, 0, 1)[None]
    return to_bytes(run(prepared, x).output[0].permute(1, 2, 0).numpy())


def row(entry: ModelEntry, name: str) -> Image.Image:
    """Draw one crop: given, restored, truth, each with its PSNR over the whole photo."""
    with Image.open(SAMPLES / name) as opened:
        clean = np.asarray(opened.convert("RGB"))
    scale = entry.scale or 1
    clean = clean[: clean.shape[0] // scale * scale, : clean.shape[1] // scale * scale]
    given, shown, what = given_to(entry, clean, list(CROPS).index(name))
    made = restored(entry, given)
    left, top = CROPS[name]
    panels = []
    for picture, text in ((shown, what), (made, entry.name.removeprefix("nlsn-")), (clean, "truth")):
        crop = Image.fromarray(picture[top : top + SIDE, left : left + SIDE])
        score = "" if picture is clean else f": {psnr(picture, clean, border=scale):.1f} dB"
        crop = crop.resize((SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST)
        panels.append(label(crop, text + score))
    return side_by_side(panels)


def real_row(entry: ModelEntry, name: str) -> Image.Image:
    """Draw a crop of a photo with a camera's own noise: as it is, and restored."""
    with Image.open(SAMPLES / "noisy" / name) as opened:
        photo = np.asarray(opened.convert("RGB"))
    made = restored(entry, photo.astype(np.float32) / np.float32(255))
    left, top, *_ = NOISY_CROPS[name]
    panels = [
        label(
            Image.fromarray(picture[top : top + SIDE, left : left + SIDE]).resize(
                (SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST
            ),
            text,
        )
        for picture, text in ((photo, "a real photo"), (made, entry.name))
    ]
    return side_by_side(panels)


def main() -> None:
    """Draw a sheet of three photos for every file."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--model", action="append", help="only this; repeatable")
    only = options.parse_args().model
    folder = GALLERY / "light"
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (entry for entry in load_registry().entries if entry.ships):
        if only and entry.name not in only:
            continue
        rows = [row(entry, name) for name in CROPS]
        if "real" in entry.degradations and entry.task == "denoise":
            rows = [*(real_row(entry, name) for name in NOISY_CROPS), *rows]
        sheet = stacked(rows)
        sheet.quantize(256, dither=Image.Dither.NONE).save(folder / f"{entry.name}.png", optimize=True)
        print(folder / f"{entry.name}.png")


if __name__ == "__main__":
    main()
