"""What planning a run costs: CPU time and memory a file, for new folders and for those that are done.

    python -m benchmarks.planning 20000 200000

Makes the files (64 bytes each, a thousand a folder) in a temporary folder, and plans in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = {"task": "upscale-x4"}
PER_FOLDER = 1000
HEAD = b"\x89PNG\r\n\x1a\n" + bytes(56)


def make(root: Path, count: int) -> None:
    """Write the inputs and their results, with records: all are done."""
    from restorecli.photos.records import Record, append, hash_of

    for number in range(count):
        folder = f"{number // PER_FOLDER:04d}"
        source, result = (root / kind / folder / f"picture-{number:07d}.png" for kind in ("in", "done"))
        if number % PER_FOLDER == 0:
            source.parent.mkdir(parents=True)
            result.parent.mkdir(parents=True)
        source.write_bytes(HEAD)
        result.write_bytes(HEAD)
        state = source.stat()
        stamp = state.st_size, state.st_mtime_ns
        append(result, result, Record(source, hash_of(HEAD), stamp, SETTINGS, kind="png"))


def plan(root: Path, output: str) -> None:
    """Plan ``root`` into ``output`` and print what it took as JSON."""
    from restorecli.photos.inputs import find_inputs
    from restorecli.photos.naming import plan_names

    idle, began = _peak(), time.process_time()
    found = find_inputs([str(root)])
    photos = plan_names(found, output=output, task_suffix="upscale-x4", settings=SETTINGS).photos
    seconds, peak = time.process_time() - began, _peak()
    done = sum(photo.skip.startswith("already done") for photo in photos)
    print(json.dumps({"files": len(photos), "done": done, "seconds": seconds, "idle": idle, "peak": peak}))


def _peak() -> int:
    """Return the most memory that this process has taken, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measured(root: Path, output: str) -> dict[str, float]:
    """Return what planning takes in a process of its own."""
    code = "import sys; from pathlib import Path; from benchmarks.planning import plan; "
    code += "plan(Path(sys.argv[1]), sys.argv[2])"
    command = [sys.executable, "-c", code, os.fspath(root), output]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main(counts: list[int]) -> None:
    """Print a row per number of files and state of the output folder."""
    print(f"{'files':>9} {'state':6} {'CPU s':>7} {'µs/file':>8} {'peak MB':>8} {'bytes/file':>10}")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            make(root, count)
            for state, output in (("new", root / "new"), ("done", root / "done")):
                row = measured(root / "in", os.fspath(output))
                assert row["files"] == count and row["done"] == (count if state == "done" else 0)
                each, grown = row["seconds"] / count, (row["peak"] - row["idle"]) / count
                print(
                    f"{count:9} {state:6} {row['seconds']:7.1f} {each * 1e6:8.0f} {row['peak'] / 1e6:8.0f} "
                    f"{grown:10.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [20_000, 200_000])
