from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import restorecli.cli.app as application
from restorecli.errors import ExitCode
from restorecli.report.events import FileSkipped
from restorecli.report.jsonl import JsonLines
from tests.conftest import Done

Restore = Callable[..., Done]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_a_folder_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x.png", "a.png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        ("upscale --bits 12 x.png", "--bits 12: there is no such choice", "choose 8, 16 or 32f"),
        (
            "upscale --if-exists maybe x.png",
            "--if-exists maybe: there is no such choice",
            "choose skip, over",
        ),
        ("upscale --unneeded kopy x.png", "--unneeded kopy: there is no such choice", "did you mean copy?"),
        ("demosaic --pattern RGBG x.png", "--pattern RGBG: there is no such choice", "did you mean RGGB?"),
        ("upscale --precision fp8 x.png", "--precision fp8: there is no such choice", "fp16"),
        ("upscale --format jgp x.png", "--format jgp: there is no such choice", "did you mean jpg?"),
        ("upscale --license-policy none x.png", "--license-policy none: there is", "any or commercial"),
        ("upscale --model nlns x.png", "no model is called nlns", "did you mean nlsn?"),
        ("models info nlns", "no model is called nlns", "did you mean nlsn?"),
        ("models info grl-smal-x4", "no model is called grl-smal-x4", "did you mean grl-small-x4?"),
        ("upscale -x two a.png", "-x two is not a number", "restore upscale --help"),
        ("upscale --scale=two a.png", "--scale=two is not a number", "restore upscale --help"),
        ("upscale -xtwo a.png", "-xtwo is not a number", "restore upscale --help"),
        ("upscale --seed 1.5 a.png", "--seed 1.5 is not a whole number", "restore upscale --help"),
        ("upscale --jpeg-quality 200 a.png", "--jpeg-quality 200 is", "restore upscale --help"),
        ("upscale --mdoel nlsn a.png", "restore upscale has no option --mdoel", "did you mean --model?"),
        ("upscale --nonsense a.png", "restore upscale has no option --nonsense", "restore upscale --help"),
        ("upscale a.png --model", "--model needs a value", "restore upscale --help"),
        ("bench -x", "-x needs a value", "restore bench --help"),
        ("models info nlsn --scale", "restore models info has no option --scale", "restore models info"),
        ("upscal a.png", "restore has no command upscal", "did you mean upscale?"),
        ("models info", "NAME is missing", "restore models info --help"),
        ("upscale -x2", "no files or folders are named", "restore upscale --help"),
    ],
)
def test_mistakes_are_said_in_one_style(arguments: str, error: str, hint: str, restore: Restore) -> None:
    done = restore(*arguments.split())
    lines = done.err.splitlines()
    assert (done.code, done.out, len(lines)) == (2, "", 2)
    assert lines[0].startswith(f"error: {error}")
    assert lines[1].startswith("hint: ") and hint in lines[1]


@pytest.mark.parametrize("arguments", ["denoise", "compare x.png", "denoise --config none", "bench --data"])
def test_a_name_longer_than_names_may_be_is_refused(arguments: str, restore: Restore) -> None:
    name = 300 * "a"
    done = restore(*arguments.split(), name)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 2)
    assert done.err.startswith(f"error: {name}: ")


@pytest.mark.parametrize(
    ("variable", "value", "arguments", "error"),
    [
        ("RESTORE_SIGMA", "abc", "denoise x.png", "RESTORE_SIGMA=abc is neither auto nor a number"),
        ("RESTORE_BITS", "12", "upscale x.png", "RESTORE_BITS=12: there is no such choice"),
        ("RESTORE_SCALE", "two", "upscale x.png", "RESTORE_SCALE=two is not a number"),
        ("RESTORE_STRIP", "maybe", "upscale x.png", "RESTORE_STRIP=maybe is neither yes"),
        ("RESTORE_FP16", "1", "upscale --fp32 x.png", "RESTORE_FP16=1 and --fp32 contradict each other"),
        ("RESTORE_MODEL", "nlns", "upscale x.png", "no model is called nlns (RESTORE_MODEL)"),
    ],
)
def test_what_a_variable_sets_is_called_by_the_variable(
    variable: str, value: str, arguments: str, error: str, restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert restore(*arguments.split()).err.startswith(f"error: {error}")


def test_an_option_on_the_command_line_goes_before_its_variable_also_in_errors(
    restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_BITS", "8")
    assert restore("upscale", "--bits", "12", "x.png").err.startswith("error: --bits 12:")


@pytest.mark.parametrize("command", ["upscale", "denoise", "demosaic", "dejpeg", "deblur", "enhance"])
def test_a_bare_command_shows_its_help(command: str, restore: Restore) -> None:
    done = restore(command)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Usage: restore {command} [OPTIONS] [INPUTS…]")


def test_a_list_from_a_variable_is_no_bare_command(
    restore: Restore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESTORE_FILES_FROM", str(tmp_path / "list"))
    assert restore("upscale").err.startswith(f"error: {tmp_path / 'list'}")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("upscale --json --bits 12 x.png", "usage"), ("upscale --json -x two x.png", "usage")],
)
def test_scripts_are_told_what_ended_the_run(arguments: str, code: str, restore: Restore) -> None:
    done = restore(*arguments.split())
    (event,) = map(json.loads, done.out.splitlines())
    assert (event["event"], event["code"]) == ("error", code)
    assert done.err.startswith(f"error: {event['message']}") and event["hint"] in done.err


def test_weights_that_cannot_be_had_are_an_event(restore: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    done = restore("deblur", "--variant", "paper", "--json", "x.png")
    event = json.loads(done.out.splitlines()[-1])
    assert (done.code, event["event"], event["code"]) == (4, "error", "download")
    assert "in a browser" in event["hint"]


def test_events_are_ascii_and_give_any_name_back() -> None:
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="cp1252", write_through=True)
    name = "日本 \udcff.png"  # the last is a byte that is no text
    JsonLines(stream).event(FileSkipped(name, "-", "done"))
    assert json.loads(raw.getvalue().decode("ascii"))["input"] == name


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_of_few_letters_is_written_to(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "restorecli", "models", "info", "日本"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, b"error: no model is called \\u65e5\\u672c")


def completed(words: str, restore_words: int, monkeypatch: pytest.MonkeyPatch, restore: Restore) -> list[str]:
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(restore_words))
    monkeypatch.setenv("_RESTORE_COMPLETE", "complete_bash")
    return restore().out.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("restore upscale --model n", {"nlsn", "nlsn-x4"}),
        ("restore upscale --model ", {"nlsn", "rnan", "panet", "grl", "mirnet"}),
        ("restore denoise --noise ", {"gaussian", "real"}),
        ("restore upscale --if-exists ", {"skip", "overwrite", "rename", "error"}),
        ("restore upscale --unneeded c", {"copy", "convert"}),
        ("restore bench --sweep t", {"tile", "threads"}),
        ("restore bench --model a", {"all"}),
        ("restore models info gr", {"grl", "grl-small-x4"}),
        ("restore upscale --format t", {"tiff", "tga"}),
        ("restore models list --task d", {"denoise", "dejpeg", "demosaic", "deblur"}),
    ],
)
def test_bash_completes_values(
    words: str, expected: set[str], monkeypatch: pytest.MonkeyPatch, restore: Restore
) -> None:
    found = completed(words, len(words.split(" ")) - 1, monkeypatch, restore)
    assert expected <= set(found)
    assert all(word.startswith(words.rpartition(" ")[2]) for word in found)


@pytest.mark.parametrize("command", ["upscale", "denoise", "demosaic", "bench", "models list"])
def test_help_fits_the_terminal_and_is_short(
    command: str, restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = restore(*command.split(), "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 120
    assert not any(odd in line for line in lines for odd in ("<bool>", "env var", "<int range>", "[0.0]"))


def test_where_the_memory_does_not_hold_a_library_the_run_ends_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(**_: object) -> None:
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    monkeypatch.setattr(application, "app", app)
    monkeypatch.setattr(sys, "argv", ["restore", "denoise", "x.png"])
    with pytest.raises(SystemExit) as end:
        application.run()
    assert end.value.code == ExitCode.DEVICE
    assert "the memory that this process may use does not suffice" in capsys.readouterr().err
