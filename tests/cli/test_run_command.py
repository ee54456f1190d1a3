from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.cli.chain import read_chain
from restorecli.commands.dejpeg import DejpegOptions
from restorecli.commands.denoise import DenoiseOptions
from restorecli.commands.description import RunDescription, Step
from restorecli.commands.options import SharedOptions
from restorecli.commands.upscale import UpscaleOptions
from restorecli.errors import UsageError
from restorecli.photos.read import read
from tests.conftest import Done
from tests.dng_maker import cfa_dng

Run = Callable[..., Done]
SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CPU = ("-d", "cpu", "--fp32")
CHAIN = "dejpeg --quality 20 | denoise --sigma 5 --strength 0.5 | upscale -x2"


def test_each_step_has_options_of_its_own() -> None:
    assert read_chain(CHAIN) == (
        Step(DejpegOptions("20")),
        Step(DenoiseOptions(0.5, "auto", "5")),
        Step(UpscaleOptions(2.0)),
    )
    assert read_chain("denoise --model mirnet --variant light|upscale") == (
        Step(DenoiseOptions(), {"model": "mirnet", "variant": "light"}),
        Step(UpscaleOptions()),
    )


def test_words_are_quoted_as_in_a_shell() -> None:
    (step,) = read_chain("""denoise --weights 'my | own/we "ights".pth' --sigma "25" """)
    assert step.shared == {"weights": Path('my | own/we "ights".pth')}
    assert step.own == DenoiseOptions(sigma="25")


def test_a_variable_sets_an_option_of_a_step_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_SCALE", "3")
    assert read_chain("denoise | upscale") == (Step(DenoiseOptions()), Step(UpscaleOptions(3.0)))
    assert read_chain("upscale -x 2") == (Step(UpscaleOptions(2.0)),)
    monkeypatch.setenv("RESTORE_SCALE", "much")
    with pytest.raises(UsageError, match=r"step 1 \(upscale\): RESTORE_SCALE=much is not a number"):
        read_chain("upscale")


def test_a_run_of_steps_travels_to_another_process() -> None:
    description = RunDescription(read_chain(CHAIN), SharedOptions())
    assert pickle.loads(pickle.dumps(description)) == description
    assert description.suffix == "dejpeg-denoise-upscale-x2"


WRONG = {
    "": "the run has no steps",
    "   ": "the run has no steps",
    "dejpeg |": "step 2 of the run is empty",
    "| dejpeg": "step 1 of the run is empty",
    "dejpeg || denoise": "step 2 of the run is empty",
    "dejpeg | dnoise": "step 2 of the run: there is no step dnoise",
    "Denoise": "there is no step Denoise",
    "auto": "there is no step auto",
    "bench": "there is no step bench",
    "denoise --sgima 3": "has no option --sgima",
    "denoise --scale 2": "has no option --scale",
    "denoise --sigma": "step 1 (denoise): ",
    "denoise --sigma two": "step 1 (denoise): --sigma two is neither auto nor a number",
    "denoise | upscale -x two": "step 2 (upscale): -x two is not a number",
    "upscale -x 99": "step 1 (upscale): -x 99 must be above 1",
    "denoise -o out": "step 1 (denoise): -o applies to the whole run",
    "denoise --json": "step 1 (denoise): --json applies to the whole run",
    "denoise | dejpeg --tile 64": "step 2 (dejpeg): --tile applies to the whole run",
    "denoise photos/": "step 1 (denoise): photos/ is no option",
    "denoise 'sigma": "step 1 of the run: a quote is not closed",
    "denoise \\": "step 1 of the run: nothing stands behind the last \\",
    "dejpeg | demosaic": "step 2: demosaic makes pictures of camera RAW, and can only come first",
}


@pytest.mark.parametrize("steps", WRONG)
def test_what_is_wrong_with_a_step_is_said_with_its_place(steps: str, restore: Run) -> None:
    done = restore("run", steps, "photos/")
    assert done.code == 2
    assert WRONG[steps] in done.err
    assert "hint: " in done.err


def test_a_folder_in_the_place_of_the_steps_is_told_from_a_step(restore: Run, tmp_path: Path) -> None:
    done = restore("run", tmp_path)
    assert done.code == 2
    assert "is no step but a file or folder: the steps are missing" in done.err
    assert "no files or folders are named" in restore("run", "dejpeg").err
    assert "no files or folders are named" in restore("run", "").err


def test_steps_may_be_longer_than_the_name_of_a_file(restore: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((SAMPLES / "parrots.png").read_bytes())
    steps = " | ".join(["denoise --strength 0.8"] * 12)
    assert restore("run", steps, tmp_path / "a.png", "-n").code == 0
    assert "no files or folders are named" in restore("run", steps).err


def test_artifacts_are_taken_out_once(restore: Run, tmp_path: Path) -> None:
    with Image.open(SAMPLES / "parrots.png") as opened:
        opened.crop((100, 0, 196, 96)).save(tmp_path / "a.jpg", quality=20)
    arguments = (tmp_path / "a.jpg", "-d", "cpu", "--fp32")
    once, twice = tmp_path / "once.png", tmp_path / "twice.png"
    assert restore("run", "dejpeg", *arguments, "-o", once).code == 0
    done = restore("run", "dejpeg | dejpeg", *arguments, "-o", twice)
    assert done.code == 0 and "its artifacts are out already" in done.err
    assert np.array_equal(np.asarray(Image.open(once)), np.asarray(Image.open(twice)))


def test_a_misspelt_step_or_option_is_answered_by_the_near_one(restore: Run) -> None:
    assert "did you mean dejpeg?" in restore("run", "dejpgeg", "photos/").err
    assert "did you mean --sigma?" in restore("run", "denoise --sgima 3", "photos/").err


def test_steps_are_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom restorecli.__main__ import main\nsys.argv[1:] = sys.argv[1:]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "dejpeg | dnoise", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.split() == ["2", "False"], done.stderr


def test_a_dng_is_no_result_of_several_steps(restore: Run, tmp_path: Path) -> None:
    done = restore("run", "demosaic | upscale -x2", tmp_path, "-f", "dng")
    assert done.code == 2
    assert "further steps need a finished picture" in done.err


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    with Image.open(SAMPLES / "parrots.png") as picture:
        small = picture.convert("RGB").crop((100, 20, 164, 68))
    small.save(tmp_path / "a.jpg", quality=20)
    return tmp_path / "a.jpg"


def test_steps_in_one_run_are_steps_one_after_the_other_but_for_the_rounding_between(
    photo: Path, restore: Run, tmp_path: Path
) -> None:
    done = restore("run", CHAIN, photo, *CPU, "--bits", "16", "-f", "png", "--json")
    assert done.code == 0, done.err
    (event,) = (event for event in map(json.loads, done.out.splitlines()) if event["event"] == "file_done")
    result = tmp_path / "a_dejpeg-denoise-upscale-x2.png"
    assert Path(event["output"]) == result
    assert event["details"]["done"] == "dejpeg, denoise, upscale"
    assert "jpeg_quality" not in event["details"]  # nobody is sent to dejpeg, which has been here
    made = read(result).pages[0].pixels
    assert made.shape == (96, 128, 3)
    float_tiff = ("--bits", "32f", "-f", "tiff", *CPU)
    one, two, three = (tmp_path / f"{name}.tiff" for name in ("one", "two", "three"))
    for arguments in (
        ("dejpeg", "--quality", "20", photo, "-o", one),
        ("denoise", "--sigma", "5", "--strength", "0.5", one, "-o", two),
        ("upscale", "-x2", two, "-o", three),
    ):
        assert restore(*arguments, *float_tiff).code == 0
    by_files = read(three).pages[0].pixels
    assert np.abs(made - by_files.clip(0, 1)).max() < 2 / 65535


def test_one_record_tells_all_steps_and_other_options_are_not_done(
    photo: Path, restore: Run, tmp_path: Path
) -> None:
    def outcome(steps: str) -> str:
        done = restore("run", steps, photo, *CPU, "-o", tmp_path / "out", "--json")
        assert done.code == 0, done.err
        names = [event["event"] for event in map(json.loads, done.out.splitlines())]
        return "skipped" if "file_skipped" in names else "done"

    assert outcome("dejpeg | denoise --sigma 5") == "done"
    assert outcome("dejpeg|denoise  --sigma  5") == "skipped"
    assert outcome("dejpeg | denoise --sigma 9") == "done"
    *_, last = (tmp_path / "out" / ".restore.jsonl").read_text().splitlines()
    settings = json.loads(last)["settings"]
    assert settings["task"] == "dejpeg-denoise"
    assert (settings["1 dejpeg quality"], settings["2 denoise sigma"]) == ("auto", "9")


def test_camera_raw_goes_through_a_chain(restore: Run, tmp_path: Path) -> None:
    mosaic = np.random.default_rng(0).integers(8000, 40000, (32, 48)).astype(np.uint16)
    (tmp_path / "a.dng").write_bytes(cfa_dng(mosaic))
    for steps in ("demosaic | upscale -x2", "upscale -x2"):
        result = tmp_path / f"{len(steps)}.tiff"
        done = restore("run", steps, tmp_path / "a.dng", *CPU, "-o", result)
        assert done.code == 0, done.err
        assert read(result).pages[0].pixels.shape == (64, 96, 3)


def test_a_dry_run_counts_the_tiles_of_all_steps(photo: Path, restore: Run) -> None:
    done = restore("run", "dejpeg | upscale -x2", photo, *CPU, "-n", "--json", "--tile", "0")
    plan, planned = (json.loads(line) for line in done.out.splitlines())
    assert plan["weights"] == "nlsn-light-dejpeg, nlsn-light-x2"
    assert (planned["does"], planned["tiles"]) == ("restore", 2)
