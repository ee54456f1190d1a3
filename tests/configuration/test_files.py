from __future__ import annotations

from pathlib import Path

import pytest

from restorecli.configuration.files import LARGEST, beside, parse, read_file, shipped
from restorecli.configuration.keys import keys_of, tables
from restorecli.errors import UsageError


def test_tables_hold_defaults_by_field_with_their_places() -> None:
    file = parse(
        "[all]\njpeg-quality = 90\n\n[denoise]\n# how much\nstrength = 0.7\nfile_timeout = 60\n", "f"
    )
    entries = file.tables["denoise"]
    assert {name: (entry.value, entry.place) for name, entry in entries.items()} == {
        "strength": (0.7, "f, line 6"),
        "file_timeout": (60, "f, line 7"),
    }
    assert file.tables["all"]["jpeg_quality"].value == 90


def test_presets_may_be_written_as_tables_or_in_a_line() -> None:
    by_tables = parse("[presets.a]\nabout = 'x'\n[presets.a.denoise]\nstrength = 0.5\n", "f").presets["a"]
    in_a_line = parse("[presets.a]\nabout = 'x'\ndenoise = {strength = 0.5}\n", "f").presets["a"]
    dotted = parse("presets.a.about = 'x'\npresets.a.denoise.strength = 0.5\n", "f").presets["a"]
    for preset, line in ((by_tables, 4), (in_a_line, 3), (dotted, 2)):
        assert (preset.name, preset.about) == ("a", "x")
        entry = preset.tables["denoise"]["strength"]
        assert (entry.value, entry.place) == (0.5, f"f, line {line}")


WRONG = {
    "[denoise\n": "f: ",
    "[denoise]\nstrength = strong\n": "line 2",
    "[denoize]\n": "f, line 1: there is no table [denoize]",
    "x = 1\n[denoise]\n": "f, line 1: there is no table [x]",
    "[bench]\nruns = 3\n": "f, line 1: there is no table [bench]",
    "denoise = 3\n": "f, line 1: denoise is a table, not a value",
    "[denoise]\n\nstength = 1\n": "f, line 3: [denoise] has no option stength",
    "[denoise]\nscale = 2\n": "f, line 2: [denoise] has no option scale",
    "[auto]\nmodel = 'nlsn'\n": "f, line 2: [auto] has no option model",
    "[denoise]\ninputs = 'a'\n": "f, line 2: [denoise] has no option inputs",
    "[all]\ndry-run = true\n": "f, line 2: [all] has no option dry-run",
    "[denoise]\nstrength = [1, 2]\n": "f, line 2: strength has one value",
    "presets = 3\n": "f, line 1: presets is a table",
    "[presets]\nscans = 3\n": "f, line 2: presets.scans is a table",
    "[presets.scans]\nabout = 3\n": "f, line 2: about is no text",
    "[presets.scans]\ndenoize = {}\n": "f, line 2: there is no table [presets.scans.denoize]",
    "[presets.scans.denoise]\nstrenth = 1\n": "f, line 2: [presets.scans.denoise] has no option strenth",
    "[presets.scans.all]\npreset = 'x'\n": "f, line 2: a preset cannot name another",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_file_line_and_key(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, "f")
    assert WRONG[text] in refused.value.message
    assert refused.value.hint


def test_a_misspelt_name_is_answered_by_the_near_one() -> None:
    for text, near in (("[denoize]\n", "denoise"), ("[all]\njpeg_qualty = 3\n", "jpeg-quality")):
        with pytest.raises(UsageError) as refused:
            parse(text, "f")
        assert f"did you mean {near}?" in refused.value.hint


@pytest.mark.parametrize("key", ["output = '/elsewhere'", "compare = 'page.html'"])
def test_a_file_that_came_with_photos_does_not_say_where_to_write(key: str) -> None:
    text = f"[all]\n{key}\n"
    assert parse(text, "f").tables["all"]
    with pytest.raises(UsageError, match="cannot say where to write"):
        parse(text, "f", came_with_photos=True)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "restore.toml"
    for data, reason in (
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"#" * (LARGEST + 1), "too large"),
        (b"a = " + b"[" * 100000, "restore.toml: "),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=reason):
            read_file(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path / "missing.toml")
    path.write_bytes("\ufeff[denoise]\nstrength = 1\n".encode())
    assert read_file(path).tables["denoise"]


def test_the_file_is_found_in_the_folder_that_the_photos_are_in(tmp_path: Path) -> None:
    photos, others = tmp_path / "photos", tmp_path / "others"
    for folder in (photos, others):
        folder.mkdir()
        (folder / "a.png").touch()
    assert beside([str(photos)]) is None
    (photos / "restore.toml").touch()
    for named in (photos, photos / "a.png", photos / "*.png", photos / "**" / "*.png"):
        assert beside([str(named), "-", "no such thing"]) == photos / "restore.toml"
    assert beside([str(others)]) is None
    (others / "restore.toml").touch()
    with pytest.raises(UsageError, match="several files of defaults"):
        beside([str(photos), str(others)])


def test_presets_that_ship_say_what_they_are_for() -> None:
    presets = shipped().presets
    assert {"scans", "phone", "web", "raw-high-iso", "line-art"} <= set(presets)
    assert all(preset.about and preset.tables for preset in presets.values())


def test_every_command_has_its_own_options_and_those_it_shares() -> None:
    for table in tables():
        keys = keys_of(table)
        assert {"format", "device", "jobs", "preset"} <= set(keys)
        assert not {"inputs", "files-from", "dry-run", "config"} & set(keys)
    assert "strength" in keys_of("denoise")
    assert "steps" in keys_of("run")
    assert "model" not in keys_of("auto")
