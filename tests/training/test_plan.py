from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from restorecli.errors import UsageError
from restorecli.models.registry import package_data
from restorecli.training import loop, plan
from restorecli.training.device.batches import can_stay, device_batches
from restorecli.training.patches import PatchSampler, load_pair
from restorecli.training.recipe import Recipe, find_recipe
from restorecli.training.state import first_state
from tests.training.test_training import photos as photos

GPU = package_data("recipes") / "plans" / "gpu.toml"
RECIPE = """name = "a"
network = "nlsn"
task = "upscale"
steps = 1
batch = 1
patch = 12
precision = "fp32"
holdout = 3
[settings]
features = 4
blocks = 1
scale = 2
chunk_size = 16
hashes = 1
blocks_per_attention = 1
"""


def write_plan(folder: Path, more: str = "") -> Path:
    (folder / "a.toml").write_text(RECIPE, encoding="utf-8")
    recipe = (folder / "a.toml").as_posix()
    text = f'[[train]]\nrecipe = "{recipe}"\nminutes = 0.02\nname = "b"\nbatch = 2\n{more}'
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    return folder / "plan.toml"


def test_the_plan_for_a_gpu_fits_into_10_minutes_at_once_and_starts_from_what_ships() -> None:
    planned = plan.read_plan(GPU)
    assert max(minutes for _, minutes in planned) <= 10
    assert len({recipe.name for recipe, _ in planned}) == len(planned)
    for recipe, _ in planned:
        find_recipe(recipe.init_from)  # shipped weights and their recipe have one name
        assert (package_data("light") / f"{recipe.init_from}.safetensors").is_file()
        assert recipe.name != recipe.init_from


@pytest.mark.parametrize("recipe", [recipe for recipe, _ in plan.read_plan(GPU)], ids=lambda r: r.name)
def test_what_is_planned_for_a_gpu_takes_a_step_with_photos_kept_on_the_device(
    recipe: Recipe, tmp_path: Path
) -> None:
    assert can_stay(recipe)
    recipe = replace(recipe, batch=1, patch=16, drawings=0.0, validation_draws=1)
    clean = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(clean).save(tmp_path / "clean.png")
    sampler = PatchSampler([load_pair(tmp_path / "clean.png", replace(recipe, photo_scale=1.0))], recipe)
    device = torch.device("cpu")
    state = first_state(recipe, tmp_path, device)
    before = {name: weight.clone() for name, weight in state.network.named_parameters()}
    seen, wanted = next(device_batches(sampler, 0, device))
    loss = loop.stepper(recipe, state, loop.Options())(seen, wanted, 1e-3)
    assert torch.isfinite(loss)
    moved = [
        name for name, weight in state.network.named_parameters() if not torch.equal(weight, before[name])
    ]
    assert len(moved) > 10


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_plan_trains_for_its_minutes_and_once(photos: Path, tmp_path: Path) -> None:
    file, device = write_plan(tmp_path), torch.device("cpu")
    (made,) = plan.run_plan(file, photos, tmp_path / "work", tmp_path, device)
    last = rows(tmp_path / "work" / "b")[-1]
    assert made == tmp_path / "b.safetensors" and last["seconds"] >= 1.2
    assert last["learning_rate"] < 1e-4  # it has fallen, though steps are left
    with safe_open(made, "pt") as opened:
        told = opened.metadata()
    assert json.loads(told["recipe"])["steps"] == int(told["steps"]) == last["step"]
    before = made.stat().st_mtime_ns
    assert plan.run_plan(file, photos, tmp_path / "work", tmp_path, device) == [made]
    assert made.stat().st_mtime_ns == before


def test_an_interrupted_plan_goes_on_with_the_time_it_had(photos: Path, tmp_path: Path) -> None:
    file, folder, device = write_plan(tmp_path), tmp_path / "work" / "b", torch.device("cpu")
    plan.run_plan(file, photos, tmp_path / "work", tmp_path, device)
    (folder / "done").unlink()
    before = rows(folder)[-1]["step"]
    plan.run_plan(file, photos, tmp_path / "work", tmp_path, device)
    assert rows(folder)[-1]["step"] == before + 1  # its time was over


def test_all_of_a_plan_can_be_trained_at_once(photos: Path, tmp_path: Path) -> None:
    other = f'[[train]]\nrecipe = "{(tmp_path / "a.toml").as_posix()}"\nminutes = 0.02\nname = "c"\n'
    file = write_plan(tmp_path, other)
    plan.main(file, photos, tmp_path / "work", device="cpu", at_once=True)
    assert (tmp_path / "work" / "b.safetensors").is_file() and (tmp_path / "work" / "c.safetensors").is_file()


def test_what_waits_for_another_one_is_not_trained_at_once(tmp_path: Path) -> None:
    recipe = (tmp_path / "a.toml").as_posix()
    other = f'[[train]]\nrecipe = "{recipe}"\nminutes = 1\nname = "c"\ninit_from = "b"\n'
    with pytest.raises(UsageError, match="must wait for another one"):
        plan.run_at_once(write_plan(tmp_path, other), [])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x = 1", "cannot read the plan"),
        ("[[train]]\nminutes = 1", "lacks"),
        ("[[train", "cannot read the plan"),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=match):
        plan.read_plan(tmp_path / "plan.toml")
    with pytest.raises(UsageError, match="unknown entries"):
        plan.read_plan(write_plan(tmp_path, "bacth = 3\n"))
