from __future__ import annotations

import io

from rich.console import Console

from restorecli.report.console import ConsoleReporter
from restorecli.report.events import FileDone, FileSkipped, PlanMade, RunSummary
from restorecli.report.kinds import Kinds
from restorecli.report.words import labelled, wrapped

PLAN = PlanMade(3000, "nlsn", "light", "nlsn-light-denoise", "cpu", "fp32", 256)


def done(number: int, *, warnings: tuple[str, ...] = ()) -> FileDone:
    notes = (f"sigma {number / 10:g}, estimated from the pixels", "by rnan-denoise-s30")
    return FileDone(f"in/{number}.jpg", f"out/{number}.png", 8, 6, 0.5, 1, warnings, notes=notes)


def shown(verbosity: int = 0) -> list[str]:
    stream = io.StringIO()
    reporter = ConsoleReporter(verbosity, Console(file=stream, width=80))
    reporter.event(PLAN)
    for number in range(1, 1001):
        reporter.event(
            done(number, warnings=(f"written as {number}.png", "no profile") if number < 3 else ())
        )
        reporter.event(FileSkipped(f"b{number}.png", "b.png", "already done"))
        reporter.event(FileSkipped(f"c{number}.png", f"c-{number}.png", f"c-{number}.png exists"))
    reporter.event(RunSummary(1000, 2000, 0, 2.0, 0.5))
    return stream.getvalue().splitlines()


def test_a_thousand_photos_are_told_of_by_kind() -> None:
    assert shown()[1:-1] == [
        "note    sigma 0.1 to 100, estimated from the pixels (1000 files)",
        "note    by rnan-denoise-s30 (1000 files)",
        "warning written as … (2 files, such as in/1.jpg)",
        "warning no profile (2 files, such as in/1.jpg)",
        "skipped already done (1000 files)",
        "skipped … exists (1000 files)",
    ]


def test_verbose_tells_of_every_photo() -> None:
    lines = shown(1)
    assert len(lines) > 4000
    assert "note    in/7.jpg: sigma 0.7, estimated from the pixels, by rnan-denoise-s30" in lines


def test_numbers_inside_names_and_sizes_stay() -> None:
    kinds = Kinds()
    for text in ("×2 by a-x4 for 3.5 and 7", "×2 by a-x4 for 3.5 and 10", "×3 by a-x4 for 3.5 and 7"):
        kinds.add("note", text, "p.png")
    assert [kind.text for kind in kinds] == ["×2 by a-x4 for 3.5 and 7 to 10", "×3 by a-x4 for 3.5 and 7"]


def test_lines_wrap_at_words_on_a_terminal_and_never_elsewhere() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=40)
    text = "a profile that cannot be kept by this format in /very/long/path/that-is-longer/than-a-line/a.png"
    lines = labelled(terminal, "note    ", text).plain.splitlines()
    assert " ".join(line.strip() for line in lines)[len("note    ") :] == text
    assert all(
        len(line) <= 40 or "/very/long/path/that-is-longer/than-a-line/a.png" in line for line in lines
    )
    assert all(line.startswith(" " * 8) for line in lines[1:])
    assert wrapped(Console(file=io.StringIO(), width=40), text) == [text]
