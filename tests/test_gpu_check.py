"""The check of a GPU goes on past whatever fails, keeps to its time, and compares with counts of now."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.fake_gpu import POSSIBLE
from benchmarks.gpu_check import check as checks
from benchmarks.gpu_check import parts
from benchmarks.gpu_check.check import EXTENTS, Check
from benchmarks.gpu_check.expected import counted, read
from benchmarks.gpu_check.names import LOST, NAMES
from benchmarks.gpu_check.parts import PARTS, Part, go_through
from benchmarks.gpu_check.told import Told, shown
from benchmarks.roofline import CASES

ROOT = Path(__file__).parents[1]
fake_only = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "report.md", tmp_path / "report.jsonl")


def test_the_watching_process_knows_all_parts_and_their_order():
    assert tuple(PARTS) == NAMES


def test_a_failure_is_told_and_the_next_item_goes_on(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checks, "context_lives", lambda: True)
    check = Check(EXTENTS["fake"], told, tmp_path, True, time.monotonic() + 60)

    def work(item: str) -> None:
        if item == "b":
            raise ValueError("no such number")
        told.row(item=item, share=0.123456)

    check.each("abc", work)
    report = told.report.read_text(encoding="utf-8")
    assert "**b failed: ValueError**" in report and "ValueError: no such number" in report
    assert report.count("| item | share |") == 2  # a table is begun again behind a paragraph
    assert [row["item"] for row in told.events() if "share" in row] == ["a", "c"]


def test_what_there_is_no_time_for_is_told(told: Told, tmp_path: Path):
    check = Check(EXTENTS["fake"], told, tmp_path, True, time.monotonic() - 1)
    check.each("abc", lambda item: told.row(item=item))
    assert "Time was up: 3 left out (a … c)." in told.report.read_text(encoding="utf-8")
    assert not [event for event in told.events() if "event" in event]


@fake_only
def test_another_process_goes_on_where_the_device_was_lost(told: Told, monkeypatch: pytest.MonkeyPatch):
    lives = [True]

    def work(check: Check) -> None:
        def one(item: str) -> None:
            if item == "b":
                lives[0] = False
                raise RuntimeError("CUDA error: device-side assert triggered")
            told.row(item=item)

        check.each("abc", one)

    def whole(check: Check) -> None:
        lives[0] = False
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(checks, "context_lives", lambda: lives[0])
    made = {
        "first": Part("First", work, 1),
        "second": Part("Second", whole, 1),
        "last": Part("Last", work, 1),
    }
    monkeypatch.setattr(parts, "PARTS", made)
    codes = []
    for _ in range(5):
        lives[0] = True
        codes.append(go_through(tuple(made), "fake", told, 600))
        if codes[-1] == 0:
            break
    assert codes == [LOST, LOST, LOST, 0]
    rows = [
        (event["part"], event["item"]) for event in told.events() if "item" in event and "event" not in event
    ]
    assert rows == [("first", "a"), ("first", "c"), ("last", "a"), ("last", "c")]


@fake_only
def test_a_part_runs_from_end_to_end_in_a_process_of_its_own(tmp_path: Path):
    report = tmp_path / "report.md"
    given = [str(report), "--fake", "--parts", "parity,kernels"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_check", *given], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    rows = [json.loads(line) for line in report.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    compared = [row for row in rows if "verdict" in row]
    assert [row["precision"] for row in compared] == ["fp32", "fp16", "bf16"]
    assert all(row["verdict"] == "right" and row["waits_in_a_launch"] == "none" for row in compared)
    assert "failed" not in report.read_text(encoding="utf-8")


def test_there_is_a_count_for_every_network():
    known = read()
    assert set(known) == {*EXTENTS["whole"].networks, *CASES}
    assert all(set(expected.rate) >= {"H100", "H200"} for expected in known.values())


@fake_only
@pytest.mark.parametrize("name", ["nlsn-light-x2", "panet-light-x4"])
def test_counts_are_of_the_networks_of_now(name: str):
    """A release of torch may take an operator for two; products are the same in all."""
    known, now = read()[name], counted(name)  # else: python -m benchmarks.gpu_check.expected
    assert (now.side, now.batch, now.flops) == (known.side, known.batch, known.flops)
    assert now.kernels == pytest.approx(known.kernels, rel=0.05)


def test_numbers_are_shown_short():
    assert [shown(value) for value in (None, 0.12345, 1234.5, 7, "x")] == ["–", "0.123", "1234", "7", "x"]
