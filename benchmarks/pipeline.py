"""The whole tool against a plain loop, and its three stages together against each alone.

``python -m benchmarks.pipeline`` or ``make bench``. On a folder of photos (the samples of the documentation,
by default), in turns in one process, with one thread:

- **plain**: for every photo Pillow reads it, the same network (in the precision that the tool chose) gets the
  whole picture, and Pillow writes a PNG. No decisions, profiles, metadata, records, tiles or safe files;
- **earlier**: the tool with the tiles that it had before they were planned by cost (256, network's overlap);
- **tool**: as it is now.

The numbers are the processor's seconds, so that a busy machine matters little; ratios are medians over pairs,
with the smallest and the largest. Then reading, the network and writing are measured one after the other for
every photo, and the wall-clock time of the run with reader and writer threads is set beside the longest of
the three: that ratio needs a machine with nothing else to do and as many cores as stages. ``--mixed 200``
does that for 200 photos of several sizes and formats; ``--many 20000`` measures folders of tiny pictures.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import tifffile
import torch
from PIL import Image

from benchmarks.giants import Networks, Quiet
from restorecli.engine.lane import Lane
from restorecli.engine.settings import RunSettings
from restorecli.loading import Loaded, Models
from restorecli.models.choose import ModelRequest
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline import threads
from restorecli.pipeline.photo import Setup, read_photo, restore_photo, write_photo
from restorecli.results import Encoding
from restorecli.stages import Stage
from restorecli.tasks.dejpeg import Dejpeg
from restorecli.tasks.same_size import SameSize

SIZES = ((160, 120), (256, 256), (320, 240), (480, 320), (640, 480), (800, 600))
ENDINGS = (".jpg", ".png", ".tif", ".webp")
SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
MODEL = "nlsn-light-dejpeg"
REQUEST = ModelRequest("dejpeg", model=MODEL)
QUALITY = 30.0


def mixed(folder: Path, count: int) -> None:
    """Write ``count`` photos of several sizes and formats, cut from the samples continued by reflection."""
    samples = [path for path in sorted(SAMPLES.rglob("*")) if path.suffix in (".jpg", ".png")]
    for number in range(count):
        width, height = SIZES[number % len(SIZES)]
        with Image.open(samples[number % len(samples)]) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        while pixels.shape[0] < height + count or pixels.shape[1] < width + count:
            pixels = np.pad(pixels, [(0, pixels.shape[0]), (0, pixels.shape[1]), (0, 0)], "reflect")
        part = np.ascontiguousarray(pixels[number:][:height, number:][:, :width])
        ending = ENDINGS[number // len(SIZES) % len(ENDINGS)]
        if ending == ".tif":
            tifffile.imwrite(folder / f"{number:04}.tif", part.astype(np.uint16) * 257, photometric="rgb")
        else:
            Image.fromarray(part).save(folder / f"{number:04}{ending}", quality=80)


def planned(photos: Path, out: Path) -> list[PlannedPhoto]:
    """Return what is to be done with every photo of a folder."""
    return plan_names(find_inputs([str(photos)]), output=str(out), task_suffix="x").photos


def setup(models: Models) -> Setup:
    """Return what all photos share: a quality that is given, so that no photo is left alone."""
    return Setup((Stage(Dejpeg(QUALITY), REQUEST),), models)


def plain_loop(photos: list[PlannedPhoto], loaded: Loaded, out: Path) -> None:
    """Do what a script of ten lines would do."""
    prepared = loaded.prepared
    lane: Lane = prepared.lanes[0]
    network = lane.replica(prepared.precision)
    for number, photo in enumerate(photos):
        with Image.open(photo.found.path) as opened:
            pixels = np.asarray(opened.convert("RGB"), dtype=np.float32) / 255
        with torch.inference_mode():
            made = network(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0]
        rounded = (made.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(rounded).save(out / f"{number}.png")


def with_tool(photos: Path, models: Models, out: Path) -> None:
    """Restore a folder as the command does."""
    tally = threads.run(planned(photos, out), setup(models), Quiet(), Event(), jobs=1)
    if tally.failed:
        raise SystemExit(f"{tally.failed} photos failed")


def processor_seconds(work: Callable[[], None]) -> float:
    """Return the processor's time that ``work`` takes, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compared(photos: Path, runs: int) -> None:
    """Print the table of processor seconds."""
    now = Models(RunSettings(device="cpu"))
    loaded = now.get(REQUEST)
    overlap = loaded.network.tile_overlap
    earlier = Models(RunSettings(tile=256, overlap=overlap, device="cpu"))
    found = planned(photos, Path("unused"))
    with tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Callable[[Path], None]] = {
            "plain loop": lambda out: plain_loop(found, loaded, out),
            "earlier tiles": lambda out: with_tool(photos, earlier, out),
            "tool": lambda out: with_tool(photos, now, out),
        }
        spent: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(runs + 1):
            for name, work in contenders.items():
                out = Path(folder, f"{name}-{number}")
                out.mkdir()
                seconds = processor_seconds(lambda: work(out))  # noqa: B023
                if number:  # the first run warms up
                    spent[name].append(seconds)
    print(f"{len(found)} photos, {MODEL}, {loaded.prepared.precision}, {runs} runs in turns\n")
    print("| | CPU seconds, median | against the tool, median | smallest … largest |\n|---|---|---|---|")
    for name, seconds in spent.items():
        ratios = [one / own for one, own in zip(seconds, spent["tool"], strict=True)]
        spread = f"{min(ratios):.2f} … {max(ratios):.2f}"
        median = statistics.median(seconds)
        print(f"| {name} | {median:.2f} | {statistics.median(ratios):.2f} | {spread} |", flush=True)


def overlapped(photos: Path, jobs: int) -> None:
    """Print how long each stage takes alone, and all of them together."""
    models = Models(RunSettings(device="cpu"))
    models.get(REQUEST)
    alone = {"reading": 0.0, "network": 0.0, "writing": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for photo in planned(photos, Path(folder, "alone")):
            marks = [time.perf_counter()]
            source = read_photo(photo, setup(models))
            marks.append(time.perf_counter())
            restored = restore_photo(photo, source, setup(models), Quiet(), Event())
            marks.append(time.perf_counter())
            write_photo(restored, setup(models))
            marks.append(time.perf_counter())
            for name, begin, end in zip(alone, marks, marks[1:], strict=False):
                alone[name] += end - begin
        began = time.perf_counter()
        shared = setup(models)
        threads.run(planned(photos, Path(folder, "together")), shared, Quiet(), Event(), jobs=jobs)
        together = time.perf_counter() - began
    slowest = max(alone.values())
    print("\n| stage | wall seconds |\n|---|---|")
    for name, seconds in alone.items():
        print(f"| {name} alone | {seconds:.2f} |")
    print(f"| all three together | {together:.2f}, {together / slowest:.2f} of the slowest |")
    waits = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in shared.watch.seconds.items())
    print(f"\nwithin the run: {waits}", flush=True)


def many(counts: list[int]) -> None:
    """Print what folders of 16×16 pictures take: planning, a run, and a second run that skips all."""
    print("\nMilliseconds of a processor per picture:\n")
    print("| pictures | planning | run | planning again | skipping |\n|---|---|---|---|---|")
    encoding = Encoding(settings={"tile": "0"})
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            photos, out = Path(folder, "photos"), Path(folder, "out")
            photos.mkdir()
            for number in range(count):
                pixels = np.full((16, 16, 3), number % 256, np.uint8)
                Image.fromarray(pixels).save(photos / f"{number}.png")
            spent = []
            for _ in range(2):
                began = time.process_time()
                found = find_inputs([str(photos)])
                plan = plan_names(found, output=str(out), task_suffix="x", settings=encoding.settings)
                spent.append(time.process_time() - began)
                shared = Setup((Stage(SameSize("x"), REQUEST),), Networks(), encoding)
                spent.append(processor_seconds(lambda: _run(plan.photos, shared)))  # noqa: B023
        cells = (f"{1000 * each / count:.2f}" for each in spent)
        print(f"| {count} | {' | '.join(cells)} |", flush=True)


def _run(photos: list[PlannedPhoto], shared: Setup) -> None:
    threads.run(photos, shared, Quiet(), Event(), jobs=1)


def main() -> None:
    """Measure and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=Path, default=SAMPLES)
    options.add_argument(
        "--mixed", type=int, help="only this: the stages over so many photos of several sizes and formats"
    )
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--jobs", type=int, default=2, help="reader and writer threads of the second part")
    options.add_argument(
        "--many", type=int, action="append", help="only this: so many tiny pictures; repeatable"
    )
    given = options.parse_args()
    torch.set_num_threads(1)
    if given.many:
        many(given.many)
        return
    if given.mixed:
        with tempfile.TemporaryDirectory() as folder:
            mixed(Path(folder), given.mixed)
            overlapped(Path(folder), given.jobs)
        return
    compared(given.photos, given.runs)
    overlapped(given.photos, given.jobs)


if __name__ == "__main__":
    main()
