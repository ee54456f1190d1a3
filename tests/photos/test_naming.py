"""Planning names: mirrored, distinct, never an input, and what counts as done."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from restorecli.errors import CollisionError, UsageError
from restorecli.photo import Photo
from restorecli.photos.formats.table import check_format, kept_format
from restorecli.photos.inputs import Found, find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.read import read
from restorecli.photos.records import FILE_NAME, Record
from restorecli.photos.write import write

FORMS = {".jpg": "JPEG", ".JPG": "JPEG", ".tif": "TIFF", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP"}
SETTINGS = {"task": "upscale", "scale": "4", "model": "nlsn"}


def picture(name: str, seed: int = 0) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, FORMS.get(path.suffix, "PNG"))
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def plan(inputs, output=None, **more):
    more.setdefault("settings", SETTINGS)
    return plan_names(find_inputs(inputs), output=output, task_suffix="upscale-x4", **more)


def targets(planned):
    return [None if photo.target is None else photo.target.as_posix() for photo in planned.photos]


def carry_out(planned, **settings):
    """Do what the pipeline would do."""
    for photo in planned.photos:
        if photo.skip or photo.error:
            continue
        document = read(photo.found.path)
        settled = {**SETTINGS, **settings}
        record = Record(photo.found.path, document.fingerprint, document.stamp, settled, kind=photo.kind)
        write(document, photo.target, format=photo.format, record=record)


def test_a_folder_becomes_a_sibling_with_the_same_tree():
    picture("photos/a.jpg")
    picture("photos/sub/b.png")
    assert targets(plan(["photos/"])) == ["photos_upscale-x4/a.png", "photos_upscale-x4/sub/b.png"]


def test_a_file_becomes_a_sibling_file():
    picture("a.jpg")
    assert targets(plan(["a.jpg"])) == ["a_upscale-x4.png"]
    picture("x/b.tif")
    assert targets(plan(["x/*.tif"])) == ["x/b_upscale-x4.tif"]


def test_the_current_folder_is_called_by_its_name(here):
    picture("a.png")
    assert targets(plan(["."])) == [(here.parent / "work_upscale-x4/a.png").as_posix()]


def test_output_folder_mirrors_the_tree():
    picture("photos/a.png")
    picture("photos/sub/b.png")
    assert targets(plan(["photos"], "out")) == ["out/a.png", "out/sub/b.png"]
    assert targets(plan(["photos/**/*.png"], "out")) == ["out/a.png", "out/sub/b.png"]


def test_output_file_for_one_input_sets_the_format():
    picture("a.png")
    planned = plan(["a.png"], "x/result.jpg").photos[0]
    assert (planned.target, planned.format) == (Path("x/result.jpg"), "jpg")
    picture("b.png")
    with pytest.raises(UsageError):
        plan(["a.png", "b.png"], "result.jpg")
    with pytest.raises(UsageError):
        plan(["a.png"], "result.jpg", format="png")


def test_a_folder_may_be_called_like_a_file():
    picture("a.png")
    picture("b.png")
    Path("out.png").mkdir()
    assert targets(plan(["a.png", "b.png"], "out.png")) == ["out.png/a.png", "out.png/b.png"]
    assert targets(plan(["a.png", "b.png"], "new.png/")) == ["new.png/a.png", "new.png/b.png"]


def test_standard_output():
    picture("a.png")
    assert plan(["a.png"], "-").photos[0].target is None
    assert plan(["-"]).photos[0].target is None
    assert targets(plan(["-"], "out.png")) == ["out.png"]
    picture("b.png")
    with pytest.raises(UsageError):
        plan(["a.png", "b.png"], "-")


def test_kept_formats():
    kept = {
        "png": "png",
        "tiff": "tiff",
        "webp": "webp",
        "bmp": "bmp",
        "pnm": "ppm",
        "jpeg": "png",
        "gif": "png",
    }
    kept |= {"avif": "png", "jpeg2000": "png", "hdr": "tiff", "raw": "tiff"}
    assert {kind: kept_format(kind) for kind in kept} == kept
    assert check_format("JPEG") == "jpg"
    with pytest.raises(UsageError, match="xyz"):
        check_format("xyz")


def test_the_format_follows_the_content_and_is_said_once():
    picture("a.jpg")
    picture("b.jpg")
    shutil.copy(picture("c.png"), "c.jpg")
    planned = plan(["a.jpg", "b.jpg", "c.jpg"], "out")
    assert [photo.format for photo in planned.photos] == ["png"] * 3
    assert len([note for note in planned.notes if "JPEG" in note]) == 1
    assert plan(["c.png"], "out").notes == ()


def test_only_real_suffixes_are_taken_off():
    picture("x.200.png")
    picture("v1.2")
    assert targets(plan(["x.200.png", "v1.2"], "out", format="jpg")) == ["out/x.200.jpg", "out/v1.2.jpg"]


def test_the_spelling_of_the_suffix_is_kept():
    picture("a.tif")
    picture("b.JPG")
    assert targets(plan(["a.tif"], "out")) == ["out/a.tif"]
    assert targets(plan(["b.JPG"], "out", format="jpg")) == ["out/b.JPG"]


def test_a_jpg_and_a_png_never_meet_in_one_file():
    picture("p/a.jpg")
    picture("p/a.png")
    planned = plan(["p"], "out")
    assert targets(planned) == ["out/a.jpg.png", "out/a.png.png"]
    assert all(photo.warnings for photo in planned.photos)


def test_three_names_that_run_into_each_other():
    for name in ("p/a.jpg", "p/a.png", "p/a.jpg.png"):
        picture(name)
    assert len(set(targets(plan(["p"], "out")))) == 3


def test_equal_names_from_several_folders_keep_their_folders():
    picture("x/a.png")
    picture("y/a.png")
    picture("y/b.png")
    assert targets(plan(["x/a.png", "y/a.png", "y/b.png"], "out")) == [
        "out/x/a.png",
        "out/y/a.png",
        "out/b.png",
    ]
    assert targets(plan(["x", "y"], "out")) == ["out/x/a.png", "out/y/a.png", "out/b.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that tells cases apart")
def test_names_that_differ_in_case_only_stay_apart():
    picture("p/a.png")
    picture("p/A.png")
    planned = targets(plan(["p"], "out"))
    assert len({name.lower() for name in planned}) == 2


@pytest.mark.parametrize("output", ["p", "./p", "q/../p", "p/"])
def test_an_input_is_never_written_to(output):
    picture("p/a.png")
    Path("q").mkdir()
    planned = plan(["p"], output, if_exists="overwrite").photos[0]
    assert isinstance(planned.error, CollisionError)
    assert planned.error.code == "collision"
    assert plan(["p"], output, if_exists="rename").photos[0].target.name == "a-2.png"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_an_input_is_not_written_to_through_links():
    picture("p/a.png")
    Path("link").symlink_to("p")
    Path("out").mkdir()
    os.link("p/a.png", "out/a.png")
    for output in ("link", "out"):
        assert plan(["p"], output, if_exists="overwrite").photos[0].error is not None


def test_done_is_skipped_and_another_setting_is_not_done():
    picture("p/a.jpg")
    carry_out(plan(["p"]))
    assert "already done" in plan(["p"]).photos[0].skip
    other = plan(["p"], settings={**SETTINGS, "model": "rnan"}).photos[0]
    assert (other.skip, other.error) == ("", None)


def test_a_changed_input_is_not_done():
    picture("p/a.png")
    carry_out(plan(["p"]))
    picture("p/a.png", seed=1)
    os.utime("p/a.png", (1, 1))
    assert plan(["p"]).photos[0].skip == ""


def test_a_touched_input_with_the_same_bytes_is_done():
    picture("p/a.png")
    carry_out(plan(["p"]))
    os.utime("p/a.png", (1, 1))
    assert "already done" in plan(["p"]).photos[0].skip


def test_a_moved_tree_is_still_done():
    picture("p/a.png")
    carry_out(plan(["p"]))
    Path("new").mkdir()
    shutil.copytree("p", "new/p")
    shutil.copytree("p_upscale-x4", "new/p_upscale-x4", copy_function=shutil.copyfile)
    assert "already done" in plan(["new/p"]).photos[0].skip


def test_a_truncated_result_is_redone():
    picture("p/a.png")
    carry_out(plan(["p"]))
    result = Path("p_upscale-x4/a.png")
    whole = result.read_bytes()
    for damaged in (whole[:-10], b""):
        result.write_bytes(damaged)
        planned = plan(["p"]).photos[0]
        assert (planned.skip, planned.error) == ("", None)
    carry_out(plan(["p"]))
    assert result.read_bytes() == whole


def test_a_result_that_was_replaced_by_hand_is_left_alone():
    picture("p/a.png")
    carry_out(plan(["p"]))
    picture("p_upscale-x4/a.png", seed=9)
    assert "not recorded" in plan(["p"]).photos[0].skip
    assert plan(["p"], if_exists="overwrite").photos[0].skip == ""


def test_foreign_files_are_not_overwritten_by_skip_and_fail_by_error():
    picture("a.png")
    picture("out/a.png", seed=3)
    assert "not recorded" in plan(["a.png"], "out").photos[0].skip
    assert plan(["a.png"], "out", if_exists="error").photos[0].error.code == "collision"
    assert targets(plan(["a.png"], "out", if_exists="rename")) == ["out/a-2.png"]
    assert plan(["a.png"], "out", if_exists="overwrite").photos[0].skip == ""
    with pytest.raises(UsageError):
        plan(["a.png"], "out", if_exists="ask")


def test_a_second_run_does_not_restore_its_own_results():
    picture("a.png")
    carry_out(plan(["a.png"]))
    for inputs in (["a.png", "a_upscale-x4.png"], ["*.png"]):
        planned = plan(inputs)
        assert all(photo.skip for photo in planned.photos)
    # alone, a result is an input like any other
    assert plan(["a_upscale-x4.png"]).photos[0].skip == ""


def test_an_outdated_result_among_the_inputs_is_replaced():
    picture("a.png")
    carry_out(plan(["a.png"]))
    planned = plan(["a.png", "a_upscale-x4.png"], settings={**SETTINGS, "model": "grl"})
    assert [bool(photo.skip) for photo in planned.photos] == [False, True]
    assert planned.photos[0].error is None


def test_an_output_folder_inside_the_input_is_not_read():
    picture("a.png")
    picture("sub/b.png")
    first = plan(["."], "out")
    assert len(first.photos) == 2
    carry_out(first)
    assert len(plan(["."], "out").photos) == 2
    assert all(photo.skip for photo in plan(["."], "out").photos)
    # and a run to elsewhere leaves the results of the first one out
    assert sum(not photo.skip for photo in plan(["."], "../elsewhere").photos) == 2


def test_a_damaged_record_is_no_record():
    picture("p/a.png")
    carry_out(plan(["p"]))
    record = Path("p_upscale-x4") / FILE_NAME
    record.write_text('garbage\n[]\n{"output": 3}\n' + record.read_text() + '{"output": "a.png", "si')
    assert "already done" in plan(["p"]).photos[0].skip


def test_names_longer_than_file_systems_allow_are_cut():
    long = "é" * 122 + ".png"
    picture(long)
    target = plan([long]).photos[0].target
    assert len(os.fsencode(target.name)) <= 255
    write([Photo(np.zeros((1, 1, 3), np.float32))], target, format="png")


def test_the_root_folder_needs_an_output():
    with pytest.raises(UsageError):
        plan_names([Found(Path("/a.png"), Path("/"), "folder")], output=None, task_suffix="t")


NAMES = st.lists(
    st.tuples(
        st.sampled_from(["", "x", "x/y", "X", "in é", "in e\u0301"]),
        st.sampled_from(["a", "A", "a.jpg", "a-2", "a.b", "ß", "ss", "é", "e\u0301", "a_t"]),
        st.sampled_from([".jpg", ".png", ".PNG", ".tif", ""]),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


def test_own_files_in_the_output_folder_are_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture("in/a.jpg")
    picture("in/x/a.png")
    planned = plan_names(find_inputs(["in"]), output="in/x", task_suffix="t", if_exists="overwrite")
    assert [photo.error.code for photo in planned.photos if photo.error] == ["collision"]
    assert not [photo for photo in planned.photos if not photo.error and not photo.skip]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that tells these names apart")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=NAMES,
    output=st.sampled_from([None, "in", "in/x", "out"]),
    format=st.sampled_from(["keep", "png"]),
    if_exists=st.sampled_from(["skip", "overwrite", "rename", "error"]),
    whole=st.booleans(),
)
def test_targets_are_distinct_and_never_inputs(names, output, format, if_exists, whole):
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            paths = [picture(f"in/{inner}/{stem}{suffix}") for inner, stem, suffix in names]
            found = find_inputs(["in"] if whole else [str(path) for path in paths])
            planned = plan_names(found, output=output, task_suffix="t", format=format, if_exists=if_exists)
            writing = [photo.target for photo in planned.photos if not photo.skip and not photo.error]
            keys = [unicodedata.normalize("NFC", os.path.realpath(path).casefold()) for path in writing]
            assert len(set(keys)) == len(keys)
            inputs = {os.path.realpath(item.path) for item in found}
            assert not inputs.intersection(os.path.realpath(path) for path in writing)
            again = plan_names(found, output=output, task_suffix="t", format=format, if_exists=if_exists)
            assert targets(again) == targets(planned)
        finally:
            os.chdir(before)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a:b.png", "a_b.png"),
        ('what? "really" <1|2>*.png', "what_ _really_ _1_2__.png"),
        ("two\nlines.png", "two_lines.png"),
        ("con.png", "_con.png"),
        ("LPT1.x.png", "_LPT1.x.png"),
        ("console.png", "console.png"),
        ("ends. /a.png", "ends/a.png"),
        ("aux/b:c/a.png", "_aux/b_c/a.png"),
        ("café 日本 (1).png", "café 日本 (1).png"),
    ],
)
def test_names_of_results_are_those_that_windows_takes(
    name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("in") / name
    path.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(path, "png")
    (photo,) = plan_names(find_inputs(["in"]), output="out", task_suffix="x").photos
    assert photo.target == Path("out") / expected


def test_names_that_differ_only_in_what_windows_lacks_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a:b.png", "a?b.png", "a_b.png"):
        Image.new("RGB", (4, 4)).save(Path("in") / name, "png")
    photos = plan_names(find_inputs(["in"]), output="out", task_suffix="x").photos
    assert len({photo.target for photo in photos}) == 3


def test_what_is_done_is_not_opened_again(monkeypatch):
    for number, suffix in enumerate((".jpg", ".png", ".tif")):
        picture(f"photos/{number}{suffix}", seed=number)
    first = plan(["photos"], "out")
    carry_out(first)

    def refuse(path, *_args, **_more):
        raise AssertionError(f"{path} was opened")

    with monkeypatch.context() as patch:
        patch.setattr("restorecli.photos.formats.kinds.sniff_file", refuse)
        patch.setattr("restorecli.photos.records.fingerprint", refuse)
        again = plan(["photos"], "out")
    assert [photo.skip for photo in again.photos] == ["already done with the same settings"] * 3
    assert targets(again) == targets(first)
    os.utime("photos/0.jpg", ns=(1, 1))
    picture("photos/1.png", seed=9)
    assert [bool(photo.skip) for photo in plan(["photos"], "out").photos] == [True, False, True]


def test_an_input_that_became_another_kind_is_looked_at_again():
    picture("photos/a.png")
    carry_out(plan(["photos"], "out"))
    Image.new("RGB", (9, 9)).save("photos/a.png", "TIFF")
    assert targets(plan(["photos"], "out")) == ["out/a.tiff"]
