"""The table of what networks cost is that of the networks there are."""

from __future__ import annotations

import pytest

from restorecli.models.cost import cost_of, skeleton
from restorecli.models.costs import Cost, alike, costs_of, known_costs
from restorecli.models.detect import parameter_count
from restorecli.models.registry import load_registry
from restorecli.networks import NETWORKS

ENTRIES = {entry.name: entry for entry in load_registry().entries if entry.network in NETWORKS}
AGAIN = "write the table again: python -m benchmarks.costs"


def test_every_shape_has_its_row():
    groups = [tuple(entry.name for entry in group) for group in alike(ENTRIES.values())]
    assert [row.models for row in known_costs()] == groups, AGAIN


@pytest.mark.parametrize("row", known_costs(), ids=lambda row: row.models[0])
def test_parameters_are_those_of_the_network(row: Cost):
    assert parameter_count(skeleton(ENTRIES[row.models[0]])) == row.parameters, AGAIN


@pytest.mark.parametrize("name", ["nlsn-light-x2", "nlsn-x4", "mirnet-light-denoise", "rnan-light-dejpeg"])
def test_what_was_counted_is_counted_again(name: str):
    entry = ENTRIES[name]
    (row,) = costs_of([entry])
    assert row == cost_of([entry]), AGAIN


def test_a_row_names_only_what_was_asked_for():
    assert [row.models for row in costs_of([ENTRIES["rnan-x2"]])] == [("rnan-x2",)]
    others = [entry for entry in load_registry().entries if entry.network not in NETWORKS]
    assert others and costs_of(others) == []
