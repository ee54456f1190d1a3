"""Finding inputs: files, folders, patterns, lists, standard input."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restorecli.errors import NothingToDoError, UsageError
from restorecli.photos.inputs import find_inputs, shard
from restorecli.photos.naming import plan_names


def picture(path: Path, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path, form)
    return path


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.png", "photos/A.JPG", "photos/sub/c.png", "photos/sub/deep/d.tif"):
        picture(Path(name), {".JPG": "JPEG", ".tif": "TIFF"}.get(Path(name).suffix, "PNG"))
    picture(Path("photos/no_suffix"))
    picture(Path("photos/.hidden.png"))
    picture(Path("photos/.cache/e.png"))
    Path("photos/a.xmp").write_text("<x/>")
    Path("photos/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    Path("photos/desktop.ini").write_text("[x]")
    Path("photos/.restore.jsonl").write_text("{}\n")
    Path("photos/.restore-1-2.part").write_bytes(b"x")
    Path("photos/text.png").write_text("no image, but named like one")
    return tmp_path


def names(found):
    return [item.path.as_posix() for item in found]


def test_a_folder_gives_images_by_name_or_content_in_a_fixed_order(tree):
    assert names(find_inputs(["photos"])) == [
        "photos/A.JPG",
        "photos/b.png",
        "photos/no_suffix",
        "photos/text.png",
        "photos/sub/c.png",
        "photos/sub/deep/d.tif",
    ]
    assert {item.root for item in find_inputs(["photos/"])} == {Path("photos")}


def test_without_recursion_only_the_folder_itself(tree):
    assert len(find_inputs(["photos"], recursive=False)) == 4


def test_a_named_file_is_an_input_whatever_it_is(tree):
    assert names(find_inputs(["photos/a.xmp", "photos/.hidden.png"])) == [
        "photos/a.xmp",
        "photos/.hidden.png",
    ]


def test_a_file_reached_twice_counts_once(tree):
    found = find_inputs(["photos/b.png", "photos", "photos/../photos/b.png", "photos/*.png"])
    assert names(found).count("photos/b.png") == 1
    assert len(found) == 6


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.png", ["photos/b.png", "photos/text.png"]),
        ("photos/**/*.png", ["photos/b.png", "photos/sub/c.png", "photos/text.png"]),
        ("photos/s*", ["photos/sub/c.png", "photos/sub/deep/d.tif"]),
        ("photos/[A-Z].JPG", ["photos/A.JPG"]),
    ],
)
def test_quoted_patterns(tree, pattern, expected):
    found = find_inputs([pattern])
    assert names(found) == expected
    assert {item.root for item in found} == {Path("photos")}


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tree):
    picture(Path("photos/x[1].png"))
    assert names(find_inputs(["photos/x[1].png"])) == ["photos/x[1].png"]


def test_a_missing_name_is_a_usage_error(tree):
    with pytest.raises(UsageError, match=r"photos/gone\.png"):
        find_inputs(["photos/b.png", "photos/gone.png"])


def test_nothing_found_is_its_own_error(tree):
    Path("empty").mkdir()
    for argument in ("empty", "photos/*.nef"):
        with pytest.raises(NothingToDoError):
            find_inputs([argument])
    with pytest.raises(NothingToDoError):
        find_inputs([])


@pytest.mark.parametrize("null", [False, True])
def test_lists_of_files(tree, null):
    odd = picture(Path("photos/with\nnewline é.png")) if null else picture(Path("photos/ blank .png"))
    rows = [b"photos", os.fsencode(odd), b"./photos/b.png", os.fsencode(tree / "photos/sub/c.png"), b""]
    data = (b"\0" if null else b"\r\n").join(rows)
    found = find_inputs([], files_from="-", null=null, stdin=io.BytesIO(data))
    assert [item.path for item in found] == [odd, Path("photos/b.png"), tree / "photos/sub/c.png"]
    assert [item.root for item in found] == [Path(), Path(), tree / "photos/sub"]
    Path("list").write_bytes(data)
    assert find_inputs([], files_from="list", null=null) == found


def test_a_missing_file_in_a_list_is_named(tree):
    with pytest.raises(UsageError, match="gone"):
        find_inputs([], files_from="-", stdin=io.BytesIO(b"gone.png\n"))
    with pytest.raises(UsageError, match="nolist"):
        find_inputs([], files_from="nolist")


def test_standard_input(tree):
    assert find_inputs(["-"])[0].is_stdin
    with pytest.raises(UsageError):
        find_inputs(["-"], files_from="-", stdin=io.BytesIO(b""))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_circles_end(tree):
    Path("photos/sub/up").symlink_to("..")
    Path("photos/again.png").symlink_to("b.png")
    found = find_inputs(["photos"])
    assert len({os.path.realpath(item.path) for item in found}) == len(found) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_nowhere_are_not_passed_over(tree):
    before = find_inputs(["photos"])
    Path("photos/dangling.png").symlink_to("nowhere")
    Path("photos/itself.png").symlink_to("itself.png")
    Path("photos/note").symlink_to("nowhere")
    more = [item.path.name for item in find_inputs(["photos"]) if item not in before]
    assert more == ["dangling.png", "itself.png"]


def test_shards_split_and_cover():
    assert shard("abcdefg", "1/3") == ["a", "d", "g"]
    assert shard("abcdefg", "3/3") == ["c", "f"]


@given(st.lists(st.integers()), st.integers(1, 9))
def test_shards_are_a_partition(items, count):
    parts = [shard(items, f"{index}/{count}") for index in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == sorted(items)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "²/3"])
def test_wrong_shards_are_usage_errors(text):
    with pytest.raises(UsageError):
        shard([1, 2], text)


def test_pipes_are_streams_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "list").write_text(f"{tmp_path / 'pipe'}\n/dev/zero\n")
    found = find_inputs([str(tmp_path / "pipe"), "/dev/null"], files_from=str(tmp_path / "list"))
    assert [(item.how, item.is_stream, bool(item.refusal)) for item in found] == [
        ("stream", True, False),
        ("file", False, True),
        ("list", False, True),
    ]
    planned = plan_names(found, output=str(tmp_path / "out"), task_suffix="x", settings={}).photos
    assert [photo.error is None for photo in planned] == [True, False, False]
    assert planned[0].target == tmp_path / "out" / "pipe.png"


def test_a_pipe_that_the_shell_made_wants_a_place_for_the_result() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w"):
        found = find_inputs([f"/dev/fd/{reading}"])
        assert found[0].is_stream
        with pytest.raises(UsageError, match="no sibling"):
            plan_names(found, output=None, task_suffix="x")


def test_folders_that_cannot_be_opened_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "shut/2.png", "z/3.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_inputs([str(tmp_path)])
    assert [item.path.name for item in found] == ["1.png", "shut", "3.png"]
    planned = plan_names(found, output=str(tmp_path / "out"), task_suffix="x", settings={}).photos
    assert [photo.error.message if photo.error else "" for photo in planned] == [
        "",
        f"{tmp_path / 'shut'}: this folder cannot be opened: Permission denied",
        "",
    ]
    with pytest.raises(UsageError, match="shut"):
        find_inputs([str(tmp_path / "shut")])
