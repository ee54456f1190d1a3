"""A folder on several devices: every one works, and the user sees one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.passes import graphs
from tests.conftest import Done

WEIGHTS = Path(__file__).parents[2] / "weights" / "light" / "nlsn-light-x2.safetensors"
SIZES = {"a": (24, 24), "b": (24, 24), "c": (24, 24), "large": (40, 70)}

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


@pytest.fixture(autouse=True)
def _no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)  # on the make-believe one that takes seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name, size in SIZES.items():
        pixels = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


@pytest.fixture
def enlarge(folder: Path, restore: Callable[..., Done]) -> Callable[..., Done]:
    def run(out: Path, *options: str) -> Done:
        return restore(
            *("upscale", "-x2", folder, "-o", out, "--weights", WEIGHTS, "--precision", "fp32"),
            *("--tile", "32", "--tile-overlap", "8", *options),
        )

    return run


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: np.asarray(Image.open(path)).tobytes() for path in sorted(folder.glob("*.png"))}


def test_all_devices_work_and_give_the_files_that_one_gives(
    enlarge: Callable[..., Done], tmp_path: Path
) -> None:
    with FakeGpu(devices=2, names=("Some GPU", "Some GPU")) as gpu:
        assert enlarge(tmp_path / "one", "--device", "cuda:0", "--batch", "1").code == 0
        assert not gpu.peak[1]
        result = enlarge(tmp_path / "both", "--device", "all", "--batch", "1", "-v")
        assert result.code == 0 and gpu.peak[0] and gpu.peak[1] and not gpu.races
    assert pictures(tmp_path / "one") == pictures(tmp_path / "both") and len(pictures(tmp_path / "one")) == 4
    said = " ".join(result.err.split())
    assert said.count("device 2 × Some GPU") == 1 and said.count("cuda:0,cuda:1 · fp32") == 1
    assert said.count("4 restored, 0 skipped, 0 failed") == 1 and "warning" not in said


def test_events_of_several_devices_are_those_of_one_run_in_the_order_of_the_photos(
    enlarge: Callable[..., Done], tmp_path: Path
) -> None:
    with FakeGpu(devices=2):
        result = enlarge(tmp_path / "out", "--device", "all", "--json")
    events = [json.loads(line) for line in result.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("plan") == kinds.count("summary") == 1 and kinds.count("file_started") == 4
    done = [Path(event["input"]).stem for event in events if event["event"] == "file_done"]
    assert done == list(SIZES)
    tiles = {Path(event["input"]).stem: event["tiles"] for event in events if event["event"] == "file_done"}
    assert tiles == {"a": 1, "b": 1, "c": 1, "large": 6}


def test_unlike_devices_are_named_once_and_give_the_same_bytes_again(
    enlarge: Callable[..., Done], tmp_path: Path
) -> None:
    with FakeGpu(devices=2, names=("Large GPU", "Small GPU")) as gpu:
        results = [enlarge(tmp_path / name, "--device", "cuda:0,cuda:1") for name in ("first", "second")]
        assert gpu.peak[0] and gpu.peak[1]
    for result in results:
        said = " ".join(result.err.split())
        assert result.code == 0
        assert said.count("unlike devices (cuda:0 is Large GPU, cuda:1 is Small GPU)") == 1
    assert pictures(tmp_path / "first") == pictures(tmp_path / "second")
