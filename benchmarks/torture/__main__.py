"""Run the tortures: ``python -m benchmarks.torture [NAME …] [--short] [--count N] [--seed N]``."""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.torture import fuzz, giants, kill, memory, scale, scenes

# name → (driver, count of the long form, of the short one)
DRIVERS = {
    "files": (fuzz.files, 10_000, 320),
    "weights": (fuzz.weights, 1_000, 45),
    "kill": (kill.kills, 200, 4),
    "giants": (giants.giants, 20, 1),
    "scenes": (scenes.scenes, 99, 99),
    "scale": (scale.scale, 400, 9),
    "memory": (memory.memory, 25, 4),
}


def main() -> int:
    """Run what was asked for; 1 where anything did not go well."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DRIVERS))
    options.add_argument("--short", action="store_true", help="a few of each, as in the tests")
    options.add_argument("--count", type=int, help="files, kills, giants of a kind, scenes or megapixels")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    failed = False
    for name in given.names or DRIVERS:
        driver, long, short = DRIVERS[name]
        began = time.monotonic()
        line, well = driver(given.count or (short if given.short else long), given.seed)
        print(f"{line} ({time.monotonic() - began:.0f} s)", flush=True)
        failed |= not well
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
