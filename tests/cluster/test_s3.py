"""Runs from and to S3, by moto's server on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import RUN, Command, of, pictures, results

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
COUNT = 8


def objects(bucket: Any, folder: str) -> dict[str, bytes]:
    found = [name for name in bucket.find(f"bucket/{folder}") if "/.restore/" not in name]
    return {name.rpartition("/")[2]: bucket.cat_file(name) for name in found}


def test_a_bucket_gives_the_bytes_of_a_folder_and_is_not_done_again(
    command: Command, bucket: Any, tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    bucket.put(str(photos) + "/", "bucket/in/", recursive=True)
    code, events, said = command.run(*RUN, "s3://bucket/in", "-o", "s3://bucket/out")
    assert (code, len(of(events, "file_done"))) == (0, COUNT), said
    assert command.run(*RUN, photos, "-o", tmp_path / "out")[0] == 0
    assert objects(bucket, "out") == results(tmp_path / "out")
    code, events, _ = command.run(*RUN, "s3://bucket/in", "-o", "s3://bucket/out")
    assert (code, len(of(events, "file_skipped"))) == (0, COUNT)


def test_what_s3_does_not_have_is_named(command: Command, bucket: Any, tmp_path: Path) -> None:
    photos = pictures(tmp_path / "in", 1)
    code, _, said = command.run("upscale", "s3://no-bucket/in", "-o", tmp_path / "out")
    assert code == 2 and "there is no bucket no-bucket" in said
    code, _, said = command.run("upscale", "s3://bucket/gone.png", "-o", tmp_path / "out")
    assert code == 2 and "there is no such object" in said
    code, _, said = command.run("upscale", photos, "-o", "s3://no-bucket/out")
    assert code == 2 and "there is no bucket no-bucket" in said
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        command.environment[name] = ""
    command.environment["AWS_EC2_METADATA_DISABLED"] = "true"
    code, _, said = command.run("upscale", "s3://bucket/in", "-o", tmp_path / "out")
    assert code == 2 and "credentials" in said and "Traceback" not in said


def test_a_run_that_is_killed_leaves_whole_objects_and_is_continued(
    command: Command, bucket: Any, tmp_path: Path
) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    run = command.start(*RUN, photos, "-o", "s3://bucket/out")
    run.wait_for("file_done")
    run.kill()
    before = objects(bucket, "out")
    code, events, said = command.run(*RUN, photos, "-o", "s3://bucket/out", "--if-exists", "overwrite")
    assert code == 0 and not of(events, "file_failed"), said
    after = objects(bucket, "out")
    assert len(after) == COUNT
    assert {name: after[name] for name in before} == before


def test_two_runs_at_once_make_each_result_once(command: Command, bucket: Any, tmp_path: Path) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    runs = [command.start(*RUN, photos, "-o", "s3://bucket/out") for _ in range(2)]
    outcomes = [run.end() for run in runs]
    assert [code for code, *_ in outcomes] == [0, 0], [said for *_, said in outcomes]
    done = sorted(name for _, events, _ in outcomes for name in of(events, "file_done"))
    assert done == [str(photos / f"{number:02}.png") for number in range(COUNT)]
    assert len(objects(bucket, "out")) == COUNT
