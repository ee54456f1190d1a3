from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

from restorecli.cluster import claims
from restorecli.cluster.claims import InStore
from restorecli.cluster.owners import this_run
from restorecli.photos.stores import journal
from restorecli.photos.stores.journal import Journal
from restorecli.photos.stores.path import StorePath


@pytest.fixture
def folder(tmp_path: Path) -> StorePath:
    return StorePath(f"memory://{tmp_path.name}-{os.getpid()}/out")


def line(name: str) -> dict[str, str]:
    return {"output": name}


def test_a_number_is_created_once(folder: StorePath) -> None:
    one, other = Journal(folder, {"token": "a"}), Journal(folder, {"token": "b"})
    first, none = one.begin(["1.png"])
    second, begun = other.begin(["1.png", "2.png"])
    assert (first, second) == (1, 2) and not none
    assert {name: each.number for name, each in begun.items()} == {"1.png": 1}


def test_what_was_begun_and_not_recorded_when_the_run_looked_is_known_to_it_later(folder: StorePath) -> None:
    other = Journal(folder, {"token": "b"})
    for name in ("1.png", "2.png", "3.png"):
        other.begin([name])
    other.finish(1, [line("1.png")])
    other.finish(3, [line("3.png")])
    found, seen = journal.rows(folder)
    assert [json.loads(row)["output"] for row in found] == ["1.png", "3.png"] and seen == {1, 3}
    other.finish(2, [line("2.png")])  # after the look, and before this run begins
    begun = Journal(folder, {"token": "a"}, seen).begin(["2.png"])[1]
    assert set(begun) == {"2.png"}
    assert journal.rows(folder)[1] == {1, 2, 3}


def test_what_is_recorded_by_the_time_of_a_new_look_counts_no_more(folder: StorePath) -> None:
    other, own = Journal(folder, {"token": "b"}), Journal(folder, {"token": "a"})
    other.begin(["1.png"])
    other.begin(["2.png"])
    assert set(own.begin(["1.png", "2.png"])[1]) == {"1.png", "2.png"}
    other.finish(1, ())  # it failed
    own.catch_up()
    other.finish(2, [line("2.png")])  # too late for the look
    assert set(own.begin(["1.png", "2.png"])[1]) == {"2.png"}


def test_a_run_that_ends_while_it_is_asked_for_is_not_taken_for_dead(
    folder: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = InStore(folder, {**this_run(), "token": "other", "machine": "another"}, frozenset())
    claim = other.take(["1.png"])
    own = InStore(folder, this_run(), frozenset())
    entry = claims.store.entry

    def ends_first(path: StorePath) -> object:
        if str(path).endswith(".alive"):
            monkeypatch.setattr(claims.store, "entry", entry)
            claim.lines.append(line("1.png"))
            other.finish(claim)
            other.close()
        return entry(path)

    monkeypatch.setattr(claims.store, "entry", ends_first)
    assert not own.take(["1.png"]).names
