from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from restorecli.comparison import collect
from restorecli.comparison.entry import Entry
from restorecli.comparison.page import Page
from restorecli.errors import WriteError
from tests.comparison.scenes import data_of, noisy, save, scene
from tests.conftest import Done

Run = Callable[..., Done]
QUICK = ("-d", "cpu", "--fp32")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    save(noisy(scene(), 20), folder / "loud.png")
    save(noisy(scene(), 8, 1), folder / "sub" / "soft <b>&.png")
    save(scene(), folder / "clean.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def test_a_run_makes_its_page_and_an_earlier_run_s_results_are_on_it_too(
    restore: Run, photos: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = restore("denoise", photos, *QUICK, "--compare", page)
    assert done.code == 1 and "page.html: 2 photos" in done.err
    loud, soft = data_of(page)
    assert (loud["name"], soft["name"]) == ("loud.png", "soft <b>&.png")
    assert any("sigma" in note for note in loud["notes"])
    text = page.read_text()
    assert "Left as they were (1)" in text and "it has no visible noise" in text
    assert "Not shown (1)" in text and "broken.png" in text
    assert "2 restored, 1 left as they were, 1 failed · nlsn-light-denoise" in text

    page.unlink()
    restore("denoise", photos, *QUICK, "--compare", page)
    again = data_of(page)
    assert [photo["change"] for photo in again] == [loud["change"], soft["change"]]
    assert again[0]["notes"][0] == "done by an earlier run"
    assert "Left as they were (1)" in page.read_text()


def test_the_page_is_no_setting_of_the_results(restore: Run, photos: Path, tmp_path: Path) -> None:
    restore("denoise", photos / "loud.png", *QUICK)
    done = restore("denoise", photos / "loud.png", *QUICK, "--compare", tmp_path / "p.html", "--json")
    names = [json.loads(line)["event"] for line in done.out.splitlines()]
    assert names == ["plan", "file_skipped", "summary", "page"]


def test_pipes_are_compared_too(restore: Run, photos: Path, tmp_path: Path) -> None:
    page, data = tmp_path / "page.html", (photos / "loud.png").read_bytes()
    done = restore("denoise", "-", *QUICK, "--compare", page, stdin=data)
    assert done.code == 0 and done.raw.startswith(b"\x89PNG")
    (photo,) = data_of(page)
    assert photo["name"] == "standard input" and float(photo["change"]) > 5


def test_an_enlargement_is_compared_with_the_photo_enlarged(restore: Run, tmp_path: Path) -> None:
    small = save(scene(40, 60), tmp_path / "small.png")
    restore("upscale", "-x2", small, *QUICK, "--compare", tmp_path / "p.html")
    (photo,) = data_of(tmp_path / "p.html")
    assert photo["fitted"] == "enlarged ×2, bicubic"
    assert photo["result"]["size"] == "120 × 80"


@pytest.mark.parametrize(
    ("name", "message"), [("page.txt", "no name of a page"), ("photos.html", "no page of this tool")]
)
def test_a_bad_place_for_the_page_is_refused_before_any_work(
    restore: Run, photos: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "photos.html").write_text("mine")
    done = restore("denoise", photos, *QUICK, "--compare", tmp_path / name)
    assert done.code == 2 and message in done.err
    assert not (tmp_path / "photos_denoise").exists()


def test_a_dry_run_writes_no_page(restore: Run, photos: Path, tmp_path: Path) -> None:
    restore("denoise", photos, *QUICK, "-n", "--compare", tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupted_run_has_a_page_of_what_is_done(photos: Path, tmp_path: Path) -> None:
    for number in range(40):
        save(noisy(scene(200, 200), 20, number), photos / f"more{number:02}.png")
    page, results = tmp_path / "p.html", tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "restorecli",
        "denoise",
        photos,
        "-o",
        results,
        *QUICK,
        "--compare",
        page,
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(results.glob("*.png"))) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code = process.wait()
    assert code == 130
    assert 1 <= len(data_of(page)) < 40
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".restore-")]


def test_two_folders_are_compared(restore: Run, tmp_path: Path) -> None:
    save(noisy(scene(), 5), tmp_path / "a" / "x.jpg")
    save(scene(), tmp_path / "b" / "x.png")
    for name in ("same.png", "turned.png"):
        save(scene(), tmp_path / "a" / name)
    save(scene(), tmp_path / "b" / "same.png")
    save(scene(160, 120), tmp_path / "b" / "turned.png")
    save(scene(), tmp_path / "b" / "new.png")
    done = restore("compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "p.html")
    assert done.code == 1
    assert "new.png: not in" in done.err and "cannot be laid over each other" in done.err
    assert [photo["name"] for photo in data_of(tmp_path / "p.html")] == ["x.jpg"]
    assert "the same file in both" in (tmp_path / "p.html").read_text()


def test_two_files_are_compared_and_said_as_json(restore: Run, tmp_path: Path) -> None:
    one, two = (save(noisy(scene(), 5, seed), tmp_path / f"{seed}.png") for seed in (1, 2))
    done = restore("compare", one, two, "-o", tmp_path / "p.html", "--json")
    assert done.code == 0
    (event,) = map(json.loads, done.out.splitlines())
    assert (event["event"], event["photos"]) == ("page", 1)


def test_a_result_s_notes_come_from_the_run_record(restore: Run, photos: Path, tmp_path: Path) -> None:
    restore("denoise", photos / "loud.png", "-o", f"{tmp_path}/out/", *QUICK)
    restore("compare", photos, tmp_path / "out", "-o", tmp_path / "p.html")
    (photo,) = data_of(tmp_path / "p.html")
    assert any("sigma" in note for note in photo["notes"])


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_names_that_are_no_text_are_shown_all_the_same(restore: Run, tmp_path: Path) -> None:
    odd = os.fsdecode(b"bad\xff</script>\xe2\x80\xae.png")
    save(noisy(scene(), 5), tmp_path / "a" / odd)
    save(scene(), tmp_path / "b" / odd)
    assert restore("compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "p.html").code == 0
    assert data_of(tmp_path / "p.html")[0]["name"] == "script>�.png"


def test_a_disk_that_is_full_costs_the_page_and_not_the_results(
    restore: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise WriteError("p.html: the page cannot be written: No space left on device")

    monkeypatch.setattr(Page, "add", full)
    done = restore("denoise", photos, *QUICK, "--compare", tmp_path / "p.html")
    assert done.code == 1 and "the page cannot be written" in done.err
    assert len(list((tmp_path / "photos_denoise").rglob("*.png"))) == 3
    assert not (tmp_path / "p.html").exists()


def test_a_photo_that_cannot_be_shown_is_named_and_the_others_are_shown(
    restore: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = collect.make_entry

    def odd(before: Path | bytes, *rest: Any) -> Entry:
        if "loud" in str(before):
            raise ZeroDivisionError("a bug")
        return make(before, *rest)

    monkeypatch.setattr(collect, "make_entry", odd)
    restore("denoise", photos, *QUICK, "--compare", tmp_path / "p.html")
    assert len(data_of(tmp_path / "p.html")) == 1
    assert "unexpected ZeroDivisionError: a bug" in (tmp_path / "p.html").read_text()
