"""The files of a folder are the same, byte for byte, however many threads and devices worked on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from restorecli.engine.settings import RunSettings
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.stages import Stage
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.upscale import Upscale
from tests.pipeline.test_threads import run

STAGES = (
    Stage(Denoise(20.0), ModelRequest("denoise", model="nlsn-light-denoise")),
    Stage(Upscale(2), ModelRequest("upscale", model="nlsn-light-x2", scale=2)),
)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of several kinds, sizes and depths."""
    place, rng = tmp_path_factory.mktemp("mixed"), np.random.default_rng(8)
    for number, (height, width) in enumerate([(37, 50), (9, 60)]):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for mode in ("RGB", "L", "RGBA"):
            Image.fromarray(pixels).convert(mode).save(place / f"{number}-{mode}.png")
        Image.fromarray(pixels).save(place / f"{number}.jpg", quality=80)
        deep = rng.integers(0, 65536, (height, width, 3), dtype=np.uint16)
        tifffile.imwrite(place / f"{number}.tif", deep, photometric="rgb")
    return place


def results(folder: Path, out: Path, threads: int, jobs: int, batch: int, device: str) -> dict[str, bytes]:
    torch.set_num_threads(threads)
    settings = RunSettings(tile=32, overlap=8, precision="fp32", batch=batch, device=device)
    tally = run(folder, out, jobs=jobs, networks=Models(settings), stages=STAGES)
    assert (tally.done, tally.failed) == (10, 0)
    return {file.name: file.read_bytes() for file in out.iterdir() if file.suffix != ".jsonl"}


def test_jobs_threads_batches_and_devices_leave_no_trace(folder: Path, tmp_path: Path) -> None:
    plain = results(folder, tmp_path / "plain", threads=1, jobs=1, batch=1, device="cpu")
    for threads, jobs, batch, device in ((3, 4, 2, "cpu"), (2, 2, 3, "cpu,cpu,cpu")):
        divided = results(folder, tmp_path / device.replace(",", ""), threads, jobs, batch, device)
        assert {name for name in plain if plain[name] != divided[name]} == set()
        assert len(plain) == len(divided) == 10
