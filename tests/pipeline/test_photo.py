from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from threading import Event as Flag

import numpy as np
import pytest
from PIL import Image

from restorecli.engine.order import Cancelled
from restorecli.errors import CollisionError, DeviceError, NonFiniteError
from restorecli.photos.inputs import Found, find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline.photo import Setup, failure, process
from restorecli.pipeline.tally import Tally
from restorecli.report.events import FileDone, FileFailed, FileSkipped
from restorecli.stages import Stage
from tests.pipeline.test_threads import REQUEST, Copy, Listener, OneNetwork


def setup(*tasks: Copy) -> Setup:
    stages = tuple(Stage(task, REQUEST) for task in tasks)
    return Setup(stages, OneNetwork(), stdin=io.BytesIO(), stdout=io.BytesIO())


@pytest.fixture
def planned(tmp_path: Path) -> PlannedPhoto:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "7.png")
    found = find_inputs([str(tmp_path / "7.png")])
    (planned,) = plan_names(found, output=str(tmp_path / "out"), task_suffix="copy").photos
    return planned


def test_a_planned_photo_becomes_a_file_and_an_event(planned: PlannedPhoto) -> None:
    listener = Listener()
    event = process(planned, setup(Copy()), listener, Flag())
    assert isinstance(event, FileDone)
    assert (event.input, event.output) == (str(planned.found.path), str(planned.target))
    assert (event.width, event.height, event.tiles) == (7, 5, 1)
    assert listener.events == []  # returned, for the executor to report
    assert event.notes == ("sigma 7",) and not event.left
    assert planned.target is not None
    assert np.array_equal(np.asarray(Image.open(planned.target)), np.asarray(Image.open(planned.found.path)))


def test_what_the_plan_knows_needs_no_work(planned: PlannedPhoto) -> None:
    found = Found(Path("a.png"), Path(), "file")
    skipped = PlannedPhoto(found, Path("b.png"), "png", skip="already done")
    refused = PlannedPhoto(found, Path("b.png"), "png", error=CollisionError("a.png: taken", "rename it"))
    events = [process(photo, setup(Copy()), Listener(), Flag()) for photo in (skipped, refused)]
    assert events == [
        FileSkipped("a.png", "b.png", "already done"),
        FileFailed("a.png", "collision", "a.png: taken (rename it)"),
    ]


def test_a_photo_s_own_error_is_an_event_and_others_are_raised(planned: PlannedPhoto) -> None:
    event = process(planned, setup(Copy({7: NonFiniteError("7.png: NaN")})), Listener(), Flag())
    assert event == FileFailed(str(planned.found.path), "non_finite", "7.png: NaN")
    with pytest.raises(DeviceError):
        process(planned, setup(Copy({7: DeviceError("gone")})), Listener(), Flag())


def test_a_cancelled_photo_is_given_up(planned: PlannedPhoto) -> None:
    cancelled = Flag()
    cancelled.set()
    with pytest.raises(Cancelled):
        process(planned, setup(Copy()), Listener(), cancelled)
    assert planned.target is not None
    assert not planned.target.exists()


def test_an_error_of_the_whole_run_is_no_photo_s_failure(planned: PlannedPhoto) -> None:
    assert failure(planned, DeviceError("gone")) is None


def test_plans_and_events_travel_between_processes(planned: PlannedPhoto) -> None:
    refused = PlannedPhoto(planned.found, planned.target, "png", error=CollisionError("taken", "rename it"))
    there = pickle.loads(pickle.dumps((planned, refused)))
    assert there[0] == planned
    assert (there[1].error.message, there[1].error.hint, there[1].error.code) == (
        "taken",
        "rename it",
        "collision",
    )
    event = process(there[0], setup(Copy()), Listener(), Flag())
    again = pickle.loads(pickle.dumps(event))
    assert json.dumps(again.fields()) == json.dumps(event.fields())


def test_a_tally_counts_events() -> None:
    tally = Tally()
    for event in (
        FileDone("a", "b", 2000, 1000, 0.5, 1),
        FileDone("a", "b", 1000, 1000, 0.5, 0, left=True),
        FileSkipped("a", "b", "done"),
        FileFailed("a", "unreadable", "cut short"),
        FileFailed("a", "too_large", "huge"),
    ):
        tally.add(event)
    assert (tally.done, tally.skipped, tally.failed, tally.megapixels) == (2, 1, 2, 3.0)
    assert tally.failed_codes == {"unreadable", "too_large"}
    assert tally.summary(2.0).fields() == {
        "event": "summary",
        "done": 2,
        "skipped": 1,
        "failed": 2,
        "seconds": 2.0,
        "megapixels": 3.0,
        "left": 1,
    }
