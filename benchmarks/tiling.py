"""Measure what tiles do to each of the light weights: ``python -m benchmarks.tiling PHOTOS``.

What it finds goes into ``weights/registry/tiling.json``, by which `restorecli.models.tiling` plans:

- the processors' time per pixel of square tiles of several sizes, with one thread, in float32 and bfloat16
  (where the processor computes it; what was measured before stays otherwise);
- the overlap: tiles of 256 against the whole picture, in grey levels of 255, mean and largest, over all
  photos. Attention makes tiles differ whatever the overlap is; the widest one tells by how much. Taken is the
  narrowest that adds less than `ALLOWED` to that;
- with --sizes, for weights that keep the size: the PSNR by the size of tiles. Some networks, trained on small
  patches, restore worse what they see more of; then tiles are not larger than the best, within `LOST` dB.

PHOTOS is a folder of clean pictures of 480×480 pixels or more, such as Kodak's. On a processor with less:
``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m benchmarks.tiling PHOTOS --precision fp32``
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from restorecli.engine.precision import candidates, photo_like, replica
from restorecli.engine.settings import RunSettings
from restorecli.loading import Models
from restorecli.models.load import load
from restorecli.models.registry import ModelEntry, load_registry, package_data
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.models.tiling import FILE
from restorecli.photo import FloatArray, Photo
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols import Protocol, protocols
from restorecli.quality.scores import psnr
from restorecli.stages import Stage, pass_through

SIDES = (128, 256, 384, 512, 768, 1024)
MOST_SECONDS = 3.0  # of one pass: larger tiles of slow networks are left out
CROP, TILE = 480, 256
OVERLAPS = (8, 16, 24, 32, 64)
ALLOWED = 0.1
TRIED, LOST = (0, 520, 288, 216, 152), 0.001
PROTOCOLS: dict[str, dict[str, Any]] = {"dejpeg": {"qualities": (20,)}, "denoise": {"sigmas": (25.0,)}}
CPU = torch.device("cpu")


def microseconds(entry: ModelEntry, precision: str, runs: int) -> dict[int, float]:
    """Return the processors' time per pixel by the side of the tile, the least of ``runs``."""
    network = load(resolve(_request(entry)))
    call = replica(network, CPU, precision)
    sides = [side for side in SIDES if side <= (network.tile_limit or SIDES[-1])]
    times: dict[int, list[float]] = {}
    for _ in range(runs):
        for side in list(sides):
            tile = photo_like(network.in_channels, side) * network.value_range
            began = time.process_time()
            with torch.inference_mode():
                call(tile)
            spent = time.process_time() - began
            times.setdefault(side, []).append(spent / side**2 * 1e6)
            if spent > MOST_SECONDS:
                sides = [other for other in sides if other <= side]
    return {side: round(min(spent), 3) for side, spent in times.items()}


def overlaps(entry: ModelEntry, photos: list[Bytes]) -> list[dict[str, float]]:
    """Return how far tiles are from the whole picture by overlap: mean, largest, PSNR less the whole's."""
    protocol = protocols(entry.task, **PROTOCOLS.get(entry.task, {}))[0]
    pairs = list(_pairs(entry, protocol, photos))
    whole = _restored(entry, protocol, pairs, RunSettings(tile=0, device="cpu"))
    rows = []
    for overlap in OVERLAPS:
        settings = RunSettings(tile=TILE, overlap=overlap, device="cpu")
        tiled = _restored(entry, protocol, pairs, settings)
        apart = [255 * np.abs(a - b) for a, b in zip(tiled, whole, strict=True)]
        row = {
            "overlap": overlap,
            "mean": round(statistics.fmean(float(each.mean()) for each in apart), 4),
            "largest": round(max(float(each.max()) for each in apart), 2),
        }
        if entry.scale == 1:
            gains = [
                psnr(to_bytes(a), truth, border=0) - psnr(to_bytes(b), truth, border=0)
                for a, b, (_, truth) in zip(tiled, whole, pairs, strict=True)
            ]
            row["psnr"] = round(statistics.fmean(gains), 4)
        rows.append(row)
    return rows


def narrowest(rows: list[dict[str, float]]) -> int:
    """Return the least overlap that adds less than `ALLOWED` grey levels to what the widest changes."""
    anyway = rows[-1]["mean"]
    return int(next(row["overlap"] for row in rows if row["mean"] - anyway < ALLOWED))


def sizes(entry: ModelEntry, photos: list[Bytes]) -> list[dict[str, float]]:
    """Return the mean PSNR of results by the side of the tiles, 0 for whole pictures."""
    protocol = protocols(entry.task, **PROTOCOLS.get(entry.task, {}))[0]
    pairs = list(_pairs(entry, protocol, photos))
    rows = []
    for side in TRIED:
        made = _restored(entry, protocol, pairs, RunSettings(tile=side, overlap=16, device="cpu"))
        scores = [psnr(to_bytes(a), truth, border=0) for a, (_, truth) in zip(made, pairs, strict=True)]
        rows.append({"side": side, "psnr": round(statistics.fmean(scores), 4)})
    return rows


def largest(rows: list[dict[str, float]]) -> int | None:
    """Return the largest side whose PSNR is within `LOST` of the best; None where whole pictures are."""
    best = max(row["psnr"] for row in rows)
    side = int(next(row["side"] for row in rows if row["psnr"] > best - LOST))
    return side or None


def _request(entry: ModelEntry) -> ModelRequest:
    return ModelRequest(entry.task, model=entry.name, scale=entry.scale)


def _pairs(entry: ModelEntry, protocol: Protocol, photos: list[Bytes]) -> Iterator[tuple[Photo, Bytes]]:
    """Yield what is to be restored, and the truth; what is enlarged is the clean picture itself."""
    for seed, clean in enumerate(photos):
        if entry.scale > 1:
            yield Photo(clean.astype(np.float32) / 255), clean
        else:
            yield protocol.photo(protocol.degrade(clean, seed)), clean


def _restored(
    entry: ModelEntry, protocol: Protocol, pairs: list[tuple[Photo, Bytes]], settings: RunSettings
) -> list[FloatArray]:
    models = Models(settings)
    task = protocols(entry.task, scales=(entry.scale,))[0].undo() if entry.scale > 1 else protocol.undo()
    stage = Stage(task, _request(entry), run=protocol.run)
    return [pass_through(photo, [stage], models).photo.pixels for photo, _ in pairs]


def _photos(folder: Path, count: int) -> list[Bytes]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".png", ".jpg", ".tif") and len(found) < count:
            with Image.open(path) as opened:
                if min(opened.size) >= CROP:
                    found.append(np.asarray(opened.convert("RGB"))[:CROP, :CROP])
    return found


def main() -> None:
    """Measure, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("photos", type=Path)
    options.add_argument("--count", type=int, default=3, help="photos to measure the overlap on")
    options.add_argument("--runs", type=int, default=3, help="of every time")
    options.add_argument("--model", action="append", help="only this; repeatable")
    options.add_argument("--precision", action="append", help="of the times; default: all")
    options.add_argument("--no-overlap", action="store_true", help="no overlap")
    options.add_argument("--no-times", action="store_true", help="no times")
    options.add_argument("--sizes", action="store_true", help="PSNR by the size of tiles")
    given = options.parse_args()
    torch.set_num_threads(1)
    photos = _photos(given.photos, given.count)
    file = package_data("registry") / FILE
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for entry in (entry for entry in load_registry().entries if entry.ships):
        if given.model and entry.name not in given.model:
            continue
        row = table.setdefault(entry.name, {"overlap": None, "microseconds": {}, "apart": []})
        wanted = given.precision or ("fp32", *candidates(CPU))
        for precision in () if given.no_times else wanted:
            row["microseconds"][precision] = microseconds(entry, precision, given.runs)
            print(entry.name, precision, row["microseconds"][precision], flush=True)
        if not given.no_overlap:
            row["apart"] = overlaps(entry, photos)
            row["overlap"] = narrowest(row["apart"])
            print(entry.name, row["overlap"], *row["apart"], sep="\n  ", flush=True)
        if given.sizes and entry.scale == 1:
            row["sizes"] = sizes(entry, photos)
            row["largest"] = largest(row["sizes"])
            print(entry.name, row["largest"], *row["sizes"], sep="\n  ", flush=True)
        _write(file, table)


def _write(file: Path, table: dict[str, Any]) -> None:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    file.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
