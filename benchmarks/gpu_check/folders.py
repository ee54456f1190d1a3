"""The command itself on folders: twice the same, small photos together, its bench, and training steps."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.gpu_check.check import CUDA, LIGHT, Check, light
from restorecli.engine.precision import photo_like
from restorecli.quality.timing import synchronise

WEIGHTS = LIGHT / "nlsn-light-x2.safetensors"


def command(*arguments: object) -> tuple[int, str, str]:
    """Run ``restore ARGUMENTS…`` in this process; return its exit code and what both streams got."""
    from restorecli.cli.app import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = sys.argv
    sys.argv = ["restore", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        sys.argv = before
    printed, errors = (stream.buffer.getvalue().decode("utf-8") for stream in (out, err))  # type: ignore[attr-defined]
    return code, printed, errors


def upscale(photos: Path, into: Path, *arguments: object) -> tuple[int, float, str]:
    """Enlarge a folder; return the exit code, the seconds, and the end of what went wrong."""
    common = ("--weights", WEIGHTS, "--device", "cuda", "--precision", "fp16", "-q")
    began = time.perf_counter()
    code, _, errors = command("upscale", "-x2", photos, *common, *arguments, "-o", into)
    return code, time.perf_counter() - began, errors.strip()[-500:]


def folder_twice(check: Check) -> None:
    """Restore a folder twice and compare the bytes; tell how long the device was at work."""
    extent, place = check.extent, check.place
    photos, results = place / "photos", []
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(extent.photos):
        sides = [int(extent.photo_side * factor) for factor in rng.uniform(0.6, 1, 2)]
        picture = photo_like(3, max(sides))[0, :, : sides[0], : sides[1]].permute(1, 2, 0).numpy()
        pixels = np.clip(picture + rng.normal(0, 0.01, picture.shape), 0, 1)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(photos / f"{number:03d}.png")
    for number in range(2):
        code, seconds, errors = upscale(photos, place / f"out{number}")
        files = sorted((place / f"out{number}").glob("*.png"))
        results.append([file.read_bytes() for file in files])
        check.told.row(run=number + 1, photos=len(files), of=extent.photos, seconds=seconds, exit_code=code)
        if code:
            check.told.say(errors)
    same = results[0] == results[1] and len(results[0]) == extent.photos
    check.told.say("Both runs gave the same bytes." if same else "**The runs differ.**")
    measured = ("bench", "--folder", photos, "--task", "upscale", "-x", 2, "--weights", WEIGHTS)
    code, text, errors = command(*measured, "--device", "cuda", "--precision", "fp16", "--json")
    if code:
        check.told.say(f"`restore bench --folder` ended with {code}: {errors.strip()[-500:]}")
        return
    row: dict[str, Any] = json.loads(text)["rows"][0]
    check.told.row(
        MP_per_s=row["megapixels"] / row["seconds"],
        seconds=row["seconds"],
        engine_at_work=row["spent"]["device"] / row["seconds"],
        bottleneck=str(row["bottleneck"]),
        spent=json.dumps({stage: round(seconds, 2) for stage, seconds in row["spent"].items()}),
    )


def small_photos(check: Check) -> None:
    """Restore crops of one size, one by one and together; compare the time and the pixels."""
    extent, crops, single = check.extent, check.place / "crops", check.place / "crop"
    crops.mkdir()
    single.mkdir()
    rng = np.random.default_rng(1)
    picture = photo_like(3, extent.crop_side)[0].permute(1, 2, 0).numpy()
    for number in range(2 * extent.photos):
        pixels = np.clip(picture + rng.normal(0, 0.02, picture.shape), 0, 1)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(crops / f"{number:03d}.png")
    shutil.copy(crops / "000.png", single)
    found = {}
    for way, folder, batch in (
        ("together, first", crops, ()),
        ("one by one", crops, ("--batch", 1)),
        ("together", crops, ()),
        ("alone in a folder", single, ()),
    ):
        code, seconds, errors = upscale(folder, check.place / way, *batch)
        found[way] = [np.asarray(Image.open(file), int) for file in sorted((check.place / way).glob("*.png"))]
        due = len(list(folder.iterdir()))
        check.told.row(way=way, crops=len(found[way]), of=due, seconds=seconds, exit_code=code)
        if code:
            check.told.say(errors)
    for one in ("one by one", "together, first", "alone in a folder"):
        other = "together"
        gaps = [np.abs(a - b) for a, b in zip(found[one], found[other], strict=False)]
        check.told.row(
            compared=f"{one} and {other}",
            samples_that_differ=float(np.mean([(gap > 0).mean() for gap in gaps])),
            levels_at_most=max(int(gap.max()) for gap in gaps),
        )


def bench(check: Check) -> None:
    """Give the Markdown that `restore bench` prints."""
    sweep = ("--sweep", "tile", "--task", "upscale", "-x", 2, "--model", "nlsn")
    for arguments in (check.extent.bench or (), sweep):
        shortened = ("--size", "16", "--runs", "1") if check.fake and "--sweep" in arguments else ()
        code, text, errors = command(
            "bench", "--device", "cuda", "--precision", "fp16", *arguments, *shortened
        )
        check.told.say(text.rstrip() if code == 0 else f"**`restore bench` ended with {code}**\n\n{errors}")


def training(check: Check) -> None:
    """Time training steps of a light network."""
    network = light("nlsn-light-x2").train().requires_grad_(True).to(CUDA)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-5, foreach=False)
    small, large = (torch.rand(16, 3, side, side, device=CUDA) for side in (48, 96))
    seconds = 0.0
    for step in range(check.extent.steps + 1):
        began = time.perf_counter()
        optimiser.zero_grad()
        (network(small) - large).abs().mean().backward()
        optimiser.step()
        synchronise(CUDA)
        seconds += time.perf_counter() - began if step else 0.0
    check.told.row(
        network="nlsn-light-x2", batch="16 patches of 48", fp32_steps_per_s=check.extent.steps / seconds
    )
