from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from restorecli import pipeline
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, NonFiniteError
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.report.events import Event, FileDone, FileFailed, RunSummary
from restorecli.tasks.base import Job, to_pixels, to_tensor


class Identity(Network):
    def __init__(self) -> None:
        super().__init__()
        self.settings = {}
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.one


@dataclass(frozen=True)
class Copy:
    """A task that gives photos back as they are, and fails on photos of a width it is told of."""

    failures: dict[int, BaseException] = field(default_factory=dict)
    suffix: str = "copy"

    def prepare(self, photo: Photo) -> Job:
        if photo.width in self.failures:
            raise self.failures[photo.width]
        return Job(photo, (to_tensor(photo.pixels),))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        return replace(job.photo, pixels=to_pixels(outputs[0]))


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def tiles(self, name: str, done: int, total: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass

    def failed(self) -> dict[str, str]:
        return {Path(e.input).name: e.code for e in self.events if isinstance(e, FileFailed)}

    def done(self) -> list[str]:
        return [Path(e.input).name for e in self.events if isinstance(e, FileDone)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for width in range(4, 10):
        pixels = np.random.default_rng(width).integers(0, 256, (5, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{width}.png")
    return folder


def work(folder: Path, out: Path, task: Copy, **more: object) -> pipeline.Run:
    plan = plan_names(find_inputs([str(folder)]), output=str(out), task_suffix="copy", settings={})
    prepared = prepare(Identity().eval(), RunSettings(tile=0, precision="fp32", device="cpu"))
    settings: dict[str, object] = {"stdin": io.BytesIO(), "stdout": io.BytesIO(), **more}
    return pipeline.Run(plan.photos, task, prepared, **settings)  # type: ignore[arg-type]


def test_photos_come_back_in_order_and_are_counted(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    tally = pipeline.run(work(folder, tmp_path, Copy()), listener, Flag())
    assert listener.done() == [f"{width}.png" for width in range(4, 10)]
    assert (tally.done, tally.failed, tally.skipped) == (6, 0, 0)
    assert tally.megapixels == pytest.approx(5 * sum(range(4, 10)) / 1e6)
    assert isinstance(listener.events[-1], RunSummary)
    for width in range(4, 10):
        restored, original = (np.asarray(Image.open(f / f"{width}.png")) for f in (tmp_path, folder))
        assert np.array_equal(restored, original)


def test_one_photo_s_error_does_not_cost_the_others(folder: Path, tmp_path: Path) -> None:
    failures = {5: NonFiniteError("5.png: NaN"), 7: ZeroDivisionError("a fault of ours"), 8: MemoryError()}
    listener = Listener()
    tally = pipeline.run(work(folder, tmp_path, Copy(failures)), listener, Flag())
    assert listener.failed() == {"5.png": "non_finite", "7.png": "unreadable", "8.png": "out_of_memory"}
    assert listener.done() == ["4.png", "6.png", "9.png"]
    assert tally.failed_codes == {"non_finite", "unreadable", "out_of_memory"}


def test_an_error_of_the_whole_run_ends_it_after_what_is_done_is_reported(
    folder: Path, tmp_path: Path
) -> None:
    listener = Listener()
    with pytest.raises(DeviceError):
        pipeline.run(work(folder, tmp_path, Copy({6: DeviceError("gone")})), listener, Flag())
    assert listener.done() == ["4.png", "5.png"]
    assert isinstance(listener.events[-1], RunSummary)


def test_a_cancelled_run_says_so(folder: Path, tmp_path: Path) -> None:
    cancelled, listener = Flag(), Listener()
    cancelled.set()
    tally = pipeline.run(work(folder, tmp_path, Copy()), listener, cancelled)
    assert tally.interrupted
    assert tally.done == 0


def test_fail_fast_ends_at_the_first_failure(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    task = Copy({5: NonFiniteError("5.png: NaN")})
    pipeline.run(work(folder, tmp_path, task, fail_fast=True, jobs=1), listener, Flag())
    assert listener.done() == ["4.png"]


def test_results_that_wait_to_be_written_are_bounded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, waiting, most = Flag(), [0], [0]
    real = pipeline.write

    def slow(*arguments: object, **more: object) -> object:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        release.wait(0.05)
        waiting[0] -= 1
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "write", slow)
    monkeypatch.setattr(pipeline, "WAITING_SHARE", 0.0)
    listener = Listener()
    pipeline.run(work(folder, tmp_path, Copy(), jobs=4), listener, Flag())
    assert len(listener.done()) == 6
    assert most[0] <= 2
