"""Watch over the process that does the parts; see the package."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import gpu_check
from benchmarks.gpu_check.names import NAMES, NO_DEVICE
from benchmarks.gpu_check.told import Told

STUCK = 90.0
"""Seconds without a new line after which a process is taken for stuck."""
PROCESSES = 8
POLL = 0.2


def main() -> None:
    options = _options()
    told = Told(options.report, options.rows or options.report.with_suffix(".jsonl"))
    size = "fake" if options.fake else options.size
    ends = time.monotonic() + 60 * options.minutes
    if options.child:
        from benchmarks.gpu_check.parts import go_through

        sys.exit(go_through(options.parts, size, told, 60 * options.minutes))
    for path in (told.report, told.rows):
        path.write_text("", encoding="utf-8")
    for number in range(PROCESSES):
        left = ends - time.monotonic()
        if number and left < POLL:
            break
        code = _watched(options, size, told, left)
        if code == 0:
            return
        if code == NO_DEVICE:
            sys.exit("error: torch sees no CUDA device (--fake runs it all on a make-believe one)")
        told.say(f"The process of the parts ended with {code}.")
    sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=gpu_check.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("report", type=Path, help="the Markdown file to write")
    parser.add_argument("--rows", type=Path, help="the file of JSON lines; beside the report by default")
    parser.add_argument("--fake", action="store_true", help="on the make-believe GPU, a little of everything")
    parser.add_argument("--size", choices=("whole", "short"), default="whole", help="how much is done")
    parser.add_argument("--minutes", type=float, default=math.inf, help="when all of it is to end")
    parser.add_argument(
        "--parts", type=lambda text: text.split(","), default=list(NAMES), help=f"of {','.join(NAMES)}"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.parts) - set(NAMES)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}")
    return options


def _watched(options: argparse.Namespace, size: str, told: Told, seconds: float) -> int | str:
    """Have a process do what is left; return its exit code, or why it was ended."""
    given = ["--fake"] if options.fake else ["--size", size]
    given += ["--rows", str(told.rows), "--parts", ",".join(options.parts), "--minutes", str(seconds / 60)]
    command = [sys.executable, "-m", "benchmarks.gpu_check", str(told.report), *given, "--child"]
    process = subprocess.Popen(command)
    ends, length, changed = time.monotonic() + seconds, -1, time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(POLL)
            now, found = time.monotonic(), told.rows.stat().st_size
            if found != length:
                length, changed = found, now
            if now > ends or (now - changed > STUCK and math.isfinite(seconds)):
                return "no time left" if now > ends else f"nothing new for {STUCK:.0f} s"
        return process.returncode
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
