"""The day a GPU is there: is everything right on it, and how fast? One Markdown report.

    python -m benchmarks.gpu_check REPORT.md             on CUDA, about 20 minutes
    python -m benchmarks.gpu_check REPORT.md --fake      on the make-believe GPU, small: shows that it runs

Everything is done through the engine or the command itself: parity with the CPU in float32, passes that must
not make the host wait, kernels against those the make-believe GPU counts, `restore bench` and its sweeps,
memory that runs out, a folder twice, small photos together and one by one, and training steps.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from benchmarks.fake_gpu import FakeGpu
from restorecli.engine.device import describe
from restorecli.engine.precision import photo_like, psnr, replica
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.models.convert import native_metadata
from restorecli.networks import from_native
from restorecli.networks.network import Network
from restorecli.quality import calibrate
from restorecli.quality.timing import synchronise

LIGHT = Path(__file__).parents[1] / "weights" / "light"
LEAST = {"fp32": 90.0, "fp16": 55.0, "bf16": 45.0}
CUDA = torch.device("cuda", 0)


@dataclass(frozen=True)
class Extent:
    """How much is done: all of it on a GPU, a little of everything on the make-believe one."""

    networks: tuple[str, ...]
    side: int
    photos: int
    photo_side: int
    crop_side: int
    bench: tuple[str, ...]
    sweeps: dict[str, tuple[str, ...]]
    steps: int


WHOLE = Extent(
    networks=tuple(sorted(path.stem for path in LIGHT.glob("*.safetensors"))),
    side=256,
    photos=100,
    photo_side=768,
    crop_side=256,
    bench=("--size", "512"),
    sweeps={"tile": ("--size", "2048"), "batch": ("--size", "256")},
    steps=50,
)
LITTLE = Extent(
    networks=("nlsn-light-x2",),
    side=32,
    photos=3,
    photo_side=40,
    crop_side=24,
    bench=("--size", "16", "--runs", "1", "--task", "denoise", "--variant", "light"),
    sweeps={"batch": ("--size", "8", "--runs", "1", "--variant", "light")},
    steps=2,
)


def light(name: str) -> Network:
    """Return the shipped network called ``name``."""
    path = LIGHT / f"{name}.safetensors"
    network, settings, _ = native_metadata(path)
    return from_native(network, load_file(path), settings).eval().requires_grad_(False)


def ready(network: Network, device: str, precision: str, tile: int) -> Prepared:
    """Return ``network`` on ``device``, in tiles of ``tile``."""
    options = {"overlap": min(16, tile // 4), "batch": 1}
    return prepare(network, RunSettings(device=device, precision=precision, tile=tile, **options))


def parity(extent: Extent) -> Iterator[str]:
    """Compare each network and precision with the CPU, and forbid waits while passes are launched."""
    yield "| network | precision | dB from CPU fp32 | | waits for the device in a launch |"
    yield "|---|---|---|---|---|"
    for name in extent.networks:
        network = light(name)
        side = extent.side if not name.startswith("panet") else min(64, extent.side)
        image = photo_like(network.in_channels, side)
        exact = run(ready(network, "cpu", "fp32", side), image).output
        for precision, least in LEAST.items():
            prepared = ready(network, "cuda", precision, side)
            for _ in range(3):  # plain, recorded, replayed
                found = run(prepared, image).output
            decibels = psnr(found, exact)
            sound = "right" if decibels >= least else f"**below {least:.0f}**"
            yield f"| {name} | {precision} | {decibels:.1f} | {sound} | {launches_wait(prepared, image)} |"


def launches_wait(prepared: Prepared, image: torch.Tensor) -> str:
    """Launch a pass with waits forbidden; return "none" or what waited."""
    lane = prepared.lanes[0]
    torch.cuda.set_sync_debug_mode("error")
    try:
        pending = lane.launch(image, prepared.precision)
    except RuntimeError as error:
        return f"**{str(error).splitlines()[0]}**"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if pending is not None:
        pending.wait()
    return "none"


def kernels(name: str, side: int, *, fake: bool) -> int:
    """Return how many kernels a pass of a light network in fp16 launches, by the profiler or the fake."""
    network = light(name)
    with torch.inference_mode():
        placed = replica(network, CUDA, "fp16")
        x = (photo_like(network.in_channels, side) * network.value_range).to(CUDA)
        placed(x)
        if fake:
            return _counted(lambda: placed(x))
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            placed(x)
            torch.cuda.synchronize()
    return sum(1 for event in profile.events() if "memcpy" not in event.name.lower())


def _counted(work: Callable[[], object]) -> int:
    from benchmarks.fake_gpu.tensors import DeviceTensor

    gpu = DeviceTensor.gpu
    assert gpu is not None
    gpu.record.clear()
    work()
    return len(gpu.kernels)


def kernel_table(extent: Extent, expected: dict[str, int], *, fake: bool) -> Iterator[str]:
    """Put the kernels of a pass beside those that the make-believe GPU counted."""
    yield "| network | kernels | the make-believe GPU's |"
    yield "|---|---|---|"
    for name in extent.networks:
        yield f"| {name} | {kernels(name, counted_side(extent, name), fake=fake)} | {expected[name]} |"


def counted_side(extent: Extent, name: str) -> int:
    """Return the side of the tile that kernels are counted at."""
    return 32 if name.startswith("panet") else min(96, extent.side)


def expected_kernels(extent: Extent) -> dict[str, int]:
    """Return the make-believe GPU's counts."""
    with FakeGpu():
        return {name: kernels(name, counted_side(extent, name), fake=True) for name in extent.networks}


def command(*arguments: object) -> tuple[int, str]:
    """Run ``restore ARGUMENTS…`` in this process; return its exit code and what it printed."""
    from restorecli.cli.app import main

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before = sys.argv
    sys.argv = ["restore", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        sys.argv = before
    return code, out.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]


def bench(*arguments: object) -> Iterator[str]:
    """Give the Markdown that `restore bench` prints."""
    code, text = command("bench", "--device", "cuda", "--precision", "fp16", *arguments)
    yield text.rstrip() if code == 0 else f"**`restore bench` ended with {code}**\n{text}"


def shortage(extent: Extent) -> Iterator[str]:
    """Leave the process little memory, and restore all the same."""
    network = light(extent.networks[0])
    image = photo_like(network.in_channels, 2 * extent.side)
    plain = run(ready(network, "cuda", "fp16", extent.side), image).output
    prepared = ready(network, "cuda", "fp16", 2 * extent.side)
    held, whole = torch.cuda.memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    needed = extent.side**2 * 700  # bytes: enough for a part of the picture
    torch.cuda.set_per_process_memory_fraction((held + needed) / whole)
    try:
        result = run(prepared, image)
        told = "; ".join(result.warnings) or "it fitted"
        decibels = psnr(result.output, plain)
        yield f"With {needed / 2**20:.0f} MiB: {decibels:.1f} dB from the usual result ({told})."
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def folder_twice(extent: Extent, place: Path) -> Iterator[str]:
    """Restore a folder twice and compare the bytes; tell how long the device was at work."""
    photos, results = place / "photos", []
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(extent.photos):
        sides = [int(extent.photo_side * factor) for factor in rng.uniform(0.6, 1, 2)]
        picture = photo_like(3, max(sides))[0, :, : sides[0], : sides[1]].permute(1, 2, 0).numpy()
        pixels = np.clip(picture + rng.normal(0, 0.01, picture.shape), 0, 1)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(photos / f"{number:03d}.png")
    weights = LIGHT / "nlsn-light-x2.safetensors"
    common = ("upscale", "-x2", photos, "--weights", weights, "--device", "cuda", "--precision", "fp16", "-q")
    for number in range(2):
        began = time.perf_counter()
        code, _ = command(*common, "-o", place / f"out{number}")
        seconds = time.perf_counter() - began
        files = sorted((place / f"out{number}").glob("*.png"))
        results.append([file.read_bytes() for file in files])
        count = f"{len(files)} of {extent.photos} photos"
        yield f"Run {number + 1}: {count} in {seconds:.1f} s, exit code {code}.  "
    yield "Both runs gave the same bytes." if results[0] == results[1] else "**The runs differ.**"
    yield ""
    measured = ("bench", "--folder", photos, "--task", "upscale", "-x", 2, "--weights", weights)
    _, text = command(*measured, "--device", "cuda", "--precision", "fp16", "--json")
    row: dict[str, Any] = json.loads(text)["rows"][0]
    share = row["spent"]["device"] / row["seconds"]
    yield (
        f"{row['megapixels'] / row['seconds']:.3g} MP/s of results; the engine was at work for "
        f"{100 * share:.0f} % of the time; bottleneck: {row['bottleneck']}."
    )


def small_photos(extent: Extent, place: Path) -> Iterator[str]:
    """Restore crops of one size, one by one and together; compare the time and the pixels."""
    crops = place / "crops"
    crops.mkdir()
    rng = np.random.default_rng(1)
    for number in range(extent.photos):
        pixels = photo_like(3, extent.crop_side)[0].permute(1, 2, 0).numpy()
        pixels = np.clip(pixels + rng.normal(0, 0.02, pixels.shape), 0, 1)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(crops / f"{number:03d}.png")
    weights = LIGHT / "nlsn-light-x2.safetensors"
    common = ("upscale", "-x2", crops, "--weights", weights, "--device", "cuda", "--precision", "fp16", "-q")
    found = {}
    for way, batch in (("one by one", ("--batch", 1)), ("together", ())):
        began = time.perf_counter()
        code, _ = command(*common, *batch, "-o", place / way)
        seconds = time.perf_counter() - began
        found[way] = [np.asarray(Image.open(file), int) for file in sorted((place / way).glob("*.png"))]
        yield f"{way}: {len(found[way])} of {extent.photos} crops in {seconds:.1f} s, exit code {code}.  "
    gaps = [np.abs(one - other) for one, other in zip(*found.values(), strict=True)]
    changed, most = np.mean([(gap > 0).mean() for gap in gaps]), max(int(gap.max()) for gap in gaps)
    yield f"Samples that differ: {100 * changed:.4f} %, by {most} levels at most."


def training(extent: Extent) -> Iterator[str]:
    """Time training steps of a light network."""
    network = light("nlsn-light-x2").train().requires_grad_(True).to(CUDA)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-5, foreach=False)
    small, large = (torch.rand(16, 3, side, side, device=CUDA) for side in (48, 96))
    seconds = 0.0
    for step in range(extent.steps + 1):
        began = time.perf_counter()
        optimiser.zero_grad()
        (network(small) - large).abs().mean().backward()
        optimiser.step()
        synchronise(CUDA)
        seconds += time.perf_counter() - began if step else 0.0
    yield f"NLSN light ×2, fp32, 16 patches of 48: {extent.steps / seconds:.3g} steps/s."


def report(extent: Extent, expected: dict[str, int], *, fake: bool) -> Iterator[str]:
    """Give the report's parts, each as soon as it is done."""
    note = " (make-believe: no number here is a measurement)" if fake else ""
    yield f"# GPU check: {describe(CUDA)}{note}\n\ntorch {torch.__version__}\n"
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as place:
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "Parity": lambda: parity(extent),
            "Kernels of a pass": lambda: kernel_table(extent, expected, fake=fake),
            "Run times": lambda: bench(*extent.bench),
            **{
                f"Sweep of {kind}": lambda kind=kind: bench(
                    "--task", "upscale", "-x", 2, "--model", "nlsn", "--sweep", kind, *extent.sweeps[kind]
                )
                for kind in extent.sweeps
            },
            "Little memory": lambda: shortage(extent),
            "A folder, twice": lambda: folder_twice(extent, Path(place)),
            "Small photos": lambda: small_photos(extent, Path(place)),
            "Training": lambda: training(extent),
        }
        for title, part in parts.items():
            began = time.perf_counter()
            lines = "\n".join(part())
            yield f"## {title}\n\n{lines}\n\n({time.perf_counter() - began:.0f} s)\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("report", type=Path, help="the Markdown file to write")
    parser.add_argument("--fake", action="store_true", help="on the make-believe GPU, a little of everything")
    options = parser.parse_args()
    extent = LITTLE if options.fake else WHOLE
    if not options.fake and not torch.cuda.is_available():
        sys.exit("error: torch sees no CUDA device (--fake runs it all on a make-believe one)")
    expected = expected_kernels(extent)
    if options.fake:  # the product that a GPU is measured by would take the host minutes
        calibrate.SIDES["gpu"], calibrate.COPIED["gpu"] = 64, 1 << 16
    options.report.write_text("", encoding="utf-8")
    with FakeGpu() if options.fake else contextlib.nullcontext():
        for part in report(extent, expected, fake=options.fake):
            print(part, flush=True)
            with options.report.open("a", encoding="utf-8") as stream:
                stream.write(f"{part}\n")


if __name__ == "__main__":
    main()
