from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from restorecli.networks.nlsn import NLSN
from tests.conftest import Done

Run = Callable[..., Done]
SETTINGS = {"features": 8, "blocks": 1, "scale": 2, "chunk_size": 64, "hashes": 1, "blocks_per_attention": 1}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a few hundred weights that enlarges by nearest neighbours: its output is known."""
    torch.manual_seed(0)
    network = NLSN(**SETTINGS)
    state = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    for colour in range(3):
        state["head.weight"][colour, colour, 1, 1] = 1
        for place in range(4):
            state["upsampler.0.weight"][4 * colour + place, colour, 1, 1] = 1
        state["to_image.weight"][colour, colour, 1, 1] = 1
    file = tmp_path_factory.mktemp("checkpoint") / "nearest.safetensors"
    metadata = {
        "format": "restorecli",
        "network": "nlsn",
        "task": "upscale",
        "settings": json.dumps(SETTINGS),
    }
    save_file(state, file, metadata)
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with good and bad files, below one another."""
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)).save(folder / "a.png")
    Image.fromarray(rng.integers(0, 256, (9, 5), dtype=np.uint8)).save(folder / "deep" / "gray.png")
    Image.fromarray(rng.integers(0, 256, (8, 6, 4), dtype=np.uint8)).save(folder / "deep" / "er" / "ünï.png")
    (folder / "deep" / "text.png").write_text("no picture")
    (folder / "notes.txt").write_text("not asked for")
    return folder


def upscale(restore: Run, weights: Path, *arguments: object, **more: bytes) -> Done:
    return restore(
        "upscale", "-x2", "--weights", weights, "--precision", "fp32", "-d", "cpu", *arguments, **more
    )


def events(done: Done, name: str) -> list[dict[str, object]]:
    return [event for event in map(json.loads, done.out.splitlines()) if event["event"] == name]


def test_a_folder_is_mirrored_and_a_bad_file_is_named(restore: Run, weights: Path, photos: Path) -> None:
    done = upscale(restore, weights, photos)
    target = photos.parent / "photos_upscale-x2"
    made = {
        str(f.relative_to(target)) for f in target.rglob("*") if f.is_file() and not f.name.startswith(".")
    }
    assert done.code == 1
    assert made == {"a.png", "deep/gray.png", "deep/er/ünï.png"}
    assert "text.png" in done.err
    assert "notes.txt" not in done.err
    assert done.out == ""
    with Image.open(target / "a.png") as restored, Image.open(photos / "a.png") as original:
        expected = np.asarray(original).repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(np.asarray(restored), expected)
    with (
        Image.open(target / "deep" / "gray.png") as gray,
        Image.open(target / "deep" / "er" / "ünï.png") as rgba,
    ):
        assert (gray.mode, gray.size) == ("L", (10, 18))
        assert (rgba.mode, rgba.size) == ("RGBA", (12, 16))


def test_json_events_are_as_promised(restore: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    done = upscale(restore, weights, photos, "-o", tmp_path / "out", "--json")
    (plan,) = events(done, "plan")
    assert plan.keys() == {"event", "files", "model", "variant", "weights", "device", "precision", "tile"}
    assert (plan["files"], plan["model"], plan["precision"]) == (4, "nlsn", "fp32")
    made = events(done, "file_done")
    fields = {"event", "input", "output", "width", "height", "seconds", "tiles", "warnings", "details"}
    fields |= {"left", "index", "of"}
    assert len(made) == 3 and all(event.keys() == fields for event in made)
    assert {(event["index"], event["of"]) for event in made} == {(1, 4), (2, 4), (4, 4)}
    started = events(done, "file_started")
    assert [(event["index"], event["of"]) for event in started] == [(n, 4) for n in (1, 2, 3, 4)]
    (failed,) = events(done, "file_failed")
    assert failed.keys() == {"event", "input", "code", "message"}
    assert failed["code"] == "unreadable"
    (summary,) = events(done, "summary")
    assert (summary["done"], summary["skipped"], summary["failed"]) == (3, 0, 1)


def test_a_second_run_skips_what_is_done_and_another_setting_does_it_again(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "deep" / "text.png").unlink()
    arguments = (photos, "-o", tmp_path / "out", "--json")
    assert upscale(restore, weights, *arguments).code == 0
    assert len(events(upscale(restore, weights, *arguments), "file_skipped")) == 3
    again = upscale(restore, weights, *arguments, "--self-ensemble")
    assert (again.code, len(events(again, "file_done"))) == (0, 3)


def test_tiles_leave_no_seam(restore: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    one, many = tmp_path / "one.png", tmp_path / "many.png"
    assert upscale(restore, weights, photos / "a.png", "-o", one, "--tile", "0").code == 0
    done = upscale(
        restore, weights, photos / "a.png", "-o", many, "--tile", "8", "--tile-overlap", "4", "--json"
    )
    assert events(done, "file_done")[0]["tiles"] != 1
    assert np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(many)))


@pytest.mark.parametrize(
    ("factor", "size", "said"),
    [
        ("8", (112, 80), "×2 and ×2 and ×2"),
        ("2.5", (35, 25), "×2 and ×2, then a bicubic resize by 0.625"),
        ("1.5", (21, 15), "×2, then a bicubic resize by 0.75"),
    ],
)
def test_a_factor_the_network_does_not_have_is_made_by_repeating_and_resizing(
    factor: str, size: tuple[int, int], said: str, restore: Run, weights: Path, photos: Path
) -> None:
    restored = photos / f"a_upscale-x{factor}.png"
    arguments = ("upscale", "-x", factor, "--weights", weights, "--fp32", "-d", "cpu", photos / "a.png")
    done = restore(*arguments)
    assert done.code == 0, done.err
    assert said in " ".join(done.err.split())
    with Image.open(restored) as image:
        assert image.size == size
    planned = restore(*arguments, "-n", "--json", "-o", "elsewhere")
    assert events(planned, "planned")[0]["tiles"] == {"8": 3, "2.5": 2, "1.5": 1}[factor]


@pytest.mark.parametrize(
    ("factor", "scales", "steps"),
    [
        ("3", (2, 3, 4), (3,)),
        ("8", (2, 3, 4), (2, 4)),
        ("8", (2, 3, 4, 8), (8,)),
        ("5", (2, 3, 4), (2, 3)),
        ("16", (2, 3, 4), (4, 4)),
        ("16", (4,), (4, 4)),
        ("1.5", (2, 3, 4), (2,)),
        ("2.1", (4,), (4,)),
        ("9", (3,), (3, 3)),
        ("10", (3,), (3, 3, 3)),
    ],
)
def test_the_fewest_scales_that_reach_a_factor_are_taken(
    factor: str, scales: tuple[int, ...], steps: tuple[int, ...]
) -> None:
    from restorecli.commands.upscale_steps import fewest

    assert fewest(Fraction(factor), scales) == steps


@pytest.mark.parametrize(
    ("arguments", "weights", "said"),
    [
        (["-x8"], "nlsn-light-x2, nlsn-light-x4", "×2 and ×4"),
        (["-x1.5"], "nlsn-light-x2", "resize by 0.75"),
        (["-x2", "--degradation", "real"], "nlsn-light-real-x2", ""),
        (["-x3", "--degradation", "real"], "nlsn-light-real-x4", "×4, then a bicubic resize by 0.75"),
        (["-x4", "--degradation", "real"], "nlsn-light-real-x4", ""),
        (["-x4", "--degradation", "real", "--model", "grl"], "grl-base-real-x4", ""),
        (["-x3", "--model", "mirnet"], "mirnet-real-x3", ""),
        (["-x4", "--model", "grl", "--variant", "tiny"], "grl-tiny-x4", ""),
        (["-x6", "--model", "grl-tiny-x3"], "grl-tiny-x3", "×3 and ×3, then a bicubic resize by 0.667"),
    ],
)
def test_which_weights_enlarge(
    arguments: list[str], weights: str, said: str, restore: Run, photos: Path, tmp_path: Path
) -> None:
    done = restore("upscale", *arguments, photos / "a.png", "-o", tmp_path / "a.png", "-n", "--json")
    assert done.code == 0, done.err
    assert events(done, "plan")[0]["weights"] == weights
    assert said in done.err


def test_a_pipe_goes_from_standard_input_to_standard_output(
    restore: Run, weights: Path, photos: Path
) -> None:
    done = upscale(restore, weights, "-", "-o", "-", stdin=(photos / "a.png").read_bytes())
    assert done.code == 0
    with Image.open(io.BytesIO(done.raw)) as restored:
        assert (restored.format, restored.size) == ("PNG", (28, 20))


def test_standard_input_goes_to_a_named_file(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    done = upscale(restore, weights, "-", "-o", tmp_path / "b.png", stdin=(photos / "a.png").read_bytes())
    assert done.code == 0, done.err
    with Image.open(tmp_path / "b.png") as restored:
        assert restored.size == (28, 20)
    again = upscale(restore, weights, "-", "-o", tmp_path / "b.png", stdin=(photos / "a.png").read_bytes())
    assert "1 skipped" in again.err


def test_paths_are_read_from_a_list(restore: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    listed = b"\0".join(str(photos / name).encode() for name in ("a.png", "deep/gray.png")) + b"\0"
    done = upscale(
        restore, weights, "--files-from", "-", "-0", "-o", tmp_path / "out", "--json", stdin=listed
    )
    assert (done.code, len(events(done, "file_done"))) == (0, 2)


def test_shards_share_the_work_without_gap_or_overlap(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "deep" / "text.png").unlink()
    made = [
        {
            event["input"]
            for event in events(
                upscale(restore, weights, photos, "-o", tmp_path / "out", "--json", "--shard", part),
                "file_done",
            )
        }
        for part in ("1/2", "2/2")
    ]
    assert not made[0] & made[1]
    assert len(made[0] | made[1]) == 3


def test_a_dry_run_prints_the_plan_and_makes_nothing(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    done = upscale(restore, weights, photos, "-o", tmp_path / "out", "-n", "--json")
    assert done.code == 1  # one of the files is no picture
    assert not (tmp_path / "out").exists()
    planned = {Path(str(event["input"])).name: event for event in events(done, "planned")}
    assert (planned["a.png"]["size"], planned["a.png"]["tiles"]) == ("14×10", 1)
    assert {name: event["does"] for name, event in planned.items()}["text.png"] == "fail"
    assert planned["text.png"]["code"] == "unreadable"
    (photos / "deep" / "text.png").unlink()
    told = upscale(restore, weights, photos, "-o", tmp_path / "out", "-n")
    assert told.code == 0
    assert f"{photos / 'a.png'} → {tmp_path / 'out' / 'a.png'} (14×10, 1 tile)" in told.out
    assert told.out.splitlines()[-1] == "3 files: 3 to restore"


def test_provenance_is_in_the_file_unless_stripped(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    for name, more in (("kept.png", ()), ("bare.png", ("--strip",))):
        upscale(restore, weights, photos / "a.png", "-o", tmp_path / name, *more)
    assert b"nearest" in (tmp_path / "kept.png").read_bytes()
    assert b"nearest" not in (tmp_path / "bare.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-x1", "a.png"], 2, "-x"),
        (["-x16.5", "a.png"], 2, "-x"),
        (["--degradation", "rain", "a.png"], 2, "rain"),
        (["missing.png"], 2, "missing.png"),
        (["--tile", "big", "a.png"], 2, "--tile"),
        (["--fp16", "--fp32", "a.png"], 2, "contradict"),
        (["--json", "-o", "-", "a.png"], 2, "standard output"),
        (["--bits", "12", "a.png"], 2, "--bits"),
        (["-f", "docx", "a.png"], 2, "docx"),
        (["-0", "a.png"], 2, "--files-from"),
        (["empty"], 3, "empty"),
        (["--model", "nlsn", "--variant", "paper", "a.png"], 4, "restore models add"),
        (["--weights", "a.png", "a.png"], 4, "a.png"),
        (["--device", "cuda:7", "a.png"], 5, "cuda"),
    ],
)
def test_errors_have_their_exit_code_one_message_and_no_traceback(
    arguments: list[str],
    code: int,
    said: str,
    restore: Run,
    weights: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    monkeypatch.chdir(photos)
    (photos / "empty").mkdir()
    given = [] if "--model" in arguments or "--weights" in arguments else ["--weights", weights]
    done = restore("upscale", *(["-x2"] if not arguments[0].startswith("-x") else []), *given, *arguments)
    assert done.code == code, done.err
    assert done.err.startswith("error: ")
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_light_weights_stand_in_for_the_paper_s_with_a_warning(
    restore: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    done = restore(
        "upscale", "-x2", "--model", "nlsn", photos / "a.png", "-o", tmp_path / "a.png", "--json", "--fp32"
    )
    assert done.code == 0, done.err
    assert events(done, "plan")[0]["variant"] == "light"
    assert any("light" in warning for warning in events(done, "file_done")[0]["warnings"])  # type: ignore[union-attr]
    assert b"nlsn-light-x2" in (tmp_path / "a.png").read_bytes()


def test_only_weights_for_commercial_use_are_taken_where_that_is_asked(
    restore: Run, photos: Path, tmp_path: Path
) -> None:
    picture = photos / "a.png"
    asked = ("upscale", "-x4", "--model", "mirnet", "--license-policy", "commercial")
    refused = restore(*asked, "--variant", "paper", picture)
    assert refused.code == 4, refused.err
    assert "commercial" in refused.err
    stands_in = restore(*asked, picture, "-o", tmp_path / "light.png")
    assert stands_in.code == 0, stands_in.err
    assert "licence policy" in stands_in.err
    wrong = restore("upscale", "--license-policy", "free", picture)
    assert wrong.code == 2, wrong.err


def test_fail_fast_stops_at_the_first_bad_file(
    restore: Run, weights: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "0.png").write_text("bad")
    done = upscale(restore, weights, photos, "-o", tmp_path / "out", "--json", "--fail-fast", "-j", "1")
    assert done.code == 1
    assert len(events(done, "file_failed")) == 1
    assert len(events(done, "file_done")) < 3


@pytest.mark.skipif(os.name == "nt", reason="signals are sent the POSIX way")
def test_an_interrupt_leaves_whole_files_and_says_how_far_it_got(weights: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "many", tmp_path / "out"
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    for index in range(60):
        Image.fromarray(picture).save(folder / f"{index:02}.png")
    command = [
        sys.executable,
        "-m",
        "restorecli",
        "upscale",
        "-x2",
        "--weights",
        weights,
        "--fp32",
        "-d",
        "cpu",
    ]
    with subprocess.Popen(
        [*map(str, command), str(folder), "-o", str(out), "--json", "--tile", "64"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "file_done":
                process.send_signal(signal.SIGINT)
                break
        lines += [json.loads(line) for line in process.stdout]
    assert process.returncode == 130
    summary = lines[-1]
    assert summary["event"] == "summary"
    made = [file for file in out.iterdir() if not file.name.startswith(".restore")]
    assert len(made) == summary["done"] < 60
    for file in made:
        with Image.open(file) as image:
            image.load()
            assert image.size == (400, 300)
