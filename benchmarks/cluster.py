"""CPU time a picture takes in one process, in shards, and on a local Ray, over small pictures.

    python -m benchmarks.cluster 500

Wall time would tell of the other jobs of a machine; CPU time is that of a command and all processes below it,
looked at while they live.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

SIDE = 96
COMMAND = ("-m", "restorecli", "upscale", "-x2", "--tile", "96", "-q", "--if-exists", "overwrite")
_LOOK = 0.2  # seconds


def make(folder: Path, count: int) -> None:
    """Write pictures of soft noise."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
            folder / f"{number:04}.png"
        )


def cpu_seconds(arguments: list[str]) -> float:
    """Return the CPU time of a command and of all processes below it."""
    process = psutil.Popen([sys.executable, *COMMAND, *arguments])
    seen: dict[tuple[int, float], float] = {}
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for one in family:
            try:
                times = one.cpu_times()
                seen[one.pid, one.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        time.sleep(_LOOK)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return sum(seen.values())


def main(count: int) -> None:
    """Print a row for each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "in", count)
        source = str(folder / "in")
        base = [source, "-o", str(folder / "out")]
        ways = {
            "one process": [[*base]],
            "two shards": [[*base, "--shard", f"{number}/2"] for number in (1, 2)],
            "Ray, two workers": [[*base, "--cluster", "auto", "--workers", "2"]],
        }
        for way, runs in ways.items():
            seconds = sum(cpu_seconds(arguments) for arguments in runs)
            print(f"{way:18} {seconds:8.1f} CPU s  {seconds / count:8.3f} a picture", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
