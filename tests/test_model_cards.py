from __future__ import annotations

import json
import re

import pytest

from benchmarks.documents.model_cards import BEGIN, END, README, cards
from restorecli.models.cache import entry_path
from restorecli.models.convert import native_metadata
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.training.recipe import Recipe, find_recipe, read_recipe

LIGHT = [entry for entry in load_registry().entries if entry.ships]
SETS = {
    "upscale": {"Set5"},
    "denoise": {"CBSD68"},
    "dejpeg": {"Classic5"},
    "demosaic": {"Kodak24", "McMaster"},
    "deblur": {"Set14"},
    "enhance": {"Set14"},
}


def metadata_of(entry: ModelEntry) -> dict[str, str]:
    native = native_metadata(entry_path(entry))
    assert native is not None
    return native[2]


def recipe_of(name: str) -> Recipe:
    return read_recipe(find_recipe(name))


def test_the_cards_say_what_the_files_say() -> None:
    shown = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    assert shown == cards()  # else: python -m benchmarks.documents.model_cards


def test_the_table_of_the_weights_says_what_the_files_say() -> None:
    named = {f"**{entry.name}**": entry for entry in LIGHT} | {entry.name: entry for entry in LIGHT}
    cells = [row.split(" | ") for row in README.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in cells if len(row) > 3 and row[2] in named]
    assert {named[row[2]].name for row in rows} >= {entry.name for entry in LIGHT if entry.network != "nlsn"}
    for row in rows:
        measured = json.loads(metadata_of(named[row[2]])["results"])
        assert set(re.split(" / |, ", row[3])) <= {f"{one['psnr']:.2f}" for one in measured}, row


@pytest.mark.parametrize("entry", LIGHT, ids=lambda entry: entry.name)
def test_what_a_file_started_from_is_what_the_recipes_start_from(entry: ModelEntry) -> None:
    recipe, metadata = recipe_of(entry.name), metadata_of(entry)
    while "start" in metadata:
        metadata = json.loads(metadata["start"])
        assert metadata["name"] == recipe.init_from
        recipe = recipe_of(recipe.init_from)


def test_every_picture_of_a_card_is_there() -> None:
    shown = re.findall(r"\]\((\.\./docs/gallery/light/[^)]+)\)", cards())
    assert len(shown) == len(LIGHT)
    assert all((README.parent / picture).is_file() for picture in shown)


@pytest.mark.parametrize("entry", LIGHT, ids=lambda entry: entry.name)
def test_a_file_tells_recipe_data_licence_quality_and_parity(entry: ModelEntry) -> None:
    metadata = metadata_of(entry)
    recipe = Recipe(**json.loads(metadata["recipe"]))
    assert recipe == recipe_of(entry.name)
    assert int(metadata["steps"]) == recipe.steps and int(metadata["photos"]) > 100
    assert metadata["licence"] == entry.weights_license == "MIT"
    assert {row["set"] for row in json.loads(metadata["results"])} >= SETS[entry.task]
    assert json.loads(metadata["parity"])["values"]


def test_all_files_are_small_and_every_network_and_task_is_among_them() -> None:
    files = [entry_path(entry) for entry in LIGHT]
    assert sum(file.stat().st_size for file in files) < 30_000_000
    assert all(entry.parameters and entry.parameters < 1_000_000 for entry in LIGHT)
    assert {entry.network for entry in LIGHT} == {"nlsn", "rnan", "panet", "grl", "mirnet"}
    tasks = {(entry.task, entry.scale if entry.task == "upscale" else None) for entry in LIGHT}
    scales = {("upscale", scale) for scale in (2, 3, 4)}
    others = ("denoise", "dejpeg", "demosaic", "deblur", "enhance")
    assert tasks == scales | {(task, None) for task in others}
