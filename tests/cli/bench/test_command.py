"""``restore bench``: what it prints, writes, keeps and refuses."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from restorecli.cli.bench.command import APPLIES
from restorecli.cli.bench.folder import FolderRow
from restorecli.cli.bench.options import BenchOptions
from restorecli.quality import calibrate, sweep
from restorecli.quality.runtime import Bench

QUICK = (
    "--task",
    "upscale",
    "-x",
    "2",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--runs",
    "2",
    "--size",
    "24x16",
)
Restore = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "SECONDS", 0.01)
    monkeypatch.setattr(calibrate, "SIDES", {"cpu": 64, "gpu": 64})
    monkeypatch.setattr(calibrate, "COPIED", {"cpu": 2**20, "gpu": 2**20})
    monkeypatch.setenv("RESTORE_OFFLINE", "1")


def document(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.err
    loaded: dict[str, Any] = json.loads(done.out)
    return loaded


def squeezed(text: str) -> str:
    """Return a table without its padding."""
    return re.sub(" +", " ", text)


def photos(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:40, :48]
    for shift, name in enumerate(names):
        waves = [128 + 60 * np.sin((x + shift) / (3 + c)) + 60 * np.cos(y / (5 - c)) for c in range(3)]
        Image.fromarray(np.clip(np.stack(waves, 2), 0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def test_a_measurement_is_consistent_in_itself(restore: Restore) -> None:
    report = document(restore("bench", *QUICK, "--json"))
    (row,) = report["rows"]
    assert (row["name"], row["weights"], row["scale"]) == ("nlsn-light-x2", "light", 2)
    assert (row["width"], row["height"], len(row["seconds"])) == (24, 16, 2)
    assert row["parameters"] == 350_675
    assert row["median"] == pytest.approx(np.median(row["seconds"]))
    rate = 24 * 16 / 1e6 / row["median"]
    assert row["megapixels_in_per_second"] == pytest.approx(rate)
    assert row["megapixels_out_per_second"] == pytest.approx(4 * rate)
    (best,) = report["calibration"]
    assert row["matrix_share"] == pytest.approx(row["macs"] / row["median"] / best["macs"])
    assert row["bandwidth_share"] == pytest.approx(row["traffic"] / row["median"] / best["bandwidth"])
    assert row["device_bytes"] >= 4 * row["parameters"]
    assert report["machine"]["torch"] == torch.__version__
    assert report["machine"]["threads"] == torch.get_num_threads()


def test_a_batch_counts_all_its_pixels_and_one_images_work(restore: Restore) -> None:
    one, two = (document(restore("bench", *QUICK, "--json", "--batch", n))["rows"][0] for n in (1, 2))
    assert one["macs"] == two["macs"]
    assert two["megapixels_in_per_second"] == pytest.approx(2 * 24 * 16 / 1e6 / two["median"])


def test_the_ensemble_is_eight_times_the_work_where_sides_are_equal(restore: Restore) -> None:
    square = (*QUICK[:-1], "16")
    plain, ensemble = (
        document(restore("bench", *square, "--json", *more))["rows"][0] for more in ((), ("--self-ensemble",))
    )
    assert ensemble["macs"] == 8 * plain["macs"]


def test_the_table_is_markdown_and_the_csv_has_the_same_rows(restore: Restore, tmp_path: Path) -> None:
    done = restore("bench", *QUICK, "--size", "16", "--csv", tmp_path / "a.csv", "--plot", tmp_path / "a.svg")
    assert done.code == 0, done.err
    table = [line for line in done.out.splitlines() if line.startswith("|")]
    assert len(table) == 3 * 4  # it goes on twice
    assert [line.split("|")[1].strip() for line in table if "nlsn" in line] == ["nlsn-light-x2"] * 6
    assert {line.split("|")[2].strip() for line in table if "nlsn" in line} == {"24×16", "16×16"}
    assert max(map(len, done.out.splitlines())) <= 80 and "…" not in done.out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text(encoding="utf-8"))))
    assert [(row["width"], row["height"]) for row in rows] == [("24", "16"), ("16", "16")]
    assert "nlsn-light-x2" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_released_networks_without_their_file_are_seeded_and_say_so(restore: Restore) -> None:
    done = restore(
        "bench", *QUICK[:-2], "--size", "16", "--model", "grl", "--variant", "tiny", "--model", "nlsn",
        "--variant", "tiny", "--json",
    )  # fmt: skip
    report = document(done)
    (row,) = report["rows"]
    assert (row["name"], row["weights"]) == ("grl-tiny-x2", "seeded")
    assert [entry["name"] for entry in report["missing"]] == ["nlsn ×2"]


def test_networks_without_weights_for_a_task_are_named(restore: Restore) -> None:
    done = restore("bench", "--task", "deblur", "--model", "rnan", "--variant", "light", "--size", "16")
    assert done.code == 2
    assert "rnan has no weights for deblur" in done.err


def test_comparing_two_files_names_the_ratio(restore: Restore, tmp_path: Path) -> None:
    report = document(restore("bench", *QUICK, "--json"))
    (tmp_path / "a.json").write_text(json.dumps(report))
    report["rows"][0]["seconds"] = [second / 3 for second in report["rows"][0]["seconds"]]
    (tmp_path / "b.json").write_text(json.dumps(report))
    compared = document(restore("bench", "--compare", tmp_path / "a.json", tmp_path / "b.json", "--json"))
    assert compared["rows"][0]["ratio"] == pytest.approx(3)
    text = restore("bench", "--compare", tmp_path / "a.json", tmp_path / "b.json").out
    assert "| nlsn-light-x2 | 24×16 |" in text
    assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= 80


def test_a_tuned_tile_is_what_later_runs_take(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sweep, "CPU_SIDES", (32, 48))
    options = (*QUICK[:-1], "64x40", "--sweep", "tile", "--tune", "--json")
    report = document(restore("bench", *options))
    assert [row["value"] for row in report["rows"]] == [32, 48, 0]
    rates = {row["value"]: row["rate"] for row in report["rows"]}
    best = report["best"]["nlsn-light-x2"]
    assert rates[best] == max(rates.values())
    source = photos(tmp_path / "in", "a")
    planned = restore(
        "upscale", "-x2", source, "-o", tmp_path / "out", "--dry-run", "--json", "--device", "cpu",
        "--precision", "fp32",
    )  # fmt: skip
    assert json.loads(planned.out.splitlines()[0])["tile"] == best


@pytest.mark.parametrize("kind", ["batch", "precision", "threads", "size"])
def test_every_sweep_names_a_best_value(
    kind: str, restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "SIDES", (16, 24))
    monkeypatch.setattr(sweep, "usable_cores", lambda: 1)
    threads = torch.get_num_threads()
    done = restore("bench", *QUICK, "--sweep", kind, "--plot", tmp_path / "a.png")
    assert done.code == 0, done.err
    assert f"best {kind}: " in done.out
    assert torch.get_num_threads() == threads
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_quality_is_scored_per_image_with_gains(restore: Restore, tmp_path: Path) -> None:
    source = photos(tmp_path / "clean", "a", "b")
    common = ("bench", "--data", source, "-x", "2", "--device", "cpu", "--self-ensemble")
    report = document(restore(*common, "--json", "--save-images", tmp_path / "kept"))
    methods = ["bicubic", "Lanczos", "nlsn-light-x2", "nlsn-light-x2 + ensemble"]
    assert [row["method"] for row in report["means"]] == methods
    psnr = {method: [row["psnr"] for row in report["rows"] if row["method"] == method] for method in methods}
    for row in report["means"]:
        assert row["psnr"] == pytest.approx(np.mean(psnr[row["method"]]))
        assert row["gain_over_input"] == pytest.approx(row["psnr"] - np.mean(psnr["bicubic"]))
    assert psnr["nlsn-light-x2"] != psnr["nlsn-light-x2 + ensemble"]
    kept = Image.open(tmp_path / "kept" / "a_upscale-x2.png")
    assert kept.size == (5 * 48 + 4 * 8, 40)
    np.testing.assert_array_equal(
        np.asarray(kept)[:, -48:], np.asarray(Image.open(source / "a.png")), strict=True
    )


def test_several_sets_end_in_one_table_of_their_means(restore: Restore, tmp_path: Path) -> None:
    first, second = photos(tmp_path / "one", "a"), photos(tmp_path / "two", "b", "c")
    common = ("bench", "--data", first, "--data", second, "-x", "2", "-x", "3", "--model", "none")
    done = restore(*common)
    assert done.code == 0, done.err
    table = done.out[done.out.index("| protocol ") :].splitlines()
    assert len(table) == 2 + 2 * 2 and squeezed(table[0]) == "| protocol | method | one | two |"
    means = document(restore(*common, "--json"))["means"]
    lanczos = next(
        m for m in means if (m["set"], m["protocol"], m["method"]) == ("two", "upscale-x3", "Lanczos")
    )
    line = next(line for line in table if squeezed(line).startswith("| upscale-x3 | Lanczos |"))
    assert squeezed(line).endswith(f"| {lanczos['psnr']:.2f} / {lanczos['ssim']:.4f} |")


def test_lists_and_repeated_options_are_the_same(restore: Restore, tmp_path: Path) -> None:
    source = photos(tmp_path / "clean", "a")
    common = ("bench", "--data", source, "--model", "none", "--json", "--quiet")
    lists = document(restore(*common, "--sigma", "10,20"))
    again = document(restore(*common, "--sigma", "10", "--sigma", "20"))
    assert list(lists["protocols"]) == ["denoise-s10", "denoise-s20"]
    assert len(lists["rows"]) == 4
    assert [row["psnr"] for row in lists["rows"]] == [row["psnr"] for row in again["rows"]]


def test_pairs_of_a_set_are_measured_with_the_noise_they_bring(restore: Restore, tmp_path: Path) -> None:
    source = photos(tmp_path / "pairs", "a_mean")
    clean = np.asarray(Image.open(source / "a_mean.png")).astype(int)
    noise = np.random.default_rng(0).normal(0, 8, clean.shape)
    Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8)).save(source / "a_real.png")
    common = ("bench", "--data", source, "--json", "--device", "cpu")
    told = document(restore(*common))
    assert list(told["protocols"]) == ["denoise-real"]
    names = ["noisy", *(f"non-local means, σ {sigma}" for sigma in (4, 8, 12)), "nlsn-light-denoise"]
    assert [row["method"] for row in told["means"]] == names
    best = max(row["psnr"] for row in told["means"][1:4])
    assert told["means"][-1]["gain_over_baseline"] == pytest.approx(told["means"][-1]["psnr"] - best)
    for arguments, word in ((["--sigma", "25"], "--sigma"), (["--task", "dejpeg"], "--task")):
        refused = restore(*common, *arguments)
        assert refused.code == 2 and word in refused.err
    # beside a set of clean pictures, each by its own protocol
    mixed = document(restore(*common, "--data", photos(tmp_path / "clean", "b"), "--model", "none"))
    assert {(row["set"], row["protocol"]) for row in mixed["means"]} >= {
        ("pairs", "denoise-real"),
        ("clean", "denoise-s25"),
    }


def test_camera_noise_is_measured_at_the_isos_asked_for(restore: Restore, tmp_path: Path) -> None:
    source = photos(tmp_path / "clean", "a")
    common = ("bench", "--data", source, "--noise", "camera", "--model", "none", "--json")
    assert list(document(restore(*common))["protocols"]) == [f"denoise-iso{n}" for n in (1600, 3200, 6400)]
    assert list(document(restore(*common, "--iso", "800,3200"))["protocols"]) == [
        "denoise-iso800",
        "denoise-iso3200",
    ]


def test_a_papers_table_says_which_weights_were_used(restore: Restore, tmp_path: Path) -> None:
    photos(tmp_path / "set5" / "HR", *"abcde")
    common = ("bench", "--table", "nlsn", "--data-root", tmp_path, "--device", "cpu")
    report = document(restore(*common, "--json"))
    assert [(row["entry"], row["set"]) for row in report["rows"]] == [
        (f"nlsn-x{scale}", "Set5") for scale in (2, 3, 4)
    ]
    for row in report["rows"]:
        assert row["weights"] == row["entry"].replace("nlsn", "nlsn-light")
        assert row["difference"] is None
        assert not row["papers_weights"]
    text = restore(*common).out
    assert "light weights in place of the paper's" in text
    assert "| nlsn-x2 | Set5 |" in squeezed(text)


def test_a_folder_is_measured_end_to_end_and_left_alone(restore: Restore, tmp_path: Path) -> None:
    source = photos(tmp_path / "in", "a", "b", "c")
    report = document(
        restore("bench", "--folder", source, "-x", "2", "--device", "cpu", "--precision", "fp32", "--json")
    )
    (row,) = report["rows"]
    assert (row["files"], row["failed"]) == (3, 0)
    assert row["files_per_minute"] == pytest.approx(180 / row["seconds"])
    assert row["megapixels"] == pytest.approx(3 * 96 * 80 / 1e6)
    assert row["spent"]["device"] <= row["spent"]["restore"] <= row["seconds"]
    assert {"decode", "encode", "wait for decoding", "wait for encoding"} <= set(row["spent"])
    assert row["bottleneck"] in ("decoding", "encoding", "the device", "the main thread")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "b.png", "c.png", "in"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--size", "wide"], "--size"),
        (["--runs", "0"], "--runs"),
        (["--sweep", "colour"], "--sweep"),
        (["--tune"], "--tune"),
        (["--sweep", "size", "--data", "x"], "two measurements"),
        (["--plot", "a.gif"], "picture format"),
        (["--task", "cook"], "cook"),
        (["--model", "nosuch"], "nosuch"),
        (["--model", "none"], "--model none"),
        (["--model", "mirnet", "--task", "dejpeg"], "dejpeg"),
        (["--table", "nlsn"], "--data-root"),
        (["--table", "mirnet", "--data-root", "."], "mirnet"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--data", ".", "--sigma", "loud"], "--sigma"),
        (["--data", ".", "--noisy", "6bit"], "--noisy"),
        (["--data", ".", "--noise", "pink"], "--noise"),
        (["--pairs", ".", ".", "--task", "denoise", "--noise", "camera"], "--noise: nothing to do"),
        (["--data", ".", "--iso", "1600"], "--iso"),
        (["--data", ".", "--noise", "camera", "--sigma", "20"], "--sigma"),
        (["--device", "abacus"], "abacus"),
        (["--sigma", "20"], "--sigma"),
        (["--table", "nlsn", "--data-root", ".", "--save-images", "x"], "--save-images"),
        (["--data", ".", "--runs", "3"], "--runs"),
        (["--folder", ".", "--gray"], "--gray"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], word: str, restore: Restore) -> None:
    done = restore("bench", *arguments)
    assert done.code in (2, 5)
    assert word in done.err
    assert not done.out


def test_every_option_means_something_to_some_measurement() -> None:
    known = {field.name for field in fields(BenchOptions)}
    assert set().union(*APPLIES.values()) == known


def test_a_variable_meant_for_other_commands_is_no_error(
    restore: Restore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESTORE_SIGMA", "20")
    done = restore("bench", "--compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "--sigma" not in done.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom restorecli.cli.app import main\nsys.argv = ['restore', 'bench', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'scipy', 'PIL', 'numpy', 'matplotlib', 'skimage'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_a_stopped_measurement_shows_what_it_has(restore: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = Bench.measure, []

    def stopping(self: Bench, subject: Any, sizes: Any) -> Any:
        asked.append(subject.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, subject, sizes)

    monkeypatch.setattr(Bench, "measure", stopping)
    done = restore("bench", *QUICK, "-x", "3")
    assert done.code == 130
    assert asked == ["nlsn-light-x2", "nlsn-light-x3"]
    assert "| nlsn-light-x2 | 24×16 |" in done.out
    assert "nlsn-light-x3" not in done.out


def test_a_network_that_needs_spandrel_says_how_to_get_it(
    restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorecli.models.resolve.find_spec", lambda name: None)
    done = restore("bench", "--model", "swinir", "--task", "upscale")
    assert done.code != 0
    assert "swinir-x4 needs the optional package spandrel" in done.err
    assert "hint: pip install 'restorecli[spandrel]'" in done.err


@pytest.mark.parametrize(
    ("spent", "named"),
    [
        ({"restore": 9.0, "device": 8.0, "encode": 30.0, "wait for encoding": 1.0}, "the device"),
        ({"restore": 3.0, "device": 2.5, "wait for encoding": 6.0, "wait for decoding": 0.1}, "encoding"),
        ({"restore": 3.0, "device": 2.5, "wait for encoding": 0.1, "wait for decoding": 5.0}, "decoding"),
        ({"restore": 9.0, "device": 2.0}, "the main thread"),
    ],
)
def test_what_holds_a_folder_back_is_named(spent: dict[str, float], named: str) -> None:
    assert FolderRow("denoise", "some", 3, 0, 10.0, 5.0, spent).bottleneck == named
