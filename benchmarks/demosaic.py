"""PSNR of demosaicing, ours beside the classical methods: ``python -m benchmarks.demosaic --data FOLDER``.

The protocol of the papers: a clean 8-bit picture is sampled by RGGB without noise; PSNR over R, G and B of
the 8-bit result, whole picture, mean over the set. LibRaw's methods see the same mosaic, as a DNG whose
linear values are the picture's values (×257), with all colour conversion, scaling and brightening off; the
row "LibRaw linear" is only there to show that this loses nothing: it is bilinear, but for the border.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

from restorecli.engine.cache import cache_dir
from restorecli.imaging import bayer, cfa
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.scores import psnr
from tests.dng_maker import cfa_dng

PATTERN = "RGGB"
SETS = {"Kodak 24": "kodak24", "McMaster 18": "mcm18"}
Mosaic = NDArray[np.uint8]
Method = Callable[[Mosaic], Bytes]


def plain(interpolate: Callable[[NDArray[np.float32], str], NDArray[np.float32]]) -> Method:
    """Return an interpolation of values in 0–1 as a method on bytes."""
    return lambda mosaic: to_bytes(interpolate((mosaic / 255).astype(np.float32), PATTERN))


def menon(mosaic: Mosaic) -> Bytes:
    """Menon, Andriani, Calvagno, IEEE TIP 16(1), 2007 (DDFAPD, refined), as colour-demosaicing has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from colour_demosaicing import demosaicing_CFA_Bayer_Menon2007
    return to_bytes(demosaicing_CFA_Bayer_Menon2007(mosaic / 255, PATTERN))


def libraw(algorithm: rawpy.DemosaicAlgorithm) -> Method:
    """Return one of LibRaw's methods, colours and brightness left alone."""

    def interpolate(mosaic: Mosaic) -> Bytes:
        with rawpy.imread(io.BytesIO(cfa_dng(mosaic.astype(np.uint16) * 257, PATTERN))) as raw:
            result = raw.postprocess(
                demosaic_algorithm=algorithm,
                user_wb=[1, 1, 1, 1],
                output_color=rawpy.ColorSpace.raw,
                gamma=(1, 1),
                no_auto_bright=True,
                no_auto_scale=True,
                adjust_maximum_thr=0,
                output_bps=16,
                user_flip=0,
            )
        return to_bytes(result / np.float32(65535))

    return interpolate


def network(name: str) -> tuple[Method, str]:
    """Return the method of a model (an entry, or a weights file), through the task itself, and its digest."""
    from restorecli.engine.prepare import prepare
    from restorecli.engine.run import run
    from restorecli.engine.settings import RunSettings
    from restorecli.models.load import load
    from restorecli.models.resolve import ModelRequest, resolve
    from restorecli.photo import Photo
    from restorecli.tasks.demosaic import Demosaic, mosaic_run

    file = Path(name)
    resolved = resolve(ModelRequest("demosaic", **({"weights": file} if file.is_file() else {"model": name})))
    loaded, task = load(resolved), Demosaic(PATTERN)
    prepared = prepare(loaded, RunSettings(tile=0, precision="fp32", **mosaic_run(loaded)))

    def interpolate(mosaic: Mosaic) -> Bytes:
        photo = Photo((mosaic / 255).astype(np.float32)[:, :, None])
        job = task.prepare(photo, task.examine(photo), loaded)
        return to_bytes(task.finish(job, [run(prepared, job.inputs[0]).output]).pixels)

    return interpolate, resolved.digest


CLASSICAL: dict[str, Method] = {
    "bilinear": plain(bayer.bilinear),
    "LibRaw linear": libraw(rawpy.DemosaicAlgorithm.LINEAR),
    "Malvar, He, Cutler": plain(bayer.malvar),
    "LibRaw AHD": libraw(rawpy.DemosaicAlgorithm.AHD),
    "LibRaw DCB": libraw(rawpy.DemosaicAlgorithm.DCB),
    "LibRaw DHT": libraw(rawpy.DemosaicAlgorithm.DHT),
    "Menon (DDFAPD)": menon,
}


class Scores:
    """PSNR per method and picture, kept in a file so that nothing is measured twice."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, float] = json.loads(file.read_text()) if file.is_file() else {}

    def of(self, method: str, interpolate: Method, picture: Path) -> float:
        """Return the PSNR of one method on one picture."""
        data = picture.read_bytes()
        key = f"{method} {picture.name} {hashlib.sha256(data).hexdigest()[:16]}"
        if key not in self.known:
            with Image.open(io.BytesIO(data)) as image:
                truth = np.asarray(image.convert("RGB"))
            result = interpolate(cfa.sample(truth, PATTERN))
            self.known[key] = psnr(result, truth, border=0)
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.known, indent=1))
        return self.known[key]


def main() -> None:
    """Print a Markdown table: classical methods, then models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak24 and mcm18")
    parser.add_argument("--model", action="append", default=[], help="entry or file; repeatable")
    parser.add_argument("--results", type=Path, default=cache_dir() / "benchmark-demosaic.json")
    options = parser.parse_args()
    scores = Scores(options.results)
    sets = {name: sorted((options.data / place).glob("*.*")) for name, place in SETS.items()}
    sets = {name: [f for f in files if f.suffix in (".png", ".tif", ".bmp")] for name, files in sets.items()}
    print("| method | " + " | ".join(f"{name} ({len(files)})" for name, files in sets.items()) + " |")
    print("|---|" + "---|" * len(sets), flush=True)
    methods = {name: (name, method) for name, method in CLASSICAL.items()}
    for model in options.model:
        method, digest = network(model)
        methods[Path(model).stem] = (digest, method)
    for name, (key, method) in methods.items():
        means = [np.mean([scores.of(key, method, f) for f in files]) for files in sets.values()]
        print(f"| {name} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
