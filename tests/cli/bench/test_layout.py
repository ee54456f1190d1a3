"""Tables and prose of ``restore bench`` within a width."""

from __future__ import annotations

import pytest

from restorecli.cli.bench.layout import Table, wrapped

WIDE = Table(
    ("model", "input", *(f"thing {n}" for n in range(6)), "nothing"),
    [("nlsn-light-x2", "24×16", *(f"{n}.5" for n in range(6)), "–")] * 3,
    keys=2,
)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line]


def test_a_narrow_table_is_one_and_padded() -> None:
    text = Table(("name", "a"), [("x", "1"), ("longer", "20")]).markdown(40)
    assert text.splitlines()[:2] == ["| name   |   a |", "| ------ | --: |"]
    assert text.splitlines()[2:] == ["| x      |   1 |", "| longer |  20 |"]


def test_a_wide_table_is_continued_by_its_keys_and_loses_nothing() -> None:
    text = WIDE.markdown(60)
    assert max(map(len, text.splitlines())) <= 60
    parts = [cells(part) for part in text.split("\n\n")]
    assert len(parts) == 2
    assert all([row[:2] for row in part] == [row[:2] for row in parts[0]] for part in parts)
    titles = [title for part in parts for title in part[0][2:]]
    values = [value for part in parts for value in part[2][2:]]
    assert titles == list(WIDE.titles[2:-1]) and values == list(WIDE.rows[0][2:-1])


@pytest.mark.parametrize("columns", [1, 20, 50, 80, 200])
def test_whatever_the_width_every_cell_is_there_whole(columns: int) -> None:
    assert {cell for row in cells(WIDE.markdown(columns)) for cell in row} >= {"thing 5", "5.5"}


def test_columns_without_a_value_are_left_out() -> None:
    assert "nothing" not in WIDE.markdown(200)


def test_prose_is_wrapped_between_words_and_tables_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    whole = ["| a wide table's line |", "", "averyverylongword"]
    assert list(wrapped(["one two three four five six", *whole])) == [
        "one two three four",
        "five six",
        *whole,
    ]
