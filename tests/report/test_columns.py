from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restorecli.report.columns import Column, lines

COLUMNS = (
    Column("model"),
    Column("task", 2),
    Column("size", 1, right=True),
    Column("licence", 3),
    Column("none"),
)
ROWS = [
    ("nlsn-x4", "upscale", "1.5 MB", "a long licence text", ""),
    ("rnan", "denoise", "30.0 MB", "MIT", ""),
]


def test_everything_is_shown_where_there_is_no_terminal() -> None:
    assert lines(COLUMNS, ROWS, None) == [
        "model    task        size  licence",
        "nlsn-x4  upscale   1.5 MB  a long licence text",
        "rnan     denoise  30.0 MB  MIT",
    ]


def test_the_least_important_columns_go_first_and_are_named() -> None:
    assert lines(COLUMNS, ROWS, 26) == [
        "model    task        size",
        "nlsn-x4  upscale   1.5 MB",
        "rnan     denoise  30.0 MB",
        "",
        "not shown for want of room: licence",
    ]
    assert lines(COLUMNS, ROWS, 20)[1] == "nlsn-x4   1.5 MB"
    assert lines(COLUMNS, ROWS, 5)[1] == "nlsn-x4"


@given(st.lists(st.tuples(*[st.text("ab c", max_size=30)] * 5), min_size=1), st.integers(10, 120))
def test_a_row_is_a_line_that_fits_unless_what_must_be_shown_does_not(
    rows: list[tuple[str, ...]], width: int
) -> None:
    made = lines(COLUMNS, rows, width)
    table = made[: made.index("")] if any(line.startswith("not shown") for line in made) else made
    assert len(table) == len(rows) + 1 or "" in [line.strip() for line in made]
    must = [[row[index] for row in rows] for index in (0, 4)]
    least = sum(max(map(len, (*texts, "model"))) + 2 for texts in must)
    assert all(len(line) <= max(width, least) for line in table)


def test_what_would_steer_a_terminal_is_replaced() -> None:
    made = lines((Column("photo"), Column("size")), [("a\x1b[2Jb\x7f", "1×1")], 80)
    assert made[1] == "a\ufffd[2Jb\ufffd  1×1"
