"""Our networks against their straightforward formulations: ``python -m benchmarks.networks``.

Both are built from the same released-layout checkpoint with seeded weights, checked to give the same pixels,
then timed in turn (theirs, ours, theirs, …), each case in a fresh process. Printed are medians, and the
median of the pairwise ratios. Memory is the peak of a fresh process above that of the loaded network.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from benchmarks.references import grl, mirnet, nlsn, panet, rnan
from restorecli.engine.precision import replica
from restorecli.networks import from_checkpoint
from restorecli.networks.network import Network
from tests.networks.seeded import seeded_state_dict

CHECKPOINTS = Path(__file__).parent / "checkpoints"
REFERENCES: dict[str, ModuleType] = {
    "nlsn": nlsn,
    "rnan": rnan,
    "grl": grl,
    "mirnet": mirnet,
}
DESCRIBES_THE_INPUT = {"arch", "task", "h", "w", "n", "seed", "value_range", "img_size"}


@dataclass(frozen=True)
class Case:
    """What is measured: a checkpoint at a size, and the ratios to reach (None: not asked for)."""

    network: str
    checkpoint: str
    side: int
    wanted: float
    wanted_bf16: float | None = None
    memory_side: int | None = None
    memory_limit: int | None = None  # MiB


CASES = (
    Case("panet", "panet-denoise-color", 96, 4.0, None, 256, 600),
    Case("panet", "paedsr-upscale-x2", 64, 1.0, None, 128, 400),
    Case("grl", "grl-tiny-upscale-x4", 64, 5.0, 4.0),
    Case("grl", "grl-small-denoise-color", 128, 3.5, 4.0, 512, 2048),
    Case("rnan", "rnan-denoise-color", 96, 1.7, None, 256, 400),
    Case("mirnet", "mirnet", 128, 1.5, 2.0, 256, None),
    Case("nlsn", "nlsn-upscale-x4", 96, 1.25, 2.5, 256, None),
)


def settings_of(case: Case) -> dict[str, Any]:
    """Return the checkpoint's settings, as the papers' code names them."""
    config = json.loads((CHECKPOINTS / f"{case.checkpoint}.json").read_text())["config"]
    return {name: value for name, value in config.items() if name not in DESCRIBES_THE_INPUT}


def ours(case: Case) -> Network:
    """Build our network for a case."""
    state = seeded_state_dict(CHECKPOINTS / f"{case.checkpoint}.json")
    return from_checkpoint(case.network, state, **settings_of(case))


def theirs(case: Case) -> nn.Module:
    """Build the straightforward formulation for a case."""
    state = seeded_state_dict(CHECKPOINTS / f"{case.checkpoint}.json")
    if case.network == "panet":
        return panet.ReferencePANet(state)
    built: nn.Module = REFERENCES[case.network].build(state, **settings_of(case))
    return built


def picture(case: Case, side: int) -> Tensor:
    """Return a smooth random image in the network's value range, B = 1, three channels."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, side // 8 + 1, side // 8 + 1, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return smooth * (255 if case.network == "rnan" else 1)


def timed(run: Callable[[], Tensor]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def difference(case: Case, plain: nn.Module, network: nn.Module, image: Tensor) -> float:
    """Return ‖ours − theirs‖ / ‖theirs − mean‖; NLSN's hashing is random in theirs, so it is handed in."""
    if case.network == "nlsn":
        buckets = min(image.shape[2] * image.shape[3] // 144, 128)
        rotations = [torch.randn(64, 4, (buckets + buckets % 2) // 2) for _ in range(5)]
        first, second = plain(image, rotations), network(image, rotations)
    else:
        first, second = plain(image), network(image)
    return float((first - second).norm() / (first - first.mean()).norm())


def speed(case: Case, repeats: int) -> dict[str, Any]:
    """Time a case: medians in ms, ratios theirs ÷ ours in float32 and theirs float32 ÷ ours bfloat16."""
    with torch.inference_mode():
        plain, network, image = theirs(case), ours(case), picture(case, case.side)
        apart = difference(case, plain, network, image)
        cpu = torch.device("cpu")
        exact, half = (replica(network, cpu, precision) for precision in ("fp32", "bf16"))
        runs = {"theirs": lambda: plain(image), "ours": lambda: exact(image)}
        if case.wanted_bf16 is not None:
            runs["bf16"] = lambda: half(image)
        for run in runs.values():
            run()
        times = {name: [0.0] * repeats for name in runs}
        for index in range(repeats):
            for name, run in runs.items():
                times[name][index] = timed(run)
    medians = {name: statistics.median(values) for name, values in times.items()}

    def ratio(name: str) -> float:
        return statistics.median(a / b for a, b in zip(times["theirs"], times[name], strict=True))

    return {
        "apart": apart,
        "theirs_ms": 1000 * medians["theirs"],
        "ours_ms": 1000 * medians["ours"],
        "ratio": ratio("ours"),
        "bf16_ratio": ratio("bf16") if "bf16" in runs else None,
    }


def peak_memory(case: Case) -> float:
    """Return MiB of resident memory at the peak of one call, above that of the loaded network."""
    process, peak, done = psutil.Process(), [0], threading.Event()
    with torch.inference_mode():
        network = replica(ours(case), torch.device("cpu"), "fp32")
        image = picture(case, case.memory_side or case.side)
        before = process.memory_info().rss

        def watch() -> None:
            while not done.wait(0.002):
                peak[0] = max(peak[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        network(image)
        done.set()
        watcher.join()
    return (peak[0] - before) / 2**20


def in_own_process(case: Case, what: str, *more: str) -> Any:
    """Measure in a fresh process: what ran earlier leaves memory behind, which makes allocations cheaper."""
    command = [sys.executable, "-m", "benchmarks.networks", what, case.checkpoint, *more]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def show(value: float | None, wanted: float | None) -> str:
    """Return a ratio with what was to be reached."""
    return "–" if value is None else f"{value:.2f}× (≥ {wanted}×)"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", help="measure the checkpoints whose name contains this")
    parser.add_argument("--speed-only", action="store_true", help="leave the memory table out")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--speed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory or options.speed:
        case = next(case for case in CASES if case.checkpoint == (options.memory or options.speed))
        print(json.dumps(peak_memory(case) if options.memory else speed(case, options.repeats)))
        return
    cases = [case for case in CASES if not options.only or options.only in case.checkpoint]
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, ", end="")
    print(f"torch {torch.__version__}, float32 unless said, medians of {options.repeats}\n")
    print("| checkpoint | size | plain ms | ours ms | ratio | bfloat16 ratio | pixels apart |")
    print("|---|---|---|---|---|---|---|")
    for case in cases:
        row = in_own_process(case, "--speed", "--repeats", str(options.repeats))
        cells = [case.checkpoint, f"{case.side}×{case.side}"]
        cells += [f"{row['theirs_ms']:.0f}", f"{row['ours_ms']:.0f}", show(row["ratio"], case.wanted)]
        cells += [show(row["bf16_ratio"], case.wanted_bf16), f"{row['apart']:.1e}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if options.speed_only:
        return
    print("\n| checkpoint | size | peak memory above the network | limit |\n|---|---|---|---|")
    for case in cases:
        if case.memory_side is not None:
            limit = f"{case.memory_limit} MiB" if case.memory_limit else "–"
            side = f"{case.memory_side}×{case.memory_side}"
            peak = f"{in_own_process(case, '--memory'):.0f} MiB"
            print(f"| {case.checkpoint} | {side} | {peak} | {limit} |", flush=True)


if __name__ == "__main__":
    main()
