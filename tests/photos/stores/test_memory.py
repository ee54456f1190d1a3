"""Runs from and to a store: fsspec's own in memory, which needs no package and no server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from restorecli.photos.stores import store
from restorecli.photos.stores.journal import Journal
from restorecli.photos.stores.path import StorePath

OWNER = {"machine": "elsewhere", "process": 1, "token": "x", "began": 0.0}


def picture(seed: int, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    for name, seed in (("in/a.png", 0), ("in/sub/b.png", 1), ("in/sub/c.png", 2)):
        files.pipe_file(f"/{name}", picture(seed))
    files.pipe_file("/in/.hidden/d.png", picture(3))
    files.pipe_file("/in/readme.txt", b"no picture")
    yield files
    files.store.clear()


def events(done: Any, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in done.out.splitlines()]
    return [event for event in found if event["event"] == name]


def results(memory: Any, folder: str = "/out") -> dict[str, bytes]:
    found = (name for name in memory.find(folder) if "/.restore/" not in name)
    return {name.removeprefix(f"{folder}/"): memory.cat_file(name) for name in found}


RUN = ("upscale", "-x2", "--tile", "64", "--json")


def test_a_folder_of_a_store_becomes_one_with_the_bytes_of_this_machine(restore, memory, tmp_path) -> None:
    memory.get("/in", str(tmp_path / "in"), recursive=True)
    assert restore(*RUN, "memory://in", "-o", "memory://out").code == 0
    assert restore(*RUN, tmp_path / "in", "-o", tmp_path / "out").code == 0
    local = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*.png")
    }
    assert sorted(local) == ["a.png", "sub/b.png", "sub/c.png"]
    assert results(memory) == local


def test_from_a_store_to_a_disk_and_back(restore, memory, tmp_path) -> None:
    done = restore(*RUN, "memory://in/sub", "-o", tmp_path / "here")
    assert done.code == 0 and len(events(done, "file_done")) == 2
    again = restore(*RUN, "memory://in/sub", "-o", tmp_path / "here")
    assert [event["reason"] for event in events(again, "file_skipped")] == [
        "already done with the same settings"
    ] * 2
    done = restore(*RUN, tmp_path / "here", "-o", "memory://there/")
    assert done.code == 0 and sorted(results(memory, "/there")) == ["b.png", "c.png"]


def test_what_is_recorded_is_not_done_again_and_changes_are(restore, memory) -> None:
    assert restore(*RUN, "memory://in", "-o", "memory://out").code == 0
    before = results(memory)
    memory.pipe_file("/in/sub/b.png", picture(9))
    again = restore(*RUN, "memory://in", "-o", "memory://out")
    assert [event["input"] for event in events(again, "file_done")] == ["memory://in/sub/b.png"]
    assert len(events(again, "file_skipped")) == 2
    after = results(memory)
    assert {name for name in after if after[name] != before[name]} == {"sub/b.png"}
    more = restore(*RUN, "--format", "tiff", "memory://in", "-o", "memory://out")
    assert len(events(more, "file_done")) == 3


def test_a_beginning_without_records_is_done_again(restore, memory) -> None:
    assert restore(*RUN, "memory://in", "-o", "memory://out").code == 0
    memory.rm_file("/out/sub/.restore/00000001.jsonl")
    again = restore(*RUN, "memory://in/sub", "-o", "memory://out/sub", "--if-exists", "overwrite")
    assert len(events(again, "file_done")) == 2
    assert {name.rpartition("/")[2] for name in memory.find("/out/sub/.restore")} >= {"00000001.begin"}


def test_names_in_the_way(restore, memory) -> None:
    memory.pipe_file("/out/a.png", b"of the user")
    skipped = restore(*RUN, "memory://in/a.png", "-o", "memory://out/")
    assert "exists, and is not recorded" in events(skipped, "file_skipped")[0]["reason"]
    failed = restore(*RUN, "--if-exists", "error", "memory://in/a.png", "-o", "memory://out/")
    assert failed.code == 1 and events(failed, "file_failed")[0]["code"] == "collision"
    renamed = restore(*RUN, "--if-exists", "rename", "memory://in/a.png", "-o", "memory://out/")
    assert events(renamed, "file_done")[0]["output"] == "memory://out/a-2.png"
    assert memory.cat_file("/out/a.png") == b"of the user"
    same = restore(*RUN, "memory://in/a.png", "-o", "memory://in/a.png")
    assert events(same, "file_failed")[0]["code"] == "collision"


def test_patterns_lists_shards_and_dry_runs(restore, memory, tmp_path) -> None:
    done = restore(*RUN, "-n", "memory://in/**/[bc].png", "-o", "memory://out")
    assert [event["output"] for event in events(done, "planned")] == [
        "memory://out/sub/b.png",
        "memory://out/sub/c.png",
    ]
    assert results(memory) == {}
    flat = restore(*RUN, "-n", "-R", "memory://in", "-o", "memory://out")
    assert [event["input"] for event in events(flat, "planned")] == ["memory://in/a.png"]
    listed = tmp_path / "list"
    listed.write_text("memory://in/a.png\nmemory://in/sub/b.png\n")
    part = restore(*RUN, "--shard", "2/2", "--files-from", listed, "-o", "memory://out")
    assert [event["input"] for event in events(part, "file_done")] == ["memory://in/sub/b.png"]


def test_what_fails_is_named_and_the_others_go_on(restore, memory, monkeypatch) -> None:
    memory.pipe_file("/in/broken.png", b"\x89PNG\r\n\x1a\n")
    real = store.put

    def put(path: StorePath, data: bytes) -> store.Entry:
        if path.name == "b.png":
            raise store.RefusedError("the store is full")
        return real(path, data)

    monkeypatch.setattr(store, "put", put)
    done = restore(*RUN, "memory://in", "-o", "memory://out")
    assert done.code == 1
    assert {event["input"]: event["code"] for event in events(done, "file_failed")} == {
        "memory://in/broken.png": "unreadable",
        "memory://in/sub/b.png": "write_failed",
    }
    assert "the store is full" in done.out
    assert sorted(results(memory)) == ["a.png", "sub/c.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("memory://nothing", "-o", "memory://out"), "there is no such object or folder"),
        (("memory://in/a..png//x", "-o", "memory://out"), "empty parts"),
        (("nothing://in", "-o", "memory://out"), "no kind of store"),
        (("memory://in", "-o", "https://host/out"), "nothing can be written to https://"),
    ],
)
def test_what_cannot_be_is_said(restore, memory, arguments, said) -> None:
    done = restore("upscale", *arguments)
    assert done.code == 2
    assert said in done.err or "restorecli[cluster]" in done.err


def test_without_the_packages_the_extra_is_named(restore, monkeypatch) -> None:
    import sys

    for name in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, name, None)
    store._client.cache_clear()
    for place in ("s3://bucket/photos", "gs://bucket/photos"):
        done = restore("upscale", place, "-o", "out")
        assert done.code == 2 and "pip install 'restorecli[cluster]'" in done.err
        done = restore("upscale", str(Path(__file__).parents[3] / "docs" / "samples"), "-o", place)
        assert done.code == 2 and "pip install 'restorecli[cluster]'" in done.err
    store._client.cache_clear()


def test_of_two_runs_that_begin_the_same_names_one_makes_them(memory) -> None:
    folder = StorePath("memory://out")
    first, second = Journal(folder, OWNER), Journal(folder, {**OWNER, "token": "y"})
    assert first.begin(["a.png", "b.png"])[1] == {}
    number, others = second.begin(["b.png", "c.png"])
    assert number == 2 and set(others) == {"b.png"} and others["b.png"].owner["token"] == "x"
    assert set(first.begin(["c.png", "d.png"])[1]) == {"c.png"}
    first.finish(1, [])
    assert second.is_done(1) and not second.is_done(2)
