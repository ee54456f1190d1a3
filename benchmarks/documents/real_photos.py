"""Pictures of small photos, blur, darkness: ``python -m benchmarks.documents.real_photos --kodak FOLDER``.

FOLDER holds pictures of the Kodak suite (kodim01.png and so on), which Kodak released for unrestricted use.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.documents.cards import restored
from benchmarks.documents.gallery import GALLERY, SAMPLES, label, side_by_side, stacked
from restorecli import deblur
from restorecli.imaging.blur.disc import disc_kernel
from restorecli.models.registry import load_registry
from restorecli.quality.degradations.blur import blurred, motion_kernel
from restorecli.quality.degradations.darkness import SHOT, darkened
from restorecli.quality.degradations.small_photo import draw_past, made_small
from restorecli.quality.degrade import crop_to_multiple, to_bytes
from restorecli.quality.protocols.base import as_float
from restorecli.quality.scores import psnr
from restorecli.tasks.estimate.exposure import brightened, stops_too_dark
from restorecli.training.drawings import sheets

Bytes = NDArray[np.uint8]
SIDE, SCALE = 224, 4
CROPS = {"kodim15": (250, 150), "kodim04": (150, 170), "kodim13": (430, 250), "kodim08": (260, 130)}
"""Picture → left and top of what is shown: two faces, trees behind water, houses with fine lines."""
ENLARGED_BY = {
    "nlsn-light-x4": "usual weights",
    "nlsn-light-real-x4": "real",
    "nlsn-light-real-x4-sharp": "sharp",
}
TEXT_SEED, SEEN = 4, (20, 120)


def crop(picture: Bytes, place: tuple[int, int], text: str) -> Image.Image:
    """Return a part of a picture as it is, with a line below."""
    left, top = place
    return label(Image.fromarray(picture[top : top + SIDE, left : left + SIDE]), text)


def by(name: str, given: NDArray[np.float32]) -> Bytes:
    """Return what light weights make of H×W×3 in 0–1."""
    return restored(load_registry().find(name), given)


def scored(what: str, picture: Bytes, clean: Bytes) -> str:
    return f"{what}: {psnr(picture, clean, border=SCALE):.1f} dB"


def enlarged(clean: Bytes, place: tuple[int, int], seed: int) -> Image.Image:
    """Draw bicubic, the usual ×4 weights, those for real photos, clean and sharp, the truth."""
    clean, rng = crop_to_multiple(clean, SCALE), np.random.default_rng(seed)
    small = made_small(clean, SCALE, draw_past(rng, SCALE), rng)
    size = (clean.shape[1], clean.shape[0])
    larger = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    panels = [crop(larger, place, scored("bicubic", larger, clean))]
    for name, text in ENLARGED_BY.items():
        made = by(name, as_float(small))
        panels.append(crop(made, place, scored(text, made, clean)))
    return side_by_side([*panels, crop(clean, place, "truth")])


def photo_enlarged(name: str, box: tuple[int, int, int, int]) -> Image.Image:
    """Draw a part of a photo as a camera made it, four times as large."""
    with Image.open(SAMPLES / "noisy" / name) as opened:
        small = np.asarray(opened.convert("RGB").crop(box))
    larger = np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    panels = [label(Image.fromarray(larger), "a photo, bicubic")]
    for weights, text in ENLARGED_BY.items():
        panels.append(label(Image.fromarray(by(weights, as_float(small))), text))
    return side_by_side(panels)


def sharpened(clean: Bytes, place: tuple[int, int], kernel: NDArray[np.float32], what: str) -> Image.Image:
    """Draw blurred, deblurred, the truth."""
    noise = np.random.default_rng(1).standard_normal(clean.shape, dtype=np.float32) / 255
    seen = to_bytes(blurred(clean, kernel) + noise)
    made = deblur(seen)
    panels = [crop(seen, place, scored(what, seen, clean))]
    panels.append(crop(made, place, scored("restore deblur", made, clean)))
    return side_by_side([*panels, crop(clean, place, "truth")])


def lit(clean: Bytes, place: tuple[int, int], stops: float) -> Image.Image:
    """Draw dark, only brightened, brightened and denoised, the truth."""
    dark = darkened(clean, stops, SHOT, np.random.default_rng(2))
    light = brightened(as_float(dark), 2 ** stops_too_dark(as_float(dark)))
    made = by("nlsn-light-enhance", light)
    return side_by_side(
        [
            crop(dark, place, f"{stops:g} stops too dark"),
            crop(to_bytes(light), place, "brightened"),
            crop(made, place, "restore enhance"),
            crop(clean, place, "truth"),
        ]
    )


def main() -> None:
    """Draw the three sheets."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--kodak", type=Path, required=True)
    options.add_argument("--only", choices=("real", "deblur", "enhance"))
    given = options.parse_args()
    photos = {}
    for name in CROPS:
        with Image.open(given.kodak / f"{name}.png") as opened:
            photos[name] = np.asarray(opened.convert("RGB"))
    drawn = sheets(TEXT_SEED, 1)[0]
    pages = {
        "real": lambda: [
            *(enlarged(photos[name], place, seed) for seed, (name, place) in enumerate(CROPS.items())),
            enlarged(drawn, SEEN, 9),
            photo_enlarged("papaya.png", (60, 120, 116, 176)),
        ],
        "deblur": lambda: [
            sharpened(
                photos["kodim15"], CROPS["kodim15"], motion_kernel(np.random.default_rng(3), 13), "motion"
            ),
            sharpened(
                photos["kodim13"], CROPS["kodim13"], motion_kernel(np.random.default_rng(7), 7), "motion"
            ),
            sharpened(photos["kodim08"], CROPS["kodim08"], disc_kernel(3), "missed focus"),
        ],
        "enhance": lambda: [
            lit(photos["kodim04"], CROPS["kodim04"], 3),
            lit(photos["kodim13"], CROPS["kodim13"], 2.5),
            lit(photos["kodim08"], CROPS["kodim08"], 4),
        ],
    }
    for name, rows in pages.items():
        if given.only in (None, name):
            sheet = stacked(rows())
            file = GALLERY / f"{name}.png"
            sheet.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
            print(file)


if __name__ == "__main__":
    main()
