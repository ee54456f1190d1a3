"""The tortures of `benchmarks/torture` in a short form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("files", 96),
        ("weights", 18),
        ("kill", 2),
        ("giants", 1),
        ("scenes", 17),
        ("scale", 9),
        ("memory", 1),
    ],
)
def test_nothing_ends_a_run_and_nothing_is_lost(name: str, count: int) -> None:
    """In a process of its own: it forks, and this one may have threads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture", name, "--count", str(count)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
