from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.configuration.files import user_file
from tests.conftest import Done

Run = Callable[..., Done]
CPU = ("-d", "cpu", "--fp32")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    return folder


def defaults(photos: Path, text: str) -> None:
    (photos / "restore.toml").write_text(text)


def shown(restore: Run, *arguments: object) -> dict[str, tuple[object, str]]:
    done = restore("config", "show", "--json", *arguments)
    assert done.code == 0, done.err
    return {row["option"]: (row["value"], row["from"]) for row in json.loads(done.out)}


def test_flags_go_before_variables_and_these_before_presets_and_files(
    photos: Path, restore: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = photos / "restore.toml"
    assert shown(restore, "denoise", photos) == {}
    defaults(photos, "[denoise]\nstrength = 0.7\njobs = 2\n")
    assert shown(restore, "denoise", photos) == {
        "strength": (0.7, f"{file}, line 2"),
        "jobs": (2, f"{file}, line 3"),
    }
    by_preset = shown(restore, "denoise", photos, "--preset", "scans")
    assert by_preset["strength"] == (0.5, "preset scans (comes with restore)")
    assert by_preset["jobs"] == (2, f"{file}, line 3")
    monkeypatch.setenv("RESTORE_STRENGTH", "0.2")
    assert shown(restore, "denoise", photos, "--preset", "scans")["strength"] == (
        0.2,
        "variable RESTORE_STRENGTH",
    )
    assert shown(restore, "denoise", photos, "--strength", "0.1")["strength"] == (0.1, "command line")


def test_what_is_shown_is_what_a_run_does(photos: Path, restore: Run, tmp_path: Path) -> None:
    defaults(photos, "[denoise]\nsigma = 25\nstrength = 0.25\n[all]\nformat = 'tiff'\nbits = 16\n")
    done = restore("denoise", photos, *CPU)
    assert done.code == 0, done.err
    (record,) = (tmp_path / "photos_denoise" / ".restore.jsonl").read_text().splitlines()
    settings = json.loads(record)["settings"]
    assert {name: settings[name] for name in ("sigma", "strength", "format", "bits")} == {
        "sigma": "25",
        "strength": "0.25",
        "format": "tiff",
        "bits": "16",
    }
    explicit = ("--sigma", "25", "--strength", "0.25", "-f", "tiff", "--bits", "16", "--config", "none")
    again = restore("denoise", photos, *CPU, *explicit, "--json")
    assert "file_skipped" in again.out  # the same settings, wherever they come from


WRONG = {
    "[denoise]\nstength = 1\n": "line 2: [denoise] has no option stength",
    "[denoise]\nstrength = 7\n": "line 2: strength = 7 is not between 0 and 2",
    "[denoise]\nstrength = 'lots'\n": "line 2: strength = 'lots' is not a number",
    "[denoise]\nnoise = 'rel'\n": "line 2: noise = 'rel': there is no such choice",
    "[denoise]\nsigma = true\n": "line 2: sigma = true: it is no switch",
    "[all]\nstrip = 1\n": "line 2: strip = 1 must be true or false",
    "[all]\nfp16 = true\nfp32 = true\n": "line 2: fp16 = true and ",
    "[all]\njpeg-quality = 200\n": "line 2: jpeg-quality = 200 is ",
    "[all]\nformat = 'jpgg'\n": "line 2: format = 'jpgg'",
    "[all]\ntile = 'big'\n": "line 2: tile = 'big'",
    "[all]\noutput = '/tmp'\n": "line 2: a file beside photos cannot say where to write",
    "[all]\npreset = 'scnas'\n": "there is no preset scnas",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_value_is_refused_with_file_line_and_key(text: str, photos: Path, restore: Run) -> None:
    defaults(photos, text)
    done = restore("denoise", photos)
    assert done.code == 2
    assert WRONG[text] in done.err
    assert "Traceback" not in done.err
    assert not (photos.parent / "photos_denoise").exists()


def test_what_is_called_so_and_is_no_file_is_refused(photos: Path, restore: Run) -> None:
    (photos / "restore.toml").mkdir()
    done = restore("denoise", photos, "-n")
    assert done.code == 2 and "restore.toml: it is no file of defaults" in done.err
    assert restore("denoise", photos, "-n", "--config", "none").code == 0
    (photos / "restore.toml").rmdir()
    (photos / "restore.toml").symlink_to("nowhere")
    assert "it is no file of defaults" in restore("denoise", photos, "-n").err


def test_wrong_steps_of_a_file_are_named_with_their_place(photos: Path, restore: Run) -> None:
    defaults(
        photos, "[run]\nsteps = 'dejpeg | denoize'\n[presets.mine]\nrun = {steps = 'dejpeg | | upscale'}\n"
    )
    assert "restore.toml, line 2: step 2 of the run: there is no step denoize" in restore("run", photos).err
    assert "line 4): step 2 of the run is empty" in restore("run", photos, "--preset", "mine").err
    typed = restore("run", "denoize", photos).err
    assert "error: step 1 of the run: there is no step denoize" in typed


def test_an_option_in_the_wrong_table_is_said_to_be_of_others(photos: Path, restore: Run) -> None:
    for table in ("[all]", "[denoise]", "[presets.mine.all]"):
        defaults(photos, f"{table}\nstyle = 'sharp'\n")
        assert "hint: it belongs in [upscale] or [enhance]" in restore("upscale", photos).err


def test_words_that_are_no_switches_are_asked_for(photos: Path, restore: Run) -> None:
    defaults(photos, "[demosaic]\nhot-pixels = false\n")
    done = restore("demosaic", photos)
    assert done.code == 2
    assert "line 2: hot-pixels = false: it is no switch" in done.err and "write 'on' or 'off'" in done.err


def test_photos_that_are_not_there_are_named(photos: Path, restore: Run) -> None:
    for arguments in (("show", "denoise", photos / "nowhere"), ("presets", photos / "nowhere")):
        done = restore("config", *arguments)
        assert done.code == 2 and "there is no such file or folder" in done.err
    assert restore("config", "show", "denoise", photos / "*.png").code == 0


def test_other_commands_and_no_file_are_not_concerned(photos: Path, restore: Run) -> None:
    defaults(photos, "[denoise]\nstrength = 7\n")
    assert restore("upscale", photos, "-n", *CPU).code == 0
    assert restore("denoise", photos, "-n", *CPU, "--config", "none").code == 0
    assert restore("denoise", photos, "-n", *CPU, "--strength", "1").code == 0


def test_steps_may_come_from_a_preset(photos: Path, restore: Run) -> None:
    defaults(photos, "[presets.mine]\nrun = {steps = 'denoise | upscale'}\nupscale = {scale = 2}\n")
    done = restore("run", "--preset", "mine", photos, "-n", "--json", *CPU)
    assert done.code == 0, done.err
    (planned,) = (json.loads(line) for line in done.out.splitlines() if "planned" in line)
    assert Path(planned["output"]).parent.name == "photos_denoise-upscale-x2"
    other = restore("run", "upscale -x3", "--preset", "mine", photos, "-n", "--json", *CPU)
    assert "photos_upscale-x3" in other.out
    assert restore("run", photos, "-n").code == 2


def test_a_step_has_the_defaults_of_its_command(photos: Path, restore: Run) -> None:
    defaults(photos, "[denoise]\nsigma = 12\n[upscale]\nscale = 3\n")
    done = restore("run", "denoise | upscale -x2", photos, *CPU)
    assert done.code == 0, done.err
    (record,) = (photos.parent / "photos_denoise-upscale-x2" / ".restore.jsonl").read_text().splitlines()
    assert json.loads(record)["settings"]["1 denoise sigma"] == "12"
    defaults(photos, "[denoise]\nsigma = 'x'\n")
    refused = restore("run", "denoise", photos)
    assert "step 1 (denoise): " in refused.err
    assert "line 2: sigma = 'x'" in refused.err


def test_presets_are_listed_with_what_they_set(photos: Path, restore: Run) -> None:
    defaults(photos, "[presets.mine]\nabout = 'Mine.'\ndenoise = {strength = 0.3}\n")
    done = restore("config", "presets", photos)
    assert "scans: " in done.out
    assert "mine: Mine. (" in done.out
    assert "  denoise: strength = 0.3" in done.out
    listed = {each["name"]: each for each in json.loads(restore("config", "presets", photos, "--json").out)}
    assert listed["mine"]["sets"] == {"denoise": {"strength": 0.3}}


@pytest.mark.parametrize("preset", ["scans", "phone", "web", "raw-high-iso", "line-art"])
@pytest.mark.parametrize("command", ["auto", "denoise", "demosaic", "dejpeg", "upscale"])
def test_every_preset_suits_every_command(preset: str, command: str, photos: Path, restore: Run) -> None:
    done = restore("config", "show", command, photos, "--preset", preset)
    assert done.code == 0, done.err
    assert "preset" in done.out


def test_the_users_own_file_is_named_and_a_wrong_command_refused(photos: Path, restore: Run) -> None:
    assert restore("config", "path").out.strip() == str(user_file())
    assert str(user_file()) in restore("config", "show", "denoise", photos).out
    everything = restore("config", "show", "--all", "denoise", photos)
    assert "strength" in everything.out
    assert "default" in everything.out
    assert restore("config", "show", "denoize").code == 2
    assert "did you mean denoise?" in restore("config", "show", "denoize").err
    assert "has no option --scale" in restore("config", "show", "denoise", photos, "--scale", "2").err
