"""The loop that hands out chunks, with workers that are made up: who dies, who is late, who does what."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag

import psutil
import pytest

from restorecli.cluster import crew
from restorecli.cluster.chunks import Chunk, cut
from restorecli.cluster.claims import Claims, OnDisk
from restorecli.cluster.crew import Ended, Tell
from restorecli.cluster.owners import this_run
from restorecli.errors import DeviceError, RestoreError
from restorecli.photos.inputs import Found
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.photos.stores.lines import FILE_NAME
from restorecli.report.events import Event, FileDone, FileFailed, FileSkipped, RunSummary


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def tiles(self, name: str, done: int, total: int) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def close(self) -> None: ...

    def of(self, kind: type[Event]) -> list[str]:
        return [event.input for event in self.events if isinstance(event, kind)]  # type: ignore[attr-defined]


class MadeUp:
    """Workers that do a photo by saying so, and die of those in ``deadly`` as often as it says."""

    size = 2

    def __init__(self, deadly: dict[str, int] | None = None, at: Callable[[str], None] = str) -> None:
        self.deadly, self.at = dict(deadly or {}), at
        self.given: deque[Chunk] = deque()
        self.done: list[str] = []
        self.error: RestoreError | None = None

    def has_room(self) -> bool:
        return len(self.given) < 4

    def hand_out(self, chunk: Chunk) -> None:
        self.given.append(chunk)

    def wait(self, tell: Tell) -> list[Ended]:
        chunk = self.given.popleft()
        if self.error is not None:
            return [Ended(chunk, error=self.error)]
        for photo in list(chunk.photos):
            if self.deadly.get(photo.name, 0) > 0:
                self.deadly[photo.name] -= 1
                return [Ended(chunk, died=True)]
            self.at(photo.name)
            self.done.append(photo.name)
            tell(chunk, FileDone(photo.name, str(photo.target), 1, 1, 0.0, 1))
        return [Ended(chunk)]


def plan(folder: Path, count: int = 20) -> Plan:
    found = [Found(Path(f"{number:02}.png"), Path()) for number in range(count)]
    return Plan(tuple(PlannedPhoto(item, folder / item.path.name, "png") for item in found))


def of_another_process() -> dict[str, object]:
    parent = psutil.Process(os.getppid())
    return {**this_run(), "process": parent.pid, "began": parent.create_time()}


def run(workers: MadeUp, planned: Plan, done_by_others: frozenset[str] = frozenset(), **more: bool) -> Heard:
    heard = Heard()
    look = lambda: lambda photo: photo.name in done_by_others  # noqa: E731
    crew.run(planned, workers, heard, Flag(), look=look, **more)
    return heard


def test_all_photos_are_done_once_in_chunks(tmp_path: Path) -> None:
    workers = MadeUp()
    heard = run(workers, plan(tmp_path))
    assert sorted(workers.done) == heard.of(FileDone) == [f"{number:02}.png" for number in range(20)]
    summary = heard.events[-1]
    assert isinstance(summary, RunSummary) and (summary.done, summary.failed) == (20, 0)
    assert not list(tmp_path.glob("*.claims")) and not list(tmp_path.glob(".*.claims"))


def test_what_is_left_of_a_dead_workers_chunk_is_done_by_another(tmp_path: Path) -> None:
    workers = MadeUp({"05.png": 3, "11.png": 1})
    heard = run(workers, plan(tmp_path))
    assert sorted(heard.of(FileDone)) == [f"{number:02}.png" for number in range(20)]
    assert len(workers.done) == 20  # nothing twice
    assert heard.of(FileFailed) == []


def test_a_photo_that_kills_its_worker_again_and_again_fails_and_no_other(tmp_path: Path) -> None:
    heard = run(MadeUp({"05.png": 99}), plan(tmp_path))
    assert heard.of(FileFailed) == ["05.png"]
    (failed,) = [event for event in heard.events if isinstance(event, FileFailed)]
    assert failed.code == "worker_lost"
    assert len(heard.of(FileDone)) == 19


def test_an_interrupt_lets_chunks_in_flight_finish(tmp_path: Path) -> None:
    cancelled, heard = Flag(), Heard()
    workers = MadeUp(at=lambda name: cancelled.set() if name == "03.png" else None)
    tally = crew.run(plan(tmp_path), workers, heard, cancelled, look=lambda: lambda _: False)
    assert tally.interrupted
    assert 4 <= tally.done < 20
    assert not workers.given


def test_an_error_of_the_whole_run_ends_it(tmp_path: Path) -> None:
    workers = MadeUp()
    workers.error = DeviceError("the device is lost")
    with pytest.raises(DeviceError):
        run(workers, plan(tmp_path))


def test_what_another_run_makes_is_left_to_it(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    other = OnDisk(tmp_path, of_another_process(), 0)
    claim = other.take([f"{number:02}.png" for number in range(5)])
    done: set[str] = set()

    def at(name: str) -> None:
        if name == "19.png":  # by then the other run has made two, and failed with the rest
            done.update(("00.png", "01.png"))
            other.finish(claim)

    workers = MadeUp(at=at)
    heard = Heard()
    crew.run(planned, workers, heard, Flag(), look=lambda: lambda photo: photo.name in done)
    assert sorted(heard.of(FileSkipped)) == ["00.png", "01.png"]
    assert sorted(workers.done) == [f"{number:02}.png" for number in range(2, 20)]


def test_what_another_run_makes_between_the_look_and_the_claim_is_not_made_again(tmp_path: Path) -> None:
    other = OnDisk(tmp_path, of_another_process(), 0)
    claim = other.take(["00.png"])
    looks = []

    def look() -> Callable[[PlannedPhoto], bool]:
        recorded = (tmp_path / FILE_NAME).read_text()
        looks.append(recorded)
        if len(looks) == 1:  # just after the records were looked at
            with (tmp_path / FILE_NAME).open("a") as stream:
                stream.write(json.dumps({"output": "00.png"}) + "\n")
            other.finish(claim)
        return lambda photo: bool(recorded)

    workers = MadeUp()
    heard = Heard()
    crew.run(plan(tmp_path, 3), workers, heard, Flag(), look=look)
    assert heard.of(FileSkipped) == ["00.png"] and sorted(workers.done) == ["01.png", "02.png"]


def test_claims_of_a_dead_run_count_for_nothing(tmp_path: Path) -> None:
    dead = {**this_run(), "process": 2**22 + 1}
    OnDisk(tmp_path, dead, 0).take(["00.png"])
    assert OnDisk(tmp_path, this_run(), 0).take(["00.png"]).names == {"00.png"}
    assert len(list(tmp_path.glob(".*.claims"))) == 1


def test_chunks_are_of_one_folder_and_small_where_there_are_few_photos() -> None:
    found = [Found(Path(f"{number}.png"), Path()) for number in range(10)]
    photos = [PlannedPhoto(item, Path("abc"[at // 4]) / item.path, "png") for at, item in enumerate(found)]
    assert [len(chunk.photos) for chunk in cut(photos * 20, 1)][:4] == [4, 4, 2, 4]
    assert max(len(chunk.photos) for chunk in cut(photos, 2)) == 1


def test_a_folder_that_cannot_be_written_fails_its_photos(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    heard = run(MadeUp(), plan(tmp_path / "file" / "out", 3))
    assert len(heard.of(FileFailed)) == 3


def test_claims_give_signs_of_life_and_leave_nothing(tmp_path: Path) -> None:
    claims = Claims({})
    claims.of(tmp_path).take(["a.png"])
    assert len(list(tmp_path.glob(".*.claims"))) == 1
    claims.close()
    assert not list(tmp_path.glob(".*.claims"))
