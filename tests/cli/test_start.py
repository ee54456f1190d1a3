"""What a command loads before it works, and what it refuses before that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from PIL import Image

from restorecli.cli.loading_line import WAITING, loading, wait_passively

LOADED = """
import sys
from restorecli.cli.app import main
watched, sys.argv = set(sys.argv[1].split()), ["restore", *sys.argv[2:]]
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(int(code or 0), *sorted(watched & set(sys.modules)), file=sys.stderr)
"""
FORKED = """
import json, os, sys, traceback
import restorecli.cli.app
loaded = sys.argv[1]
for line in sys.stdin:
    arguments, said = json.loads(line)
    if not os.fork():
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["-c", *arguments]
        try:
            exec(loaded)
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(0)
    os.wait()
    print(flush=True)
"""
"""Does the same in forks of one process that has loaded the command, as each run must first."""


class Starter:
    """Runs the command in a process that has loaded nothing but the command."""

    def __init__(self, folder: Path) -> None:
        self.said = folder / "said"
        self.parent: subprocess.Popen[str] | None = None
        if hasattr(os, "fork"):
            self.parent = subprocess.Popen(
                [sys.executable, "-c", FORKED, LOADED], stdin=PIPE, stdout=PIPE, text=True
            )

    def __call__(self, *arguments: str, watched: str = "torch torch._dynamo") -> tuple[int, set[str], str]:
        """Return the exit code, which of the watched modules were loaded, and what was said."""
        *said, last = self._stderr([watched, *arguments]).splitlines()
        code, *modules = last.split()
        return int(code), set(modules), "\n".join(said)

    def _stderr(self, arguments: list[str]) -> str:
        if self.parent is None:
            words = [sys.executable, "-c", LOADED, *arguments]
            return subprocess.run(words, capture_output=True, text=True, check=True).stderr
        assert self.parent.stdin and self.parent.stdout
        self.parent.stdin.write(json.dumps([arguments, str(self.said)]) + "\n")
        self.parent.stdin.flush()
        assert self.parent.stdout.readline() == "\n"
        return self.said.read_text()

    def close(self) -> None:
        if self.parent is not None:
            self.parent.communicate()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Starter(tmp_path_factory.mktemp("start"))
    yield starter
    starter.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)).save(file)
    return file


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["denoise", "nofile.png"], 2, "nofile.png: there is no such file"),
        (["denoise", "PHOTO", "--sigma", "loud"], 2, "--sigma loud"),
        (["denoise", "PHOTO", "--model", "nlns"], 2, "no model is called nlns"),
        (["upscale", "PHOTO", "--model", "drunet"], 2, "drunet has no weights for upscale"),
        (["upscale", "PHOTO", "--weights", "no.pt"], 4, "no such file of weights: no.pt"),
        (["upscale", "PHOTO", "--device", "gpu"], 5, "unknown device: gpu"),
        (["upscale", "PHOTO", "--tile", "big"], 2, "--tile big"),
        (["upscale", "PHOTO", "--shard", "3/2"], 2, "3/2"),
        (["dejpeg", "PHOTO", "-o", "out.png", "--format", "jpg"], 2, "do not go together"),
        (["demosaic", "PHOTO", "--pattern", "RGBG"], 2, "--pattern RGBG"),
        (["bench", "--model", "nlns"], 2, "no model is called nlns"),
        (["bench", "--model", "mirnet", "--task", "dejpeg"], 2, "mirnet has no weights for dejpeg"),
        (["bench", "--model", "nlsn", "--variant", "small"], 2, "nlsn has no small variant"),
        (["bench", "--model", "none"], 2, "--model none"),
        (["bench", "--task", "denoize"], 2, "did you mean denoise?"),
        (["bench", "--weights", "no.pt"], 4, "no such file of weights: no.pt"),
        (["bench", "--size", "wide"], 2, "--size wide"),
        (["bench", "--runs", "0"], 2, "--runs 0"),
        (["bench", "--precision", "int8"], 2, "--precision int8"),
        (["bench", "--device", "abacus"], 5, "unknown device: abacus"),
        (["bench", "--device", "cpu,cuda"], 2, "measures one device"),
        (["bench", "--csv", "no/times.csv"], 2, "there is no folder no"),
        (["bench", "--plot", "no/times.png"], 2, "there is no folder no"),
        (["bench", "--sweep", "colour"], 2, "--sweep colour"),
        (["bench", "--compare", "a.json", "b.json"], 2, "a.json"),
        (["bench", "--data", "no/such"], 2, "no/such"),
        (["bench", "--data", "FOLDER", "--sigma", "loud"], 2, "--sigma loud"),
        (["bench", "--data", "FOLDER", "--pattern", "RGBG"], 2, "--pattern RGBG"),
        (["bench", "--data", "FOLDER", "--tile", "big"], 2, "--tile big"),
        (["bench", "--data", "FOLDER", "--model", "nlns"], 2, "no model is called nlns"),
        (["bench", "--pairs", "FOLDER", "no/such", "--task", "deblur"], 2, "no/such"),
        (["bench", "--pairs", "FOLDER", "FOLDER"], 2, "add --task"),
        (["bench", "--table", "mirnet", "--data-root", "FOLDER"], 2, "mirnet"),
        (["bench", "--table", "nlsn", "--data-root", "no/such"], 2, "no/such"),
        (["bench", "--folder", "no/such"], 2, "no/such"),
        (["bench", "--folder", "FOLDER", "--model", "nlns"], 2, "no model is called nlns"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_refused_before_torch_is_loaded(
    arguments: list[str], code: int, said: str, photo: Path, start: Starter
) -> None:
    places = {"PHOTO": str(photo), "FOLDER": str(photo.parent)}
    arguments = [places.get(word, word) for word in arguments]
    found, modules, text = start(*arguments)
    assert (found, modules) == (code, set()) and said in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["denoise", "nofile.png"], 2), (["denoise", "PHOTO", "--compare", "page.png"], 2)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_needs_no_pixels_loads_no_decoders(
    arguments: list[str], code: int, photo: Path, start: Starter
) -> None:
    arguments = [word.replace("PHOTO", str(photo)) for word in arguments]
    assert start(*arguments, watched="torch scipy skimage PIL tifffile imageio")[:2] == (code, set())


def test_help_loads_nothing_that_draws(start: Starter) -> None:
    assert start("--help", watched="torch rich.console tqdm")[:2] == (0, set())


def test_the_models_commands_need_no_torch(start: Starter) -> None:
    assert start("models", "info", "nlsn")[:2] == start("models", "list")[:2] == (0, set())


@pytest.mark.parametrize("task", ["upscale", "denoise", "dejpeg", "demosaic"])
def test_a_run_loads_no_compiler(task: str, photo: Path, start: Starter) -> None:
    extra = {"denoise": ["--sigma", "20"], "dejpeg": ["--quality", "20"], "demosaic": ["--pattern", "RGGB"]}
    shape = ["--precision", "fp32", "--tile", "64", "-o", str(photo.parent / "out.png")]
    if task == "demosaic":
        Image.open(photo).convert("L").save(photo)
    code, modules, said = start(task, str(photo), *shape, *extra.get(task, []))
    assert (code, modules) == (0, {"torch"}), said


def test_no_light_network_loads_a_compiler() -> None:
    code = """
import sys
from restorecli.models.choose import ModelRequest
from restorecli.models.load import load
from restorecli.models.registry import load_registry
from restorecli.models.resolve import resolve
for entry in load_registry().entries:
    if entry.ships:
        load(resolve(ModelRequest(entry.task, model=entry.name, scale=entry.scale, level=entry.level)))
        print(entry.name, "torch._dynamo" in sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded and "True" not in loaded


def test_threads_wait_asleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    wait_passively()
    assert {name: os.environ[name] for name in WAITING} == WAITING
    for name in WAITING:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE" and "KMP_BLOCKTIME" not in os.environ


@pytest.mark.parametrize(
    ("terminal", "quiet", "told"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_terminal_is_told_at_once_that_something_happens(
    terminal: bool,
    quiet: bool,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    with loading(quiet=quiet):
        assert ("loading…" in capsys.readouterr().err) is told
    assert capsys.readouterr().err.strip() == ""
