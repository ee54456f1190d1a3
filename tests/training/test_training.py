from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from restorecli.errors import UsageError
from restorecli.models.convert import native_metadata
from restorecli.models.parity import complaint
from restorecli.models.registry import package_data
from restorecli.networks import from_native
from restorecli.quality.degrade import shrink
from restorecli.training import loop
from restorecli.training.__main__ import in_every_size, main, run
from restorecli.training.patches import Pair, PatchSampler, batches, load_pair, photo_files, split
from restorecli.training.recipe import Recipe, find_recipe, read_recipe, starting_weights
from restorecli.training.state import first_state
from tests.conftest import Done

RECIPES = sorted(
    file
    for file in (Path(__file__).parents[2] / "weights" / "recipes").glob("*/*.toml")
    if file.parent.name not in ("own", "plans")
)
TINY = Recipe(
    name="tiny",
    network="nlsn",
    task="upscale",
    settings={
        "features": 8,
        "blocks": 1,
        "scale": 2,
        "chunk_size": 16,
        "hashes": 1,
        "blocks_per_attention": 1,
    },
    steps=6,
    batch=2,
    patch=12,
    warmup=2,
    validate_every=3,
    precision="fp32",
    holdout=3,
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index, name in enumerate(("000a.png", "000b.png", "001a.png", "002a.png", "003a.png")):
        coarse = rng.integers(0, 256, (6 + index, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 56), Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With one thread a sum has one order, so that equal steps are equal to the bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_an_interrupted_run_goes_on_to_the_same_weights(photos: Path, tmp_path: Path, optimiser: str) -> None:
    device = torch.device("cpu")
    recipe = replace(TINY, optimiser=optimiser)
    whole = run(recipe, photos, tmp_path / "whole", tmp_path, device)
    expected = load_file(whole)
    first, second = replace(recipe, name="parts"), tmp_path / "parts"

    class Stop(Exception):
        pass

    def stop(_: str) -> None:
        raise Stop

    pairs = [load_pair(file, TINY) for file in split(photo_files(photos, TINY), TINY.holdout)[0]]
    second.mkdir()
    with pytest.raises(Stop):
        loop.train(
            first, PatchSampler(pairs, first), pairs[:1], first_state(first, tmp_path, device), second, stop
        )
    assert torch.load(second / "checkpoint.pt", weights_only=True)["step"] == 3
    resumed = load_file(run(first, photos, second, tmp_path, device))
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)
    assert [json.loads(line)["step"] for line in (second / "log.jsonl").read_text().splitlines()] == [3, 6]


def test_patches_made_ahead_by_another_process_are_the_same(photos: Path) -> None:
    sampler = PatchSampler([load_pair(file, TINY) for file in photo_files(photos, TINY)], TINY)
    own, ahead = list(batches(sampler, 2, 0)), list(batches(sampler, 2, 1))
    assert len(own) == len(ahead) == TINY.steps - 2
    for (degraded, clean), (other_degraded, other_clean) in zip(own, ahead, strict=True):
        assert torch.equal(degraded, other_degraded) and torch.equal(clean, other_clean)


def test_the_curve_is_drawn(photos: Path, tmp_path: Path) -> None:
    run(TINY, photos, tmp_path / "work", tmp_path, torch.device("cpu"))
    with Image.open(tmp_path / "work" / "curve.png") as picture:
        assert picture.size == (800, 450)
        assert np.unique(np.asarray(picture.convert("RGB"))).size > 50


def test_the_weights_file_says_what_it_is_and_loads(photos: Path, tmp_path: Path) -> None:
    file = run(TINY, photos, tmp_path / "work", tmp_path, torch.device("cpu"))
    with safe_open(file, "pt") as weights:
        metadata = weights.metadata()
    assert metadata["network"] == "nlsn"
    assert json.loads(metadata["recipe"]) == asdict(TINY)
    network = from_native("nlsn", load_file(file), json.loads(metadata["settings"]))
    assert network(torch.rand(1, 3, 9, 9)).shape == (1, 3, 18, 18)


def test_a_file_can_be_stored_at_half_the_size(photos: Path, tmp_path: Path) -> None:
    device = torch.device("cpu")
    whole = run(replace(TINY, name="whole"), photos, tmp_path / "whole", tmp_path, device)
    half = run(replace(TINY, name="half", stored="fp16"), photos, tmp_path / "half", tmp_path, device)
    for name, tensor in load_file(half).items():
        assert tensor.dtype == torch.float16
        torch.testing.assert_close(tensor.float(), load_file(whole)[name], rtol=1e-3, atol=1e-6)
    network = from_native("nlsn", load_file(half), TINY.settings)
    assert next(network.parameters()).dtype == torch.float32
    native = native_metadata(half)
    assert native is not None and complaint(network, native[2]["parity"]) == ""


def test_training_lowers_the_loss(photos: Path, tmp_path: Path) -> None:
    recipe = replace(TINY, steps=60, validate_every=20, learning_rate=3e-3)
    run(recipe, photos, tmp_path / "work", tmp_path, torch.device("cpu"))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.7 * losses[0]


def test_an_error_floor_is_refused_where_it_means_nothing(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        'name = "a"\nnetwork = "nlsn"\ntask = "denoise"\nsteps = 1\nerror_floor = 2.0\n[settings]\n'
    )
    with pytest.raises(UsageError, match="error_floor"):
        read_recipe(file)


def test_a_network_that_adds_its_input_can_start_as_the_identity(tmp_path: Path) -> None:
    recipe = replace(TINY, task="denoise", settings={**TINY.settings, "scale": 1})
    x = torch.rand(1, 3, 16, 16)
    for zero, same in (([], False), (["to_image.weight", "to_image.bias"], True)):
        state = first_state(replace(recipe, zero_at_start=zero), tmp_path, torch.device("cpu"))
        assert torch.equal(state.network(x), x) is same
        assert all(torch.equal(v, state.average[k]) for k, v in state.network.state_dict().items())


def test_a_deeper_network_can_start_as_the_one_it_is_made_from(photos: Path, tmp_path: Path) -> None:
    recipe = replace(
        TINY, task="denoise", settings={**TINY.settings, "scale": 1}, degradation={"sigma": [0, 60]}
    )
    file = run(recipe, photos, tmp_path / "work", tmp_path, torch.device("cpu"))
    shallow = from_native("nlsn", load_file(file), recipe.settings)
    deeper = replace(
        recipe,
        settings={**recipe.settings, "blocks": 2, "blocks_per_attention": 2},
        init_from="tiny",
        init_names={"head.": "head.", "to_image.": "to_image."}
        | {f"body.{old}.": f"body.{new}." for old, new in ((0, 0), (1, 1), (2, 3), (3, 4))},
        zero_at_start=["body.2.conv_out.weight", "body.2.conv_out.bias"],
    )
    network = first_state(deeper, tmp_path, torch.device("cpu")).network
    x = torch.rand(1, 3, 16, 16)
    rotations = [torch.randn(2, 1, 8) for _ in range(2)]
    torch.testing.assert_close(network(x, rotations), shallow(x, rotations))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("photo_scale = 1.5", "photo_scale"),
        ("more_scales = [0.5, 0.0]", "more_scales"),
        ('zero_at_start = ["no.such"]', "no.such"),
        ("sharpness.depth = 2", "sharpness"),
        ('loss = "sharp"', "sharpness"),
    ],
)
def test_entries_that_could_not_be_followed_are_refused(entry: str, match: str, tmp_path: Path) -> None:
    text = next(file for file in RECIPES if file.stem == "nlsn-light-x4").read_text(encoding="utf-8")
    others = [line for line in text.splitlines() if not line.startswith(f"{match} =")]
    file = tmp_path / "odd.toml"
    file.write_text("\n".join([entry, *others]), encoding="utf-8")
    with pytest.raises(UsageError, match=match):
        first_state(replace(read_recipe(file), init_from=""), tmp_path, torch.device("cpu"))


def test_a_start_from_other_weights_takes_what_fits(photos: Path, tmp_path: Path) -> None:
    double = load_file(run(TINY, photos, tmp_path / "work", tmp_path, torch.device("cpu")))
    recipe = replace(TINY, name="triple", settings={**TINY.settings, "scale": 3}, init_from="tiny")
    state = first_state(recipe, tmp_path, torch.device("cpu")).network.state_dict()
    assert torch.equal(state["body.1.conv_in.weight"], double["body.1.conv_in.weight"])
    assert state["upsampler.0.weight"].shape != double["upsampler.0.weight"].shape


def test_a_start_can_be_taken_from_another_network_by_names(photos: Path, tmp_path: Path) -> None:
    start = load_file(run(TINY, photos, tmp_path / "work", tmp_path, torch.device("cpu")))
    recipe = replace(
        TINY,
        network="panet",
        settings={"architecture": "paedsr", "features": 8, "blocks": 2, "scale": 2},
        init_from="tiny",
        init_names={"head.": "head.", "body.1.": "body.0.", "body.3.": "fusion.", "to_image.": "tail."},
    )
    state = first_state(recipe, tmp_path, torch.device("cpu")).network.state_dict()
    assert torch.equal(state["head.weight"], start["head.weight"])
    assert torch.equal(state["body.0.conv_out.bias"], start["body.1.conv_out.bias"])
    assert torch.equal(state["fusion.weight"], start["body.3.weight"])
    assert torch.equal(state["tail.bias"], start["to_image.bias"])
    assert not torch.equal(state["body.2.conv_in.weight"], start["body.1.conv_in.weight"])


def test_one_command_trains_from_zero_on_a_folder_of_photos_and_the_result_restores(
    tmp_path: Path, restore: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe of the documents at toy length: nothing but photos is there at the start."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("holiday/beach.jpg", "holiday/old town.png", "cat.tif", ".trash/gone.png"):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
        coarse.resize((192, 144), Image.Resampling.BICUBIC).save(Path("photos", name))
    Path("photos/notes.txt").write_text("no photo")
    Path("photos/broken.jpg").write_bytes(b"\xff\xd8\xff but nothing more")
    app = typer.Typer()
    app.command()(main)
    trained = CliRunner().invoke(app, ["own-denoise", "--photos", "photos", "--steps", "2", "--threads", "1"])
    assert trained.exit_code == 0, trained.output
    assert "left out: photos/broken.jpg" in trained.output and "2 photos, 1 held out" in trained.output
    weights = Path("training/own-denoise/own-denoise.safetensors")
    with safe_open(weights, "pt") as opened:
        assert opened.metadata()["licence"] == "" and opened.metadata()["steps"] == "2"
        assert opened.get_tensor("inner.to_image.weight").abs().max() > 0  # it began at zero
    done = restore("denoise", "photos/cat.tif", "--weights", weights, "--sigma", "20", "-o", "out.png")
    assert done.code == 0, done.err
    with Image.open("out.png") as result, Image.open("photos/cat.tif") as given:
        assert result.size == given.size


def test_the_folder_for_the_weights_is_made(photos: Path, tmp_path: Path) -> None:
    file = run(TINY, photos, tmp_path / "work", tmp_path / "new" / "weights", torch.device("cpu"))
    assert file == tmp_path / "new" / "weights" / "tiny.safetensors" and file.is_file()


def test_a_folder_that_cannot_be_made_is_said_before_training(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="file: the folder cannot be made"):
        run(TINY, photos, tmp_path / "work", tmp_path / "file", torch.device("cpu"))
    assert not (tmp_path / "work" / "log.jsonl").exists()


def test_a_start_is_found_in_the_package_too(tmp_path: Path) -> None:
    recipe = replace(TINY, init_from="nlsn-light-x2")
    assert starting_weights(recipe, tmp_path) == package_data("light") / "nlsn-light-x2.safetensors"
    own = tmp_path / "nlsn-light-x2.safetensors"
    own.touch()
    assert starting_weights(recipe, tmp_path) == own
    assert starting_weights(TINY, tmp_path) is None
    with pytest.raises(UsageError, match="starts from no-such"):
        starting_weights(replace(TINY, init_from="no-such"), tmp_path)


def test_a_recipe_is_found_by_its_name_in_the_package(tmp_path: Path) -> None:
    assert find_recipe("nlsn-light-x2") in RECIPES
    assert find_recipe(str(tmp_path / "mine.toml")) == tmp_path / "mine.toml"
    with pytest.raises(UsageError, match="no recipe no-such") as caught:
        find_recipe("no-such")
    assert "own-denoise" in caught.value.hint


def test_a_single_photo_is_too_few(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one photo only"):
        split(photo_files(photos, TINY)[:1], 3)


def test_photos_larger_than_the_recipe_says_are_shrunk(photos: Path) -> None:
    file = photo_files(photos, TINY)[0]
    small = load_pair(file, replace(TINY, most_megapixels=64 * 56 / 4e6)).clean
    assert small.shape == (28, 32, 3)
    assert load_pair(file, replace(TINY, most_megapixels=1.0)).clean.shape == (56, 64, 3)


def test_patches_of_both_sizes_show_the_same_place() -> None:
    truth = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(truth[::8, ::8]).resize((60, 40), Image.Resampling.BICUBIC))
    degraded, clean = PatchSampler([Pair(shrink(smooth, 2), smooth)], TINY)[0]
    again = torch.nn.functional.avg_pool2d(clean, 2)
    assert degraded.shape == (2, 3, 12, 12)
    assert (again - degraded)[:, :, 2:-2, 2:-2].abs().mean() < 0.02


def test_photos_can_be_shrunk_before_they_are_used(photos: Path) -> None:
    file = photo_files(photos, TINY)[0]
    pair = load_pair(file, replace(TINY, photo_scale=0.5))
    assert pair.clean.shape == (28, 32, 3) and pair.degraded.shape == (14, 16, 3)
    whole = load_pair(file, TINY).clean.astype(float)
    means = whole.reshape(28, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(pair.clean - means)[2:-2, 2:-2].mean() < 3


def test_photos_can_be_there_in_several_sizes(photos: Path) -> None:
    files = photo_files(photos, TINY)
    pairs = in_every_size(files, replace(TINY, more_scales=[0.5, 0.25]))
    sides = [pair.clean.shape[1] for pair in pairs]
    assert sides == [64] * len(files) + [32] * len(files) + [16] * len(files)


def test_windows_of_one_picture_stay_together(photos: Path) -> None:
    training, held = split(photo_files(photos, TINY), 2)
    assert sorted(training + held) == photo_files(photos, TINY)
    assert not {file.name[:3] for file in training} & {file.name[:3] for file in held}


def test_only_the_sources_of_the_recipe_are_used(photos: Path) -> None:
    (photos / "MANIFEST.tsv").write_text(
        "file\trepo\n000a.png\tfree/one\n001a.png\tshare/alike\n", encoding="utf-8"
    )
    recipe = replace(TINY, sources={"free/one": "CC0-1.0"})
    assert [file.name for file in photo_files(photos, recipe)] == ["000a.png"]


def test_the_rate_rises_then_falls_to_its_end() -> None:
    rates = [loop.learning_rate(TINY, step) for step in range(TINY.steps + 1)]
    assert rates[0] < rates[1] == pytest.approx(TINY.learning_rate)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(TINY.final_learning_rate)


@pytest.mark.parametrize("file", RECIPES, ids=lambda f: f.stem)
def test_shipped_recipes_are_complete_and_use_free_photos_only(file: Path) -> None:
    recipe = read_recipe(file)
    assert recipe.name == file.stem
    assert recipe.sources
    assert not any("-SA" in licence or "GPL" in licence for licence in recipe.sources.values())


def test_a_border_that_would_shift_the_mosaic_is_refused(tmp_path: Path) -> None:
    text = next(file for file in RECIPES if file.stem == "nlsn-light-demosaic").read_text(encoding="utf-8")
    file = tmp_path / "odd.toml"
    file.write_text(text.replace("border = 8", "border = 3"), encoding="utf-8")
    with pytest.raises(UsageError, match="mosaic"):
        read_recipe(file)


def test_a_misspelt_entry_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('name = "x"\nstepz = 3\n', encoding="utf-8")
    with pytest.raises(UsageError, match="stepz"):
        read_recipe(file)


def test_what_is_written_is_the_mean_with_the_weights_it_is_averaged_with(
    photos: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    alone = run(TINY, photos, tmp_path / "a", weights, torch.device("cpu"))
    other = run(replace(TINY, name="other", seed=5), photos, tmp_path / "b", weights, torch.device("cpu"))
    mixed = replace(TINY, name="mixed", average_with=["other"])
    made = load_file(run(mixed, photos, tmp_path / "c", weights, torch.device("cpu")))
    for key, value in load_file(alone).items():
        torch.testing.assert_close(made[key], (value + load_file(other)[key]) / 2)


def test_weights_of_another_size_cannot_be_averaged_with(photos: Path, tmp_path: Path) -> None:
    larger = replace(TINY, name="larger", settings={**TINY.settings, "features": 16})
    weights = tmp_path / "weights"
    run(larger, photos, tmp_path / "a", weights, torch.device("cpu"))
    with pytest.raises(UsageError, match="another network"):
        run(replace(TINY, average_with=["larger"]), photos, tmp_path / "b", weights, torch.device("cpu"))
