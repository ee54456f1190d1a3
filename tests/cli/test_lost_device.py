"""A GPU that fails in the middle of a folder ends the run as what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from tests.conftest import Done

WEIGHTS = Path(__file__).parents[2] / "weights" / "light" / "nlsn-light-x2.safetensors"


pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


def test_a_device_lost_in_mid_run_ends_it_with_5_and_what_was_not_done_is_said(
    tmp_path: Path, restore: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    with FakeGpu() as gpu:
        done = tmp_path / "out"

        def fault(launch: int, operator: str) -> BaseException | None:
            lost = len(list(done.glob("[0-9]*.png"))) >= 2 if done.is_dir() else False
            return RuntimeError("CUDA error: an illegal memory access was encountered") if lost else None

        gpu.fault = fault
        result = restore(
            *("upscale", "-x2", folder, "-o", done, "--weights", WEIGHTS, "--device", "cuda"),
            *("--precision", "fp16", "--tile", "32", "--batch", "1", "--jobs", "1"),
        )
    assert result.code == 5
    assert "error: cuda:0 failed and cannot be used any more: CUDA error: an illegal memory" in result.err
    assert "of 4 photos were not restored" in result.err and "Traceback" not in result.err
    written = sorted(path.name for path in done.glob("[0-9]*.png"))
    assert 2 <= len(written) < 4 and f"photos/{len(written)}.png the first" in result.err.replace("\n", " ")
