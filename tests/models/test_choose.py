from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.errors import UsageError, WeightsError
from restorecli.models.choose import ModelRequest, choose, nearest_level
from restorecli.models.registry import ModelEntry, NetworkInfo, Registry


def entry(name: str, network: str = "net", **more: Any) -> ModelEntry:
    return ModelEntry(**{"task": "denoise", "file": "f", "name": name, "network": network, **more})


def registry(*entries: ModelEntry) -> Registry:
    names = dict.fromkeys(one.network for one in entries)
    return Registry({n: NetworkInfo(n, "T", "S", "C") for n in names}, entries)


PAPER = [entry(f"net-s{level}", level=level) for level in (10, 30, 50, 70)]
LIGHT = entry("net-light", variant="light", commercial_use="yes")
BOTH = registry(*PAPER, LIGHT)


def test_a_model_without_a_variant_means_paper_with_light_to_stand_in() -> None:
    choice = choose(ModelRequest("denoise", model="net", level=30), BOTH)
    assert choice.entry.name == "net-s30" and choice.fallback == LIGHT and choice.notes == ()


def test_light_weights_of_another_network_stand_in_only_where_allowed_and_undoing_the_same() -> None:
    real = entry("other-light-real", "other", variant="light", degradation="real")
    gaussian = entry("other-light", "other", variant="light", degradation="gaussian")
    paper = entry("net-s30", level=30, degradation="gaussian")
    known = registry(paper, real, gaussian)
    assert choose(ModelRequest("denoise", model="net", stand_in=True), known).fallback == gaussian
    assert choose(ModelRequest("denoise", model="net"), known).fallback is None
    asked = ModelRequest("denoise", model="net", variant="paper", stand_in=True)
    assert choose(asked, known).fallback is None
    assert choose(ModelRequest("denoise", model="net", stand_in=True), registry(paper, real)).fallback is None
    assert choose(ModelRequest("denoise", model="net-s30", stand_in=True), known).fallback is None


def test_weights_that_undo_more_stand_in_too() -> None:
    both = entry("other-light", "other", task="deblur", variant="light", degradation="motion and defocus")
    paper = [entry(f"net-{kind}", task="deblur", degradation=kind) for kind in ("motion", "realblur-j")]
    known = registry(*paper, both)
    asked = ModelRequest("deblur", model="net", degradation="motion", stand_in=True)
    assert choose(asked, known).fallback == both
    assert choose(replace(asked, degradation="realblur-j"), known).fallback is None


def test_what_stands_in_undoes_what_the_named_model_does_and_not_the_usual() -> None:
    usual, real = (
        entry(f"other-light-{kind}", "other", task="upscale", scale=4, variant="light", degradation=kind)
        for kind in ("bicubic", "real")
    )
    paper = entry("net-real", task="upscale", scale=4, degradation="real")
    asked = ModelRequest("upscale", model="net", scale=4, stand_in=True)
    assert choose(asked, registry(usual, real, paper)).fallback == real
    assert choose(asked, registry(usual, paper)).fallback is None


def test_a_networks_own_light_weights_give_way_to_others_that_undo_the_same() -> None:
    own = entry("net-light", variant="light", degradation="gaussian")
    other = entry("other-light", "other", variant="light", degradation="gaussian and real", rank=20)
    paper = entry("net-real", degradation="real")
    asked = ModelRequest("denoise", model="net", degradation="real", stand_in=True)
    assert choose(replace(asked, degradation=None), registry(own, other, paper)).fallback == other
    assert choose(replace(asked, degradation=None), registry(own, paper)).fallback == own
    assert choose(asked, registry(own, other, paper)).fallback == other


def test_variant_paper_has_nothing_to_stand_in() -> None:
    choice = choose(ModelRequest("denoise", model="net", variant="paper", level=30), BOTH)
    assert choice.entry.name == "net-s30" and choice.fallback is None


def test_no_model_means_the_best_light_one() -> None:
    better = entry("other-light", "other", variant="light", rank=1)
    assert choose(ModelRequest("denoise"), registry(*PAPER, LIGHT, better)).entry == better


def test_no_model_where_nothing_is_light_means_the_best_paper_one() -> None:
    assert choose(ModelRequest("denoise", level=10), registry(*PAPER)).entry.name == "net-s10"


def test_a_level_between_takes_the_next_above_and_says_so() -> None:
    choice = choose(ModelRequest("denoise", model="net", level=25), BOTH)
    assert choice.entry.level == 30 and choice.notes == ("weights for sigma 30 are used for 25",)


@given(st.sets(st.integers(1, 100), min_size=1), st.floats(0, 120))
def test_levels_are_never_weaker_than_wanted_where_one_is_strong_enough(
    known: set[int], wanted: float
) -> None:
    levels = sorted(known)
    sigma = nearest_level(levels, wanted, "denoise")
    assert sigma == levels[-1] if wanted > levels[-1] else sigma >= wanted
    assert not any(wanted <= level < sigma for level in levels)
    quality = nearest_level(levels, wanted, "dejpeg")
    assert quality == levels[0] if wanted < levels[0] else quality <= wanted
    assert not any(quality < level <= wanted for level in levels)


def test_gray_photos_take_gray_weights_where_there_are_some() -> None:
    known = registry(entry("c"), entry("g", channels=1))
    assert choose(ModelRequest("denoise", model="net", channels=1), known).entry.name == "g"
    assert choose(ModelRequest("denoise", model="net", channels=3), known).entry.name == "c"
    assert choose(ModelRequest("denoise", model="net", channels=1), registry(entry("c"))).entry.name == "c"


def test_gray_weights_serve_colour_photos_where_there_are_no_others() -> None:
    known = registry(entry("y", task="dejpeg", channels=1), entry("g", channels=1))
    assert choose(ModelRequest("dejpeg", model="net", channels=3), known).entry.name == "y"
    assert choose(ModelRequest("denoise", model="net", channels=3), known).entry.name == "g"


def test_the_usual_degradation_is_meant_unless_another_is_named() -> None:
    known = registry(entry("real", degradation="real"), entry("gauss", degradation="gaussian"))
    assert choose(ModelRequest("denoise", model="net"), known).entry.name == "gauss"
    assert choose(ModelRequest("denoise", model="net", degradation="real"), known).entry.name == "real"
    with pytest.raises(UsageError, match="net does not denoise motion"):
        choose(ModelRequest("denoise", model="net", degradation="motion"), known)
    only = registry(entry("real", degradation="real"))
    assert choose(ModelRequest("denoise", model="net"), only).entry.name == "real"


def test_sizes_are_taken_as_variants() -> None:
    known = registry(entry("t", size="tiny", rank=30), entry("b", size="base", rank=10))
    assert choose(ModelRequest("denoise", model="net"), known).entry.name == "b"
    assert choose(ModelRequest("denoise", model="net", variant="tiny"), known).entry.name == "t"
    with pytest.raises(UsageError, match="no huge variant") as caught:
        choose(ModelRequest("denoise", model="net", variant="huge"), known)
    assert "tiny" in caught.value.hint


def test_a_missing_light_variant_is_a_weights_error() -> None:
    with pytest.raises(WeightsError, match="no light variant"):
        choose(ModelRequest("denoise", model="net", variant="light"), registry(*PAPER))


def test_an_entry_can_be_named_in_full() -> None:
    choice = choose(ModelRequest("denoise", model="net-s50"), BOTH)
    assert choice.entry.name == "net-s50" and choice.fallback is None
    with pytest.raises(UsageError, match="not for upscale"):
        choose(ModelRequest("upscale", model="net-s50"), BOTH)


def test_a_scale_that_nobody_has_is_a_usage_error() -> None:
    known = registry(entry("x2", task="upscale", scale=2), entry("x4", task="upscale", scale=4))
    assert choose(ModelRequest("upscale", model="net", scale=4), known).entry.name == "x4"
    with pytest.raises(UsageError, match="net does not enlarge by 3") as caught:
        choose(ModelRequest("upscale", model="net", scale=3), known)
    assert caught.value.hint == "available: ×2, ×4"


def test_a_network_without_the_task_names_those_that_have_it() -> None:
    with pytest.raises(UsageError, match="other has no weights for denoise") as caught:
        choose(ModelRequest("denoise", model="other"), registry(*PAPER, entry("o", "other", task="dejpeg")))
    assert "net" in caught.value.hint


def test_maps_are_only_for_callers_that_can_give_them() -> None:
    mapped = entry("map", channels=2, out_channels=1, extra_input="noise map", rank=1)
    known = registry(mapped, entry("plain"))
    assert choose(ModelRequest("denoise", channels=1), known).entry.name == "plain"
    able = ModelRequest("denoise", channels=1, extra_inputs=frozenset({"noise map"}))
    assert choose(able, known).entry.name == "map"
    with pytest.raises(UsageError, match="needs a noise map"):
        choose(ModelRequest("denoise", model="map"), known)


def test_weights_that_take_a_map_serve_every_level() -> None:
    mapped = entry("map", channels=2, out_channels=1, extra_input="noise map", rank=1)
    fixed = entry("s50", channels=1, level=50, rank=2)
    request = ModelRequest("denoise", channels=1, level=23, extra_inputs=frozenset({"noise map"}))
    choice = choose(request, registry(mapped, fixed))
    assert choice.entry.name == "map" and choice.notes == ()


@pytest.mark.parametrize("by_environment", [True, False])
def test_the_commercial_policy_falls_to_light_and_says_so(
    monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    if by_environment:
        monkeypatch.setenv("RESTORE_LICENSE_POLICY", "commercial")
    policy = None if by_environment else "commercial"
    choice = choose(ModelRequest("denoise", model="net", license_policy=policy), BOTH)
    assert choice.entry == LIGHT and "licence policy" in choice.warnings[0]
    with pytest.raises(WeightsError, match="commercial use"):
        choose(ModelRequest("denoise", model="net", variant="paper", license_policy=policy), BOTH)


def test_unknown_tasks_models_and_policies_are_usage_errors() -> None:
    for request in (
        ModelRequest("colorize"),
        ModelRequest("denoise", model="nett"),
        ModelRequest("denoise", license_policy="free"),
    ):
        with pytest.raises(UsageError):
            choose(request, BOTH)
