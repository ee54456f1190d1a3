"""Measure what tiles do to each of the light weights: ``python -m benchmarks.tiling PHOTOS``.

What it finds goes into ``weights/registry/tiling.json``, by which `restorecli.models.tiling` plans. Only
files that were not measured yet, or hold other numbers since, are: it is the command to run after a training.

- the overlap: tiles of 256 against the whole picture, in grey levels of 255, mean and largest, over all
  photos. Attention makes tiles differ whatever the overlap is; the widest one tells by how much. Taken is the
  narrowest that adds less than `ALLOWED` to that;
- for weights that keep the size: the PSNR by the size of tiles. Some networks, trained on small
  patches, restore worse what they see more of; then tiles are not larger than the best, within `LOST` dB;
- the processors' time per pixel of square tiles of several sizes, with one thread, in float32 and bfloat16
  (where the processor computes it; what was measured before stays otherwise). It does not depend on a file's
  numbers: that of another file with the same network is taken, unless ``--times`` asks for new ones.

PHOTOS is a folder of clean pictures of 480×480 pixels or more, such as Kodak's. With
``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2``, ``--times --precision fp32`` takes the times of a
processor with less.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from restorecli.engine.facts import read_facts
from restorecli.engine.precision import candidates, photo_like, replica
from restorecli.engine.settings import RunSettings
from restorecli.imaging.choices import XTRANS
from restorecli.loading import Models
from restorecli.models.cache import entry_path
from restorecli.models.load import load
from restorecli.models.registry import ModelEntry, load_registry, package_data
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.models.tiling import FILE
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols import Protocol, protocols
from restorecli.quality.scores import psnr
from restorecli.stages import Stage, pass_through

SIDES = (128, 256, 384, 512, 768, 1024)
LOW_SIDES = (64, 96)  # beside them, of networks that take more time per pixel in larger tiles
MOST_SECONDS = 3.0  # of one pass: larger tiles of slow networks are left out
CROP, TILE, LIMITED = 480, 256, 384
OVERLAPS = (8, 16, 24, 32, 64)
ALLOWED = 0.1
TRIED, LOST = (0, 288, 216, 152), 0.005
PROTOCOLS: dict[str, dict[str, Any]] = {
    "dejpeg": {"qualities": (20,)},
    "denoise": {"sigmas": (25.0,)},
    "xtrans": {"pattern": XTRANS},
}
"""By what weights undo, or by their task: which of the protocols, where it is not the first."""
CPU = torch.device("cpu")
Row = dict[str, Any]


def microseconds(network: Network, precision: str, runs: int) -> dict[int, float]:
    """Return the processors' time per pixel by the side of the tile, the least of ``runs``."""
    call = replica(network, CPU, precision)
    limit = network.tile_limit
    sides = [side for side in (*LOW_SIDES, *SIDES) if side <= limit] if limit else list(SIDES)
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


def overlaps(entry: ModelEntry, photos: list[Bytes], limit: int | None) -> list[dict[str, float]]:
    """Return how far tiles are from the whole picture by overlap: mean, largest, PSNR less the whole's.

    Where a network has a ``limit``, tiles are no larger, and pictures twice as large at most.
    """
    tile = min(TILE, limit or TILE)
    crop = min(LIMITED, 2 * tile) if limit else CROP
    pairs = _pairs(entry, [photo[:crop, :crop] for photo in photos])
    whole = _restored(entry, pairs, RunSettings(tile=0, device="cpu"))
    rows = []
    for overlap in (overlap for overlap in OVERLAPS if overlap <= tile // 2):
        tiled = _restored(entry, pairs, RunSettings(tile=tile, overlap=overlap, device="cpu"))
        apart = [255 * np.abs(a - b) for a, b in zip(tiled, whole, strict=True)]
        row = {
            "overlap": overlap,
            "mean": round(statistics.fmean(float(each.mean()) for each in apart), 4),
            "largest": round(max(float(each.max()) for each in apart), 2),
        }
        if entry.scale == 1:
            row["psnr"] = round(_mean_psnr(tiled, pairs) - _mean_psnr(whole, pairs), 4)
        rows.append(row)
    return rows


def narrowest(rows: list[dict[str, float]]) -> int:
    """Return the least overlap that adds less than `ALLOWED` grey levels to what the widest changes."""
    anyway = rows[-1]["mean"]
    return int(next(row["overlap"] for row in rows if row["mean"] - anyway < ALLOWED))


def sizes(entry: ModelEntry, photos: list[Bytes]) -> list[dict[str, float]]:
    """Return the mean PSNR of results by the side of the tiles, 0 for whole pictures."""
    pairs = _pairs(entry, photos)
    rows = []
    for side in TRIED:
        made = _restored(entry, pairs, RunSettings(tile=side, overlap=16, device="cpu"))
        rows.append({"side": side, "psnr": round(_mean_psnr(made, pairs), 4)})
    return rows


def largest(rows: list[dict[str, float]]) -> int | None:
    """Return the largest side whose PSNR is within `LOST` of the best; None where whole pictures are."""
    best = max(row["psnr"] for row in rows)
    side = int(next(row["side"] for row in rows if row["psnr"] > best - LOST))
    return side or None


def is_current(row: Row, entry: ModelEntry) -> bool:
    """Tell whether ``row`` was measured with the weights that ``entry`` is now, and say so in it.

    A file whose metadata alone were written again holds the same tensors.
    """
    if row.get("sha256") != entry.sha256 and row.get("tensors") == tensors_of(entry):
        row["sha256"] = entry.sha256
    return bool(row.get("sha256") == entry.sha256)


def tensors_of(entry: ModelEntry) -> str:
    """Return the beginning of the sha256 of the names and numbers of a shipped file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(entry_path(entry)).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def known_times(table: dict[str, Row], network: str) -> dict[str, Any]:
    """Return the times of any file that has the same network, by precision; empty if there is none."""
    return next((dict(row["microseconds"]) for row in table.values() if row["network"] == network), {})


def _request(entry: ModelEntry) -> ModelRequest:
    return ModelRequest(entry.task, model=entry.name, scale=entry.scale)


def _protocol(entry: ModelEntry) -> Protocol:
    if entry.scale > 1:
        return protocols(entry.task, scales=(entry.scale,))[0]
    kind = entry.degradation if entry.degradation in PROTOCOLS else entry.task
    return protocols(entry.task, **PROTOCOLS.get(kind, {}))[0]


def _pairs(entry: ModelEntry, photos: list[Bytes]) -> list[tuple[Photo, Bytes]]:
    """Return what is to be restored, and the truth; what is enlarged is the clean picture itself."""
    if entry.scale > 1:
        return [(Photo(clean.astype(np.float32) / 255), clean) for clean in photos]
    protocol = _protocol(entry)
    return [(protocol.photo(protocol.degrade(clean, seed)), clean) for seed, clean in enumerate(photos)]


def _restored(entry: ModelEntry, pairs: list[tuple[Photo, Bytes]], settings: RunSettings) -> list[FloatArray]:
    models, protocol = Models(settings), _protocol(entry)
    stage = Stage(protocol.undo(), _request(entry), run=protocol.run)
    return [pass_through(photo, [stage], models).photo.pixels for photo, _ in pairs]


def _mean_psnr(made: list[FloatArray], pairs: list[tuple[Photo, Bytes]]) -> float:
    scores = [psnr(to_bytes(a), truth, border=0) for a, (_, truth) in zip(made, pairs, strict=True)]
    return statistics.fmean(scores)


def _photos(folder: Path, count: int) -> list[Bytes]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".png", ".jpg", ".tif") and len(found) < count:
            with Image.open(path) as opened:
                if min(opened.size) >= CROP:
                    found.append(np.asarray(opened.convert("RGB"))[:CROP, :CROP])
    return found


def measured(entry: ModelEntry, network: Network, photos: list[Bytes]) -> Row:
    """Return what is to be known of a file but for its times."""
    apart = overlaps(entry, photos, network.tile_limit)
    row: Row = {
        "sha256": entry.sha256,
        "tensors": tensors_of(entry),
        "network": read_facts(network).identity,
        "overlap": narrowest(apart),
        "microseconds": {},
        "apart": apart,
    }
    if entry.scale == 1 and network.tile_limit is None:
        row["sizes"] = sizes(entry, photos)
        row["largest"] = largest(row["sizes"])
    return row


def main() -> None:
    """Measure what is not known yet, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("photos", type=Path)
    options.add_argument("--count", type=int, default=3, help="photos to measure on")
    options.add_argument("--runs", type=int, default=3, help="of every time")
    options.add_argument("--model", action="append", help="only this; repeatable")
    options.add_argument("--again", action="store_true", help="also what is known already")
    options.add_argument("--times", action="store_true", help="times also where the same network's are known")
    options.add_argument("--precision", action="append", help="of the times; default: all")
    given = options.parse_args()
    torch.set_num_threads(1)
    photos = _photos(given.photos, given.count)
    file = package_data("registry") / FILE
    table: dict[str, Row] = json.loads(file.read_text(encoding="utf-8"))
    shipped = {entry.name: entry for entry in load_registry().entries if entry.ships}
    for name, entry in shipped.items():
        if given.model and name not in given.model:
            continue
        known = not given.again and is_current(table.get(name, {}), entry)
        if known and not given.times:
            print(name, "as measured before", flush=True)
            continue
        network = load(resolve(_request(entry)))
        row = table[name] if known else measured(entry, network, photos)
        row["microseconds"] = row["microseconds"] or known_times(table, row["network"])
        if given.times or not row["microseconds"]:
            for precision in given.precision or ("fp32", *candidates(CPU)):
                row["microseconds"][precision] = microseconds(network, precision, given.runs)
        table[name] = row
        print(name, *(f"{key}: {value}" for key, value in row.items()), sep="\n  ", flush=True)
        _write(file, table)
    _write(file, {name: row for name, row in table.items() if name in shipped})


def _write(file: Path, table: dict[str, Row]) -> None:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    file.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
