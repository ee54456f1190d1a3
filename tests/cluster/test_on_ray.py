"""``--cluster`` on a local Ray with two workers: the bytes of one machine, and who dies loses nothing."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import DEADLY, LONG, RUN, Command, LocalRay, of, pictures, results

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3000)]
COUNT = 12


@pytest.fixture
def clustered(command: Command, local_ray: LocalRay) -> tuple[object, ...]:
    """The arguments of a run on the cluster."""
    command.environment["RAY_ADDRESS"] = local_ray.address
    return (*RUN, "--cluster", "auto", "--workers", "2")


def names(photos: Path) -> list[str]:
    return [str(photos / f"{number:02}.png") for number in range(COUNT)]


def nothing_half_written(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.suffix in (".part", ".claims")]


def test_results_are_those_of_one_machine(
    command: Command, clustered: tuple[object, ...], bucket: Any, tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    code, events, said = command.run(*clustered, photos, "-o", tmp_path / "out")
    assert code == 0, said
    assert of(events, "file_done") == of(events, "file_started") == names(photos)
    assert command.run(*RUN, photos, "-o", tmp_path / "alone")[0] == 0
    assert results(tmp_path / "out") == results(tmp_path / "alone")
    assert nothing_half_written(tmp_path / "out")
    code, events, _ = command.run(*RUN, photos, "-o", tmp_path / "out")
    assert (code, of(events, "file_skipped")) == (0, names(photos))  # the records are the same
    code, events, said = command.run(*clustered, photos, "-o", "s3://bucket/out")
    assert (code, of(events, "file_done")) == (0, names(photos)), said
    for name, content in results(tmp_path / "alone").items():
        assert bucket.cat_file(f"bucket/out/{name}") == content


def test_a_worker_that_is_killed_costs_no_photo(
    command: Command, clustered: tuple[object, ...], local_ray: LocalRay, tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    run = command.start(*clustered, photos, "-o", tmp_path / "out")
    run.wait_for("file_done")
    local_ray.workers()[0].send_signal(signal.SIGKILL)
    code, events, said = run.end()
    assert (code, of(events, "file_done")) == (0, names(photos)), said  # each once
    assert len(results(tmp_path / "out")) == COUNT
    left = tmp_path / "out"
    command.run(*RUN, photos, "-o", left)  # takes away what a killed process was writing
    assert nothing_half_written(left)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_photo_of_which_workers_die_fails_and_no_other(
    workers: str, command: Command, clustered: tuple[object, ...], tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", 4)
    (photos / "03.png").rename(photos / DEADLY)
    code, events, said = command.run(*clustered[:-1], workers, photos, "-o", tmp_path / "out")
    assert code == 1, said
    assert of(events, "file_done") == [str(photos / f"{number:02}.png") for number in range(3)]
    (failed,) = [event for event in events if event["event"] == "file_failed"]
    assert (failed["input"], failed["code"]) == (str(photos / DEADLY), "worker_lost")
    assert len(results(tmp_path / "out")) == 3 and nothing_half_written(tmp_path / "out")


def test_a_driver_that_is_killed_is_continued(
    command: Command, clustered: tuple[object, ...], local_ray: LocalRay, tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    run = command.start(*clustered, photos, "-o", tmp_path / "out")
    run.wait_for("file_done")
    run.kill()
    deadline = time.monotonic() + LONG
    while local_ray.workers() and time.monotonic() < deadline:  # they end with their driver
        time.sleep(1)
    before = results(tmp_path / "out")
    code, events, said = command.run(*RUN, photos, "-o", tmp_path / "out")
    assert code == 0, said
    assert len(of(events, "file_skipped")) == len(before)
    after = results(tmp_path / "out")
    assert len(after) == COUNT and {name: after[name] for name in before} == before
    assert nothing_half_written(tmp_path / "out")


def test_an_interrupt_lets_what_is_begun_finish(
    command: Command, clustered: tuple[object, ...], tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    run = command.start(*clustered, photos, "-o", tmp_path / "out")
    run.wait_for("file_done")
    run.process.send_signal(signal.SIGINT)
    code, events, said = run.end()
    done = len(of(events, "file_done"))
    assert code == 130, said
    assert 1 <= done < COUNT
    assert len(results(tmp_path / "out")) == done and nothing_half_written(tmp_path / "out")
    assert "what workers have begun is finished first" in said


def test_two_runs_at_once_make_each_result_once(
    command: Command, clustered: tuple[object, ...], tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    one = (*clustered[:-1], "1")  # a worker each
    runs = [command.start(*one, photos, "-o", tmp_path / "out") for _ in range(2)]
    outcomes = [run.end() for run in runs]
    assert [code for code, *_ in outcomes] == [0, 0], [said for *_, said in outcomes]
    done = sorted(name for _, events, _ in outcomes for name in of(events, "file_done"))
    assert done == names(photos)
    assert len(results(tmp_path / "out")) == COUNT and nothing_half_written(tmp_path / "out")
