from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restorecli.errors import UsageError
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.output import check_output
from restorecli.photos.planned import Plan
from restorecli.photos.template import FIELDS, NUMBERS, read_template
from tests.conftest import Done

Run = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str, size: tuple[int, int] = (4, 3)) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(name)


def plan(inputs: list[str], output: str, **more: Any) -> Plan:
    return plan_names(find_inputs(inputs), output=output, task_suffix="upscale-x4", **more)


def targets(inputs: list[str], output: str, **more: Any) -> list[str]:
    return [str(photo.target) for photo in plan(inputs, output, **more).photos]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("out/{name}_{task}.{ext}", "out/a_upscale-x4.png"),
        ("{name}.{ext}", "a.png"),
        ("out/{parent}/{name}.{ext}", "out/inner/a.png"),
        ("out/{folder}/{name}.{ext}", "out/inner/a.png"),
        ("out/{width}x{height}/{index:04}.tiff", "out/40x30/0001.tiff"),
        ("out/{{{name}}}.{ext}", "out/{a}.png"),
        ("o-{task}/{name}.{ext}", "o-upscale-x4/a.png"),
    ],
)
def test_fields_stand_for_what_is_known_of_the_photo(here: Path, output: str, expected: str) -> None:
    make("in/inner/a.jpg", size=(40, 30))
    assert targets(["in"], output) == [expected]


def test_a_suffix_that_is_written_sets_the_format(here: Path) -> None:
    make("a.png", "b.jpg")
    photos = plan(["a.png", "b.jpg"], "out/{name}.tif").photos
    assert [(str(photo.target), photo.format) for photo in photos] == [
        ("out/a.tif", "tiff"),
        ("out/b.tif", "tiff"),
    ]


def test_doubled_braces_name_a_folder_or_a_file_as_they_are(here: Path) -> None:
    make("in/a.png")
    assert targets(["in"], "{{out}}/") == ["{out}/a.png"]
    assert targets(["in"], "{{x}}.png") == ["{x}.png"]


WRONG = {
    "out/{nmae}.{ext}": "there is no field {nmae}",
    "out/{}.{ext}": "there is no field {}",
    "out/{0}.{ext}": "there is no field {0}",
    "out/{name.upper}.{ext}": "there is no field {name.upper}",
    "out/{name[0]}.{ext}": "there is no field {name[0]}",
    "out/{name!r}.{ext}": "{name!r} cannot be filled in",
    "out/{name:>9}.{ext}": "{name:>9} cannot be filled in",
    "out/{index:x}.{ext}": "{index:x} cannot be filled in",
    "out/{index:999}.{ext}": "{index:999} cannot be filled in",
    "out/{name.{ext}": "-o out/{name.{ext}: ",
    "out/{name}}.{ext}": "-o out/{name}}.{ext}: ",
    "out/{name": "-o out/{name: ",
    "out/{name}": "ends in no suffix",
    "out/{name}{ext}": "ends in no suffix",
    "out/{name}/": "ends in no suffix",
    "out/{name}.xyz": "ends in no suffix",
}


def test_an_empty_name_is_refused_and_the_home_is_known(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("a.png")
    with pytest.raises(UsageError, match="-o is empty"):
        check_output(find_inputs(["a.png"]), "")
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setenv("USERPROFILE", str(here / "home"))
    assert plan(["a.png"], "~/out/{name}.{ext}").photos[0].target == here / "home" / "out" / "a.png"


@pytest.mark.parametrize("output", WRONG)
def test_a_wrong_template_is_refused_before_any_work(here: Path, output: str) -> None:
    make("a.png")
    with pytest.raises(UsageError) as refused:
        check_output(find_inputs(["a.png"]), output)
    assert WRONG[output] in refused.value.message
    assert refused.value.hint


def test_a_misspelt_field_is_answered_by_the_near_one() -> None:
    with pytest.raises(UsageError) as refused:
        read_template("{nmae}.{ext}")
    assert "did you mean name?" in refused.value.hint
    assert all(f"{{{field}}}" in refused.value.hint for field in FIELDS)


def test_a_suffix_and_another_format_do_not_go_together(here: Path) -> None:
    make("a.png")
    with pytest.raises(UsageError, match="do not go together"):
        check_output(find_inputs(["a.png"]), "{name}.png", "tiff")
    check_output(find_inputs(["a.png"]), "{name}.{ext}", "tiff")


def test_results_that_would_share_a_name_are_told_apart(here: Path) -> None:
    make("x/a.png", "x/a.jpg", "y/a.png")
    assert targets(["x"], "out/{name}.{ext}") == ["out/a.jpg.png", "out/a.png.png"]
    planned = plan(["x/a.png", "y/a.png"], "out/{name}.{ext}").photos
    assert [str(photo.target) for photo in planned] == ["out/x/a.png", "out/y/a.png"]
    assert all("several inputs have this name" in photo.warnings[0] for photo in planned)
    assert len(set(targets(["x"], "out/{task}.{ext}"))) == 2


def test_an_input_is_never_written_to(here: Path) -> None:
    make("in/a.png")
    (photo,) = plan(["in"], "in/{name}.{ext}").photos
    assert photo.error is not None
    assert "would overwrite the input" in photo.error.message


def test_what_comes_from_a_photo_is_safe_on_windows(here: Path) -> None:
    make("in/con/a:b?.png", "in/x. /c.png")
    assert targets(["in"], "out/{folder}/{name}-{parent}.{ext}") == [
        "out/_con/a_b_-_con.png",
        "out/x/c-x.png",
    ]


def test_a_photo_whose_size_cannot_be_read_fails_and_the_others_go_on(here: Path) -> None:
    make("in/a.png")
    Path("in/b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    good, bad = plan(["in"], "out/{name}-{width}.{ext}").photos
    assert (str(good.target), good.error) == ("out/a-4.png", None)
    assert bad.error is not None


def test_a_pipe_has_no_size_and_no_folder() -> None:
    found = find_inputs(["-"])
    check_output(found, "{name}_{task}.{ext}")
    for field in ("width", "parent"):
        with pytest.raises(UsageError, match="comes through a pipe"):
            check_output(found, f"{{{field}}}.{{ext}}")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="{}/\\\0"), max_size=8), min_size=2))
def test_text_around_the_fields_stays_as_it_is(texts: list[str]) -> None:
    fields = [name for name in FIELDS if name != "folder"]
    pieces = [(text, fields[number % len(fields)]) for number, text in enumerate(texts)]
    template = read_template("x" + "".join(f"{text}{{{field}}}" for text, field in pieces) + ".{ext}")
    values: dict[str, str | int] = {name: 7 if name in NUMBERS else "v" for name in FIELDS}
    wanted = "x" + "".join(f"{text}{values[field]}" for text, field in pieces) + ".v"
    assert str(template.path(values)) == str(Path(wanted))


def test_the_command_writes_where_the_template_says_and_knows_its_results_again(
    here: Path, restore: Run
) -> None:
    make("photos/one/a.png", "photos/b.png", size=(24, 16))
    arguments = ("upscale", "-x2", "photos", "-o", "out/{parent}/{name}_{task}.{ext}", "-d", "cpu", "--json")
    done = restore(*arguments)
    assert done.code == 0, done.err
    made = sorted(path.as_posix() for path in Path("out").rglob("*.png"))
    assert made == ["out/one/a_upscale-x2.png", "out/photos/b_upscale-x2.png"]
    again = [json.loads(line)["event"] for line in restore(*arguments).out.splitlines()]
    assert again.count("file_skipped") == 2
    refused = restore("upscale", "photos", "-o", "out/{nmae}.{ext}")
    assert refused.code == 2
    assert "did you mean name?" in refused.err
