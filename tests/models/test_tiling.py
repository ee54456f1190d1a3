"""What is measured of tiles for each file of weights is what runs use."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.tiling import is_current, known_times, largest, narrowest, tensors_of
from restorecli.engine.settings import RunSettings
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.models.registry import load_registry, package_data
from restorecli.models.tiling import FILE, tiling

TABLE: dict[str, Any] = json.loads((package_data("registry") / FILE).read_text())
MEASURED = [name for name, row in TABLE.items() if row["apart"]]
LIGHT = {entry.name: entry for entry in load_registry().entries if entry.ships}


@pytest.mark.parametrize("name", sorted(LIGHT))
def test_every_shipped_file_was_measured_as_it_is_now(name: str) -> None:
    again = f"run python -m benchmarks.tiling PHOTOS: {name} is not the file that was measured"
    assert TABLE[name]["sha256"] == LIGHT[name].sha256, again
    assert TABLE[name]["tensors"] == tensors_of(LIGHT[name]), again


def test_nothing_but_shipped_files_is_in_the_table() -> None:
    assert set(TABLE) == LIGHT.keys()


def test_what_was_measured_with_other_weights_is_not_used() -> None:
    entry = LIGHT["nlsn-light-dejpeg"]
    retrained = replace(entry, sha256="0" * 64)
    assert tiling(entry) is not None and tiling(retrained) is None
    models = Models(RunSettings(precision="fp32", device="cpu"))
    request = ModelRequest("dejpeg", model=entry.name)
    found = models.resolve(request)
    models.found[entry.name] = replace(found, entry=retrained)
    loaded = models.get(request)
    assert loaded.prepared.pace is None and loaded.prepared.overlap == loaded.network.tile_overlap


def test_weights_whose_metadata_alone_changed_are_not_measured_again() -> None:
    entry = LIGHT["nlsn-light-dejpeg"]
    rewritten, retrained = replace(entry, sha256="1" * 64), dict(TABLE[entry.name], tensors="others")
    row = dict(TABLE[entry.name])
    assert is_current(row, rewritten) and row["sha256"] == rewritten.sha256
    assert not is_current(retrained, rewritten)


def test_times_are_taken_over_from_a_file_with_the_same_network() -> None:
    table = {"one": {"network": "a", "microseconds": {"fp32": {"128": 1.0}}}}
    assert known_times(table, "a") == {"fp32": {"128": 1.0}} and known_times(table, "b") == {}


@pytest.mark.parametrize("name", MEASURED)
def test_the_overlap_is_the_narrowest_that_the_rule_allows(name: str) -> None:
    row = TABLE[name]
    assert row["overlap"] == narrowest(row["apart"])
    chosen = next(each for each in row["apart"] if each["overlap"] == row["overlap"])
    assert chosen["mean"] - row["apart"][-1]["mean"] < 0.1


@pytest.mark.parametrize("name", TABLE)
def test_paces_are_read_as_they_were_measured(name: str) -> None:
    known, row = tiling(LIGHT[name]), TABLE[name]
    assert known is not None
    most = row.get("largest") or 10**9
    for precision, times in row["microseconds"].items():
        pace = known.paces[precision]
        assert list(pace.sides) == sorted(pace.sides) and pace.sides[-1] <= most
        assert all(pace.at(int(side) ** 2) == time for side, time in times.items() if int(side) <= most)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.get("sizes")])
def test_no_tile_is_so_large_that_results_get_worse(name: str) -> None:
    row = TABLE[name]
    assert row["largest"] == largest(row["sizes"])


def test_runs_take_the_measured_overlap_unless_another_is_asked_for() -> None:
    request = ModelRequest("dejpeg", model="nlsn-light-dejpeg")
    known = tiling(LIGHT["nlsn-light-dejpeg"])
    assert known is not None
    usual = Models(RunSettings(precision="fp32", device="cpu")).get(request).prepared
    asked = Models(RunSettings(tile=96, overlap=40, precision="fp32", device="cpu")).get(request).prepared
    assert usual.overlap == known.overlap and usual.pace == known.paces["fp32"]
    assert (asked.tile, asked.overlap, asked.pace) == (96, 40, None)


def test_a_picture_of_usual_size_is_not_cut_where_its_tiles_would_compute_more() -> None:
    request = ModelRequest("dejpeg", model="nlsn-light-dejpeg")
    prepared = Models(RunSettings(precision="fp32", device="cpu")).get(request).prepared
    computed = prepared.grid(321, 481)
    assert computed.count * computed.tile[0] * computed.tile[1] < 1.15 * 321 * 481
    large = prepared.grid(1000, 1000)
    assert large.count * large.tile[0] * large.tile[1] < 1.15 * 1000 * 1000
