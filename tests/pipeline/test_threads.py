from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.errors import DeviceError, NonFiniteError, WeightsError
from restorecli.loading import Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photo import Depth, Photo
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.read import read
from restorecli.pipeline import photo as photo_steps
from restorecli.pipeline import threads
from restorecli.pipeline.photo import Setup
from restorecli.pipeline.tally import Tally
from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, FileStarted, RunSummary
from restorecli.results import Encoding
from restorecli.stages import Stage
from restorecli.tasks.base import Job, Need, to_pixels, to_tensor


class Identity(Network):
    def __init__(self) -> None:
        super().__init__()
        self.settings = {}
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.one


@dataclass(frozen=True)
class Copy:
    """Gives photos back as they are; fails on photos of some widths, and leaves others alone."""

    failures: dict[int, BaseException] = field(default_factory=dict)
    suffix: str = "copy"
    left: frozenset[int] = frozenset()

    def examine(self, photo: Photo) -> Need:
        leave = "it is clean" if photo.width in self.left else ""
        level = float(photo.width)
        return Need(level=level, leave=leave, notes=(f"sigma {level:g}",), details={"sigma": level})

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        if photo.width in self.failures:
            raise self.failures[photo.width]
        return Job(photo, (to_tensor(photo.pixels),))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        return replace(job.photo, pixels=to_pixels(outputs[0]))


@dataclass(frozen=True)
class Invert(Copy):
    """Turns light into dark."""

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        return replace(job.photo, pixels=1 - to_pixels(outputs[0]))


class OneNetwork:
    """Gives every stage the same network and remembers what was asked for."""

    def __init__(self) -> None:
        network = Identity().eval()
        self.prepared = prepare(network, RunSettings(tile=0, precision="fp32", device="cpu"))
        self.network = network
        self.asked: list[ModelRequest] = []

    def get(self, request: ModelRequest, run: Mapping[str, Any]) -> Loaded:
        self.asked.append(request)
        return Loaded(Resolved("rnan", "light", "identity", None, None), self.network, self.prepared)


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notes: list[str] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def tiles(self, name: str, done: int, total: int) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.notes.append(text)

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


REQUEST = ModelRequest("denoise")


def run(
    folder: Path,
    out: Path,
    *tasks: Copy,
    listener: Listener | None = None,
    cancelled: Flag | None = None,
    format: str = "keep",
    jobs: int = 2,
    fail_fast: bool = False,
    **setup: Any,
) -> Tally:
    encoding = setup.get("encoding", Encoding())
    plan = plan_names(
        find_inputs([str(folder)]),
        output=str(out),
        task_suffix="copy",
        format=format,
        copies=encoding.unneeded == "copy",
        settings=encoding.settings,
    )
    setup = {
        "stdin": io.BytesIO(),
        "stdout": io.BytesIO(),
        "networks": OneNetwork(),
        "stages": tuple(Stage(task, REQUEST) for task in tasks),
        **setup,
    }
    return threads.run(
        plan.photos,
        Setup(**setup),
        listener or Listener(),
        cancelled or Flag(),
        jobs=jobs,
        fail_fast=fail_fast,
    )


def test_photos_come_back_in_order_and_are_counted(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    tally = run(folder, tmp_path, Copy(), listener=listener)
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
    tally = run(folder, tmp_path, Copy(failures), listener=listener)
    assert listener.failed() == {"5.png": "non_finite", "7.png": "unreadable", "8.png": "out_of_memory"}
    assert listener.done() == ["4.png", "6.png", "9.png"]
    assert tally.failed_codes == {"non_finite", "unreadable", "out_of_memory"}


def test_an_error_of_the_whole_run_ends_it_after_what_is_done_is_reported(
    folder: Path, tmp_path: Path
) -> None:
    listener = Listener()
    with pytest.raises(DeviceError):
        run(folder, tmp_path, Copy({6: DeviceError("gone")}), listener=listener)
    assert listener.done() == ["4.png", "5.png"]
    assert isinstance(listener.events[-1], RunSummary)


def test_a_cancelled_run_says_so(folder: Path, tmp_path: Path) -> None:
    cancelled, listener = Flag(), Listener()
    cancelled.set()
    tally = run(folder, tmp_path, Copy(), listener=listener, cancelled=cancelled)
    assert tally.interrupted
    assert tally.done == 0


def test_fail_fast_ends_at_the_first_failure(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    task = Copy({5: NonFiniteError("5.png: NaN")})
    run(folder, tmp_path, task, fail_fast=True, jobs=1, listener=listener)
    assert listener.done() == ["4.png"]


def test_results_that_wait_to_be_written_are_bounded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, waiting, most = Flag(), [0], [0]
    real = photo_steps.write_result

    def slow(*arguments: object, **more: object) -> object:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        release.wait(0.05)
        waiting[0] -= 1
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(photo_steps, "write_result", slow)
    monkeypatch.setattr(threads, "WAITING_SHARE", 0.0)
    listener = Listener()
    run(folder, tmp_path, Copy(), jobs=4, listener=listener)
    assert len(listener.done()) == 6
    assert most[0] <= 2


def test_stages_follow_one_another(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path, Invert(), Copy())
    restored, original = (np.asarray(Image.open(f / "7.png")) for f in (tmp_path, folder))
    assert np.array_equal(restored, 255 - original)


def test_each_photo_s_need_completes_the_request(folder: Path, tmp_path: Path) -> None:
    networks = OneNetwork()
    run(folder, tmp_path, Copy(), networks=networks)
    assert networks.asked == [replace(REQUEST, level=float(width)) for width in range(4, 10)]


def test_a_stage_for_raw_is_passed_over_by_other_photos(folder: Path, tmp_path: Path) -> None:
    networks = OneNetwork()
    stages = (Stage(Invert(), REQUEST, only_raw=True), Stage(Copy(), REQUEST))
    run(folder, tmp_path, stages=stages, networks=networks)
    assert len(networks.asked) == 6
    restored, original = (np.asarray(Image.open(f / "7.png")) for f in (tmp_path, folder))
    assert np.array_equal(restored, original)


def test_what_was_found_and_chosen_is_told_and_recorded(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    encoding = Encoding(provenance={"software": "restore"})
    run(folder, tmp_path, Copy(), encoding=encoding, listener=listener)
    (done,) = [e for e in listener.events if isinstance(e, FileDone) and e.input.endswith("7.png")]
    assert done.details == {"sigma": 7.0, "weights": "identity"}
    assert done.notes == ("sigma 7",)
    with Image.open(tmp_path / "7.png") as image:
        text = " ".join(str(value) for value in image.info.values())
    assert "identity" in text and "7.0" in text
    lines = [json.loads(line) for line in (tmp_path / ".restore.jsonl").read_text().splitlines()]
    assert {line["output"]: line["details"] for line in lines}["7.png"] == dict(done.details)


def test_a_photo_that_is_left_alone_keeps_its_bytes(folder: Path, tmp_path: Path) -> None:
    listener = Listener()
    tally = run(folder, tmp_path, Copy(left=frozenset({7})), listener=listener)
    assert tally.done == 6
    assert (tmp_path / "7.png").read_bytes() == (folder / "7.png").read_bytes()
    assert (tmp_path / "6.png").read_bytes() != (folder / "6.png").read_bytes()
    assert tally.left == 1
    (done,) = [e for e in listener.events if isinstance(e, FileDone) and e.input.endswith("7.png")]
    assert done.details == {"sigma": 7.0, "left_as_it_is": "it is clean"}
    assert done.notes == ("sigma 7", "left as it is: it is clean")
    assert done.left and done.tiles == 0


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    """Two JPEG files, seven pixels wide and six."""
    folder = tmp_path / "in"
    folder.mkdir()
    for width in (7, 6):
        Image.new("RGB", (width, 5), (200, 10, 30)).save(folder / f"{width}.jpeg")
    return folder


def test_a_jpeg_that_is_left_alone_stays_that_very_file(jpegs: Path, tmp_path: Path) -> None:
    out, listener = tmp_path / "out", Listener()
    tally = run(jpegs, out, Copy(left=frozenset({7})), listener=listener)
    assert (tally.done, tally.left) == (2, 1)
    assert sorted(path.name for path in out.glob("[!.]*")) == ["6.png", "7.jpeg"]
    assert (out / "7.jpeg").read_bytes() == (jpegs / "7.jpeg").read_bytes()
    assert {e.output for e in listener.events if isinstance(e, FileDone) and e.left} == {str(out / "7.jpeg")}
    again = run(jpegs, out, Copy(left=frozenset({7})))
    assert (again.done, again.skipped) == (0, 2)


def test_a_restored_photo_replaces_the_copy_of_an_earlier_run_and_the_other_way_round(
    jpegs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for left, expected in (
        (frozenset({7}), "7.jpeg"),
        (frozenset[int](), "7.png"),
        (frozenset({7}), "7.jpeg"),
    ):
        run(jpegs, out, Copy(left=left), encoding=Encoding(settings={"left": str(left)}))
        assert [path.name for path in out.glob("7.*")] == [expected]


def test_a_file_of_the_copy_s_name_that_is_no_result_is_never_touched(jpegs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "7.jpeg").write_text("mine")
    run(jpegs, out, Copy(left=frozenset({7})))
    assert (out / "7.jpeg").read_text() == "mine"
    assert np.asarray(Image.open(out / "7.png")).shape == (5, 7, 3)


def test_a_copy_never_goes_over_its_own_input(jpegs: Path) -> None:
    before = (jpegs / "7.jpeg").stat().st_mtime_ns
    run(jpegs, jpegs, Copy(left=frozenset({7})))
    assert (jpegs / "7.jpeg").stat().st_mtime_ns == before
    assert (jpegs / "7.png").exists()


@pytest.mark.parametrize(
    ("unneeded", "expected"),
    [("copy", ["6.png", "7.jpeg"]), ("skip", ["6.png"]), ("convert", ["6.png", "7.png"])],
)
def test_what_becomes_of_an_unneeded_photo_can_be_chosen(
    jpegs: Path, tmp_path: Path, unneeded: str, expected: list[str]
) -> None:
    out, listener = tmp_path / "out", Listener()
    tally = run(
        jpegs, out, Copy(left=frozenset({7})), listener=listener, encoding=Encoding(unneeded=unneeded)
    )
    assert sorted(path.name for path in out.glob("[!.]*")) == expected
    assert (tally.skipped, tally.left) == ((1, 0) if unneeded == "skip" else (0, 1))
    reasons = [event.reason for event in listener.events if isinstance(event, FileSkipped)]
    assert reasons == (["sigma 7, left as it is: it is clean"] if unneeded == "skip" else [])


def test_it_is_told_when_a_photo_s_turn_comes_and_which_of_how_many_it_is(
    folder: Path, tmp_path: Path
) -> None:
    plan = plan_names(find_inputs([str(folder)]), output=str(tmp_path), task_suffix="copy")
    photos = [replace(photo, index=index, of=6) for index, photo in enumerate(plan.photos, 1)]
    listener = Listener()
    stages = (Stage(Copy(), REQUEST),)
    setup = Setup(stages, OneNetwork(), stdin=io.BytesIO(), stdout=io.BytesIO())
    threads.run(photos, setup, listener, Flag())
    started = [event for event in listener.events if isinstance(event, FileStarted)]
    done = [event for event in listener.events if isinstance(event, FileDone)]
    numbers = [(photo.name, index, 6) for index, photo in enumerate(photos, 1)]
    for events in (started, done):
        assert [(event.input, event.index, event.of) for event in events] == numbers
    assert all(
        listener.events.index(a) < listener.events.index(b) for a, b in zip(started, done, strict=True)
    )


@pytest.mark.parametrize("more", [{"format": "webp"}, {"encoding": Encoding(depth=Depth.UINT16)}])
def test_a_photo_that_is_left_alone_is_encoded_where_another_file_was_asked_for(
    folder: Path, tmp_path: Path, more: dict[str, object]
) -> None:
    run(folder, tmp_path, Copy(left=frozenset({7})), **more)
    (made,) = tmp_path.glob("7.*")
    assert made.read_bytes() != (folder / "7.png").read_bytes()
    original = np.asarray(Image.open(folder / "7.png"))
    photo = read(made).pages[0]
    assert np.array_equal(np.rint(photo.pixels * 255), original)


def test_a_photo_that_is_left_alone_loses_its_metadata_where_that_was_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    Image.new("RGB", (7, 5)).save(source / "7.png", dpi=(300, 300))
    encoding = Encoding(strip=True)
    run(source, tmp_path / "out", Copy(left=frozenset({7})), encoding=encoding)
    with Image.open(tmp_path / "out" / "7.png") as image:
        assert "dpi" not in image.info


def test_weights_that_cannot_be_had_end_the_run(folder: Path, tmp_path: Path) -> None:
    class Offline(OneNetwork):
        def get(self, request: ModelRequest, run: Mapping[str, Any]) -> Loaded:
            if request.level == 6:
                raise WeightsError("cannot be fetched")
            return super().get(request, run)

    listener = Listener()
    with pytest.raises(WeightsError):
        run(folder, tmp_path, Copy(), networks=Offline(), listener=listener)
    assert listener.done() == ["4.png", "5.png"]


def test_a_photo_that_needs_no_network_is_finished_without_one(folder: Path, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Darken(Copy):
        def examine(self, photo: Photo) -> Need:
            return Need(network=False)

        def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
            return Job(photo, ())

        def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
            return replace(job.photo, pixels=np.zeros_like(job.photo.pixels))

    networks, listener = OneNetwork(), Listener()
    run(folder, tmp_path, Darken(), networks=networks, listener=listener)
    assert networks.asked == []
    assert len(listener.done()) == 6
    assert not np.asarray(Image.open(tmp_path / "7.png")).any()
