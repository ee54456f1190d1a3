"""A run that is killed at any moment: nothing half-made bears a result's name, and the next run ends it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.torture import pictures
from benchmarks.torture.children import Child, command

PHOTOS = 6


def kills(count: int, seed: int) -> tuple[str, bool]:
    """Kill ``count`` runs and finish each; return the summary line and whether nothing was lost."""
    rng = np.random.default_rng(seed)
    bad: list[str] = []
    early = late = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = pictures.folder(folder / "in", PHOTOS)
        span = start(source, folder / "reference", folder).wait().seconds
        expected = results(folder / "reference")
        for number in range(count):
            out = folder / f"out{number}"
            child = start(source, out, folder)
            if number % 2:  # most of a run goes before the first result; every second kill falls behind it
                _wait_for(int(rng.integers(1, PHOTOS)), out, span)
                time.sleep(rng.uniform(0, 0.2 * span / PHOTOS))
            else:
                time.sleep(rng.uniform(0, 1.1 * span))
            with contextlib.suppress(ProcessLookupError):
                child.send(signal.SIGKILL)
            child.wait()
            found = results(out)
            early += not found
            late += len(found) == PHOTOS
            bad += [
                f"kill {number}: {path} is incomplete"
                for path, data in found.items()
                if data != expected[path]
            ]
            ended = start(source, out, folder).wait()
            if not found:  # how long a whole run takes on the machine as it is now
                span = ended.seconds
            if ended.code != 0 or results(out) != expected:
                bad.append(f"kill {number}: not finished after it, exit {ended.code}")
            bad += [f"kill {number}: {path.name} is left" for path in out.glob(".restore-*.part")]
            bad += [f"kill {number}: a record line is cut" for line in lines(out) if not whole(line)]
            shutil.rmtree(out, ignore_errors=True)
    line = (
        f"kill: {count} with seed {seed}: {early} before the first result, {late} after the last, "
        f"{len(bad)} incomplete or lost"
    )
    return line + "".join(f"\n  {text}" for text in bad[:20]), not bad


def start(source: Path, out: Path, folder: Path) -> Child:
    """Begin a run that denoises all of ``source``."""
    environment = {"RESTORE_CACHE_DIR": str(folder / "cache"), "RESTORE_OFFLINE": "1"}
    return command(
        ["denoise", "--sigma", "15", "--tile", "64", "--precision", "fp32", source, "-o", out],
        environment=environment,
    )


def _wait_for(count: int, out: Path, span: float) -> None:
    """Wait until there are ``count`` results, but not much longer than a run takes."""
    until = time.monotonic() + 3 * span
    while time.monotonic() < until and len(list(out.glob("*.png"))) < count:
        time.sleep(0.002)


def results(out: Path) -> dict[str, bytes]:
    """Return the files of a folder that bear a result's name."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.png"))} if out.is_dir() else {}


def lines(out: Path) -> list[str]:
    """Return the lines of a folder's record."""
    path = out / ".restore.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def whole(line: str) -> bool:
    """Whether a line is a record."""
    try:
        return "output" in json.loads(line)
    except ValueError:
        return False
