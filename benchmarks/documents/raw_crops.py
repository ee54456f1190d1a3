"""Crops of RAW, ours beside LibRaw's AHD: ``python -m benchmarks.documents.raw_crops --data FOLDER``.

LibRaw's once as it is and once denoised by non-local means, as strongly as suits the noise found in it. All
with the camera's white balance, LibRaw's matrix and sRGB's curve, brightness left alone; pixels are shown
twice as large, unsmoothed. Only files whose licence is CC0 are drawn.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import rawpy
from PIL import Image

from benchmarks.documents.gallery import GALLERY, label, side_by_side, stacked
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.imaging.colour import linear_to_srgb
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.photos.read import read
from restorecli.quality.baselines import non_local_means
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols.demosaic import MEANS_STRENGTH
from restorecli.tasks import mosaic_noise
from restorecli.tasks.demosaic import Demosaic, mosaic_run
from restorecli.tasks.estimate.noise import noise_sigma

# File, then left and top of a crop within what the maker shows.
CROPS = (
    ("canon_s40_0119.crw", 1400, 670),
    ("canon_s40_0119.crw", 170, 150),
    ("canon_s40_0119.crw", 1700, 1010),
)
WIDTH, HEIGHT, ENLARGED = 240, 150, 2
AROUND = 64  # pixels that the network sees beyond the crop, an even number


def part(photo: Photo, left: int, top: int) -> Photo:
    """Cut a RAW photo to a crop and some pixels around it; the crop becomes what is shown.

    Its noise is that of the whole photo, which holds more smooth parts to measure it in.
    """
    assert photo.raw is not None
    noise = mosaic_noise.of_raw(photo.pixels[:, :, 0], photo.raw)
    top, left = photo.raw.crop[0] + top, photo.raw.crop[1] + left
    first, start = (top - AROUND) // 2 * 2, (left - AROUND) // 2 * 2  # even: the pattern stays
    pixels = photo.pixels[first : top + HEIGHT + AROUND, start : left + WIDTH + AROUND]
    crop = (top - first, left - start, HEIGHT, WIDTH)
    raw = replace(photo.raw, crop=crop, noise=noise)
    return replace(photo, pixels=np.ascontiguousarray(pixels), raw=raw)


def ours(photo: Photo, network: Network, prepared: Prepared) -> Bytes:
    """Develop by the network."""
    task = Demosaic()
    job = task.prepare(photo, task.examine(photo), network)
    return to_bytes(task.finish(job, [run(prepared, job.inputs[0]).output]).pixels)


def ahd(file: Path, photo: Photo, left: int, top: int) -> FloatArray:
    """Develop by LibRaw's adaptive homogeneity-directed interpolation (Hirakawa, Parks, IEEE TIP 2005)."""
    assert photo.raw is not None
    with rawpy.imread(str(file)) as raw:
        linear = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0,
            output_bps=16,
            gamma=(1, 1),
            user_flip=0,
        )
    top, left = photo.raw.crop[0] + top, photo.raw.crop[1] + left
    crop = linear[top : top + HEIGHT, left : left + WIDTH].astype(np.float32) / 65535
    return linear_to_srgb(crop)


def denoised(picture: FloatArray) -> Bytes:
    """Denoise by non-local means, by the noise that is found in the picture."""
    found = noise_sigma(picture)
    return non_local_means(picture, MEANS_STRENGTH * found.sigma if found else 0.0)


def panel(pixels: Bytes, text: str) -> Image.Image:
    """Enlarge without smoothing and write below it what it is."""
    size = (WIDTH * ENLARGED, HEIGHT * ENLARGED)
    return label(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), text)


def main() -> None:
    """Write ``raw-crops.png`` into the gallery."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAW files")
    parser.add_argument("--weights", type=Path, help="default: the best light model")
    parser.add_argument("--output", type=Path, default=GALLERY / "raw-crops.png")
    options = parser.parse_args()
    network = load(resolve(ModelRequest("demosaic", weights=options.weights)))
    prepared = prepare(network, RunSettings(tile=0, precision="fp32", **mosaic_run(network)))
    rows = []
    for name, left, top in CROPS:
        photo = read(options.data / name).pages[0]
        theirs = ahd(options.data / name, photo, left, top)
        panels = [
            panel(to_bytes(theirs), f"LibRaw AHD, {name}"),
            panel(denoised(theirs), "LibRaw AHD + non-local means"),
            panel(ours(part(photo, left, top), network, prepared), "restore demosaic"),
        ]
        rows.append(side_by_side(panels))
    stacked(rows).quantize(256, dither=Image.Dither.NONE).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
