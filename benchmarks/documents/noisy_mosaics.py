"""Draw crops of noisy mosaics, ours beside LibRaw's: ``python -m benchmarks.documents.noisy_mosaics``.

The sample photos as a synthetic camera sees them at three speeds, by the protocol of `restore bench --task
demosaic --noise camera`; PSNR over the whole photo. Pixels are shown three times as large, unsmoothed.
Non-local means is shown as strong as suits the photo best: of some multiples of the noise found in it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from benchmarks.documents.cards import CROPS, SIDE, ZOOM
from benchmarks.documents.gallery import GALLERY, SAMPLES, label, side_by_side, stacked
from restorecli.engine.settings import RunSettings
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.quality.baselines import non_local_means
from restorecli.quality.degrade import Bytes
from restorecli.quality.evaluate import Contender
from restorecli.quality.protocols.base import as_float
from restorecli.quality.protocols.demosaic import MOSAIC_ISOS, NoisyDemosaicProtocol
from restorecli.quality.scores import psnr
from restorecli.tasks.estimate.noise import noise_sigma

STRENGTHS = (1, 2, 3, 4)


def row(name: str, iso: float, models: Models) -> Image.Image:
    """Draw one crop at one speed: LibRaw's AHD, the same denoised, the network, the truth."""
    with Image.open(SAMPLES / name) as opened:
        clean = np.asarray(opened.convert("RGB"))
    protocol = NoisyDemosaicProtocol(iso=iso)
    given = protocol.degrade(clean, seed=7)
    theirs = dict(protocol.methods())["LibRaw"](given)
    ours, _ = Contender(ModelRequest("demosaic"), models).restore(given, protocol)
    shown = {"LibRaw": theirs, "LibRaw, NL means": best_means(theirs, clean), "restore demosaic": ours}
    panels = [
        panel(picture, name, f"{text}: {psnr(picture, clean, border=0):.1f} dB")
        for text, picture in shown.items()
    ]
    return side_by_side([*panels, panel(clean, name, f"truth (ISO {iso:g})")])


def best_means(noisy: Bytes, clean: Bytes) -> Bytes:
    """Return what non-local means makes of a picture, at the strength that comes nearest to the truth."""
    light = as_float(noisy)
    found = noise_sigma(light)
    sigma = found.sigma if found else 1.0
    return max(
        (non_local_means(light, times * sigma) for times in STRENGTHS),
        key=lambda made: psnr(made, clean, border=0),
    )


def panel(picture: Bytes, name: str, text: str) -> Image.Image:
    """Cut the photo's crop out, enlarge it and write below it what it is."""
    left, top = CROPS[name]
    crop = Image.fromarray(picture[top : top + SIDE, left : left + SIDE])
    return label(crop.resize((SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST), text)


def main() -> None:
    """Write ``noisy-mosaics.png`` into the gallery."""
    models = Models(RunSettings(tile=0, precision="fp32", device="cpu"))
    rows = [row(name, iso, models) for name, iso in zip(CROPS, MOSAIC_ISOS, strict=True)]
    stacked(rows).quantize(256, dither=Image.Dither.NONE).save(GALLERY / "noisy-mosaics.png", optimize=True)


if __name__ == "__main__":
    main()
