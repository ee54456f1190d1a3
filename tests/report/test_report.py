from __future__ import annotations

import io
import json

from rich.console import Console

from restorecli.report.console import ConsoleReporter
from restorecli.report.events import FileDone, FileFailed, FileSkipped, PlanMade, RunSummary
from restorecli.report.jsonl import JsonLines

EVENTS = (
    PlanMade(3, "nlsn", "light", "nlsn-light-x4", "cpu", "fp32", 256),
    FileDone("a[1].png", "out/a[1].png", 8, 6, 0.5, 1, ("profile lost",)),
    FileSkipped("b.png", "out/b.png", "already done"),
    FileFailed("c.png", "unreadable", "c.png: cut short"),
    RunSummary(1, 1, 1, 2.0, 0.5),
)


def shown(verbosity: int, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=200, no_color=True, highlight=False)
    reporter = ConsoleReporter(verbosity, console)
    for event in EVENTS:
        reporter.event(event)
    return stream.getvalue()


def test_people_see_plan_failure_and_sum() -> None:
    text = shown(0)
    assert "3 files · nlsn-light-x4 (light) · cpu · fp32 · tiles of 256" in text
    assert text.count("c.png") == 1 and "c.png: cut short" in text
    assert "1 restored, 1 skipped, 1 failed in 2.0 s (0.5 megapixels, 0.25 MP/s)" in text
    assert "profile lost" in text


def test_a_run_that_stopped_says_what_is_left() -> None:
    stream = io.StringIO()
    reporter = ConsoleReporter(0, Console(file=stream, width=100))
    reporter.event(PlanMade(9, "nlsn", "light", "nlsn-light-x4", "cpu", "fp32", 256))
    reporter.event(RunSummary(2, 1, 1, 2.0, 0.5))
    assert "5 of 9 not done" in stream.getvalue()


def test_quiet_shows_failures_only() -> None:
    assert shown(-1).split() == ["failed", "c.png:", "cut", "short"]


def test_verbose_names_every_file_with_its_brackets() -> None:
    text = shown(1)
    assert "out/a[1].png" in text
    assert "already done" in text


def test_no_bars_without_a_terminal() -> None:
    assert not ConsoleReporter(0, Console(file=io.StringIO())).bars
    assert ConsoleReporter(0, Console(file=io.StringIO(), force_terminal=True)).bars
    assert not ConsoleReporter(-1, Console(file=io.StringIO(), force_terminal=True)).bars


def test_a_note_is_said_once() -> None:
    stream = io.StringIO()
    reporter = ConsoleReporter(0, Console(file=stream, width=100))
    reporter.note("light weights are used")
    reporter.note("light weights are used")
    assert stream.getvalue().count("light weights") == 1


def test_machines_get_one_object_a_line() -> None:
    stream = io.StringIO()
    reporter = JsonLines(stream)
    for event in EVENTS:
        reporter.event(event)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["event"] for row in rows] == ["plan", "file_done", "file_skipped", "file_failed", "summary"]
    assert rows[1]["warnings"] == ["profile lost"]
    assert rows[2] == {
        "event": "file_skipped",
        "input": "b.png",
        "output": "out/b.png",
        "reason": "already done",
    }


def test_names_do_not_steer_the_terminal() -> None:
    stream = io.StringIO()
    reporter = ConsoleReporter(1, Console(file=stream, width=200, no_color=True, highlight=False))
    name = "a\x1b[31mred\x1b]0;title\x07\x9b2J\r\nerror: \u202egpj.png"
    reporter.event(PlanMade(1, "nlsn", "light", "nlsn-light-x4", "cpu", "fp32", 256))
    reporter.event(FileDone(name, f"out/{name}", 8, 6, 0.5, 1, ("lost",)))
    reporter.event(FileFailed(name, "unreadable", f"{name}: cut short"))
    assert "a\ufffd[31mred" in stream.getvalue()
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & set(stream.getvalue())
    assert not any(line.startswith("error: ") for line in stream.getvalue().splitlines())
    messages = io.StringIO()
    JsonLines(io.StringIO(), messages).note(name)
    assert messages.getvalue().count("\n") == 1 and "\x1b" not in messages.getvalue()
