from __future__ import annotations

from pathlib import Path

import pytest

from restorecli.errors import UsageError, WeightsError
from restorecli.models.cost import gmac_per_megapixel, skeleton
from restorecli.models.detect import parameter_count
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.networks import NETWORKS, layout
from tests.models.conftest import catalogue, paper

ENTRIES = load_registry().entries
OURS = [entry for entry in ENTRIES if entry.network in NETWORKS]


def test_every_released_file_is_in_the_catalogue() -> None:
    counts = {name: sum(e.network == name and not e.ships for e in ENTRIES) for name in NETWORKS}
    assert counts == {"nlsn": 3, "rnan": 16, "panet": 12, "grl": 44, "mirnet": 5}


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_every_entry_builds_with_the_parameters_it_states(entry: ModelEntry) -> None:
    network = skeleton(entry)
    assert parameter_count(network) == entry.parameters
    assert network.in_channels == entry.channels
    assert network.out_channels == (entry.out_channels or entry.channels)
    assert entry.same_size or network.scale == entry.scale


@pytest.mark.parametrize("entry", [e for e in OURS if not e.ships], ids=lambda entry: entry.name)
def test_every_entry_tells_what_its_network_cannot_tell_from_shapes(entry: ModelEntry) -> None:
    assert set(layout(entry.network).required) <= set(entry.settings)


def test_every_rnan_file_is_pinned_to_a_commit_and_a_git_blob() -> None:
    files = [entry for entry in ENTRIES if entry.network == "rnan" and not entry.ships]
    assert all("/24b1bad7" in entry.urls[0] and entry.urls[0].endswith(entry.file) for entry in files)
    assert len({e.git_blob for e in files}) == len(files)


def test_unknown_facts_are_absent() -> None:
    assert not any(entry.bytes or entry.sha256 for entry in OURS if not entry.ships)


def test_companions_are_pinned_and_come_after_the_five_networks() -> None:
    companions = [entry for entry in ENTRIES if entry.network not in NETWORKS]
    assert len(companions) > 20 and all(entry.sha256 for entry in companions)
    assert min(entry.rank for entry in companions) > max(entry.rank for entry in OURS)


def test_non_commercial_weights_are_left_out_by_policy() -> None:
    names = {e.network for e in load_registry().select(license_policy="commercial") if not e.ships}
    assert "mirnet" not in names and "grl" in names


def test_a_wrong_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="no model is called nlsn-x5") as caught:
        load_registry().find("nlsn-x5")
    assert "nlsn-x4" in caught.value.hint


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"colour": 3}, "unknown field colour"),
        ({"task": "colorize"}, "unknown task colorize"),
        ({"commercial_use": "perhaps"}, "commercial_use perhaps"),
        ({"sha256": "abc"}, "malformed digest"),
        ({"file": "../x.pt"}, "bare name"),
        ({"urls": []}, "no source"),
        ({"variant": "light"}, "need a sha256"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_entry_is_an_error_that_names_it(
    tmp_path: Path, table: dict[str, object], complaint: str
) -> None:
    with pytest.raises(WeightsError, match=f"nlsn.toml tiny-x2: .*{complaint}"):
        catalogue(tmp_path, {**paper("http://127.0.0.1/"), **table})


def test_a_missing_field_and_a_repeated_name_are_errors(tmp_path: Path) -> None:
    table = paper("http://127.0.0.1/")
    with pytest.raises(WeightsError, match="taken twice"):
        catalogue(tmp_path, table, table)
    del table["file"]
    with pytest.raises(WeightsError, match="field file is missing"):
        catalogue(tmp_path, table)


def test_light_weights_inherit_neither_licence_nor_source(tmp_path: Path) -> None:
    light = {**paper("x"), "variant": "light", "sha256": "0" * 64, "weights_license": "MIT", "urls": []}
    entry = catalogue(tmp_path, light, commercial_use="no").entries[0]
    assert entry.commercial_use == "unstated" and entry.weights_license == "MIT" and not entry.urls


def test_the_cost_of_nlsn_is_that_of_its_convolutions_and_more() -> None:
    entry = load_registry().find("nlsn-x2")
    gmac = gmac_per_megapixel(entry)
    # every weight before the upsampler is used once per input pixel: at least 40 000 GMAC per megapixel
    assert gmac is not None and 40_000 < gmac < 60_000


def test_every_grl_file_states_its_cost_since_counting_takes_long() -> None:
    cost = {entry.name: entry.gmac or 0 for entry in ENTRIES if entry.network == "grl" and not entry.ships}
    assert all(cost.values())
    assert cost["grl-tiny-x4"] < cost["grl-small-x4"] < cost["grl-base-x4"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grl-tiny-x3", "grl-small-demosaic"])
def test_a_stated_cost_is_what_is_counted(name: str) -> None:
    entry = load_registry().find(name)
    assert gmac_per_megapixel(entry) == pytest.approx(entry.gmac, rel=1e-4)
